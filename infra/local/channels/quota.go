package channels

import (
	"sync"
	"time"
)

// quota counts events in fixed windows.
type quota struct {
	events int
	window time.Duration

	mu    sync.Mutex
	start time.Time
	used  int
}

// take counts n events, all or none, and says how long until a window that has room.
func (q *quota) take(n int, now time.Time) (wait time.Duration, ok bool) {
	if q.events == 0 {
		return 0, true
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if now.Sub(q.start) >= q.window {
		q.start, q.used = now, 0
	}
	if q.used+n > q.events {
		return q.start.Add(q.window).Sub(now), false
	}
	q.used += n
	return 0, true
}
