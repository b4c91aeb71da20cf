package migrations

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A migration that waits for a lock on a table makes every query that comes after it wait too,
// behind it. So it gives up soon, lets them pass and tries again: for about four minutes, which
// outlasts any transaction of an entry.
const (
	lockTimeout  = 3 * time.Second
	lockTries    = 30
	longestPause = 10 * time.Second
)

func limitLocks(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, fmt.Sprintf("SET lock_timeout = %d", lockTimeout.Milliseconds()))
	return err
}

// betweenOthers runs fn again while all that keeps it is a lock of another session. What fn has
// finished, it does not do again.
func betweenOthers(ctx context.Context, fn func() error) error {
	for try := 1; ; try++ {
		err := fn()
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != "55P03" { // lock not available
			return err
		}
		if try == lockTries {
			return fmt.Errorf("another session held a lock during each of %d tries; end it, or "+
				"migrate again later: %w", try, err)
		}
		pause := min(time.Duration(try)*time.Second, longestPause)
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(pause/2 + rand.N(pause/2)):
		}
	}
}
