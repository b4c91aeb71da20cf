package clamd

import (
	"context"
	"time"
)

// Watch starts clamd again, at the same address, whenever it ended by itself, and tells of it. It
// returns when ctx ends. After Kill and Stop nothing is started.
func (c *Clamd) Watch(ctx context.Context, tell func(string)) {
	const (
		look  = 250 * time.Millisecond
		again = 10 * time.Second // between starts that fail: a database may be half written
	)
	for pause := look; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		if pause = look; !c.ended() {
			continue
		}
		tell("clamd ended by itself and is started again; files wait until it answers")
		if err := c.restartEnded(ctx); err == nil {
			tell("clamd answers again")
		} else if ctx.Err() == nil {
			tell(err.Error() + "; the next try is in " + again.String())
			pause = again
		}
	}
}

// ended tells whether clamd should be running and is not.
func (c *Clamd) ended() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.process != nil && c.process.Ended()
}

// restartEnded is Restart where the process ended without Kill or Stop. One that cannot be started
// stays ended, so that the next look finds it.
func (c *Clamd) restartEnded(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.process == nil {
		return nil // killed or stopped since that look
	}
	return c.run(ctx)
}
