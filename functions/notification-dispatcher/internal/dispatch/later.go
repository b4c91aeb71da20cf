package dispatch

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

const (
	// The earliest of all: the inbox, the clock of what is scheduled, channels, and the sender's
	// pause, before which no channel is.
	nextDue = `
SELECT extract(epoch FROM least(
	(SELECT clock_timestamp() FROM notification_inbox LIMIT 1),
	(SELECT min(not_before) FROM notification_schedule),
	(SELECT greatest(min(next_at), (SELECT CASE WHEN failures > 0
		THEN greatest(paused_until, probing_until) END
		FROM notification_senders WHERE name = 'pusher')) FROM notification_channels
			WHERE next_at IS NOT NULL)
) - clock_timestamp())::float8`
	// The same where something waits: a channel whose organization has no room is not due before it
	// has.
	nextOpen = dueOrganizations + `
SELECT extract(epoch FROM least(
	(SELECT clock_timestamp() FROM notification_inbox LIMIT 1),
	(SELECT min(not_before) FROM notification_schedule),
	(SELECT min(next_at) FROM notification_channels WHERE next_at > now()),
	(SELECT min(greatest(least(high_at, other_at), now())) FROM organization)
) - clock_timestamp())::float8`
	takeBell = `
UPDATE notification_senders SET bell_at = clock_timestamp() + $1::interval
WHERE name = 'pusher' AND (bell_at <= clock_timestamp()
	OR bell_at > clock_timestamp() + $1::interval + interval '1 second')`
)

// never is when there is nothing to come.
const never = time.Duration(math.MaxInt64)

// dueIn is in how long something is due.
func dueIn(ctx context.Context, db *tenantdb.DB) (time.Duration, error) {
	return untilNext(ctx, db, nextDue)
}

// openIn is in how long something is due that its organization has room for.
func (d *Dispatcher) openIn(ctx context.Context) (time.Duration, error) {
	wait, err := dueIn(ctx, d.DB)
	if err != nil || wait > 0 {
		return wait, err
	}
	return untilNext(ctx, d.DB, nextOpen, uuid.Nil, d.Config.ahead(true), d.Config.ahead(false))
}

func untilNext(
	ctx context.Context,
	db *tenantdb.DB,
	sql string,
	arguments ...any,
) (time.Duration, error) {
	wait := never
	err := db.AcrossTenants(ctx, func(tx pgx.Tx) error {
		var seconds *float64
		err := tx.QueryRow(ctx, sql, arguments...).Scan(&seconds)
		if err != nil || seconds == nil {
			return err
		}
		wait = max(time.Duration(*seconds*float64(time.Second)), 0)
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("find what is due next: %w", err)
	}
	return wait, nil
}

// bellIn is the delay of a bell for what is due in wait: in whole seconds, as SQS counts, not
// before it is due.
func bellIn(wait time.Duration) time.Duration {
	return min(max(wait, time.Second).Truncate(time.Second)+time.Second, longestBell)
}

// ringLater has the doorbell ring when the next is due. One bell is on its way at a time: else each
// that finds nothing would send another.
func (d *Dispatcher) ringLater(ctx context.Context) error {
	if d.Ring == nil {
		return nil
	}
	wait, err := d.openIn(ctx)
	if err != nil || wait > longestBell {
		return err
	}
	wait = bellIn(wait)
	var mine bool
	err = d.DB.AcrossTenants(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, takeBell, wait)
		mine = tag.RowsAffected() == 1
		return err
	})
	if err != nil {
		return fmt.Errorf("take the doorbell: %w", err)
	}
	if !mine {
		return nil
	}
	if err := d.Ring(ctx, wait); err != nil {
		d.Log.WarnContext(ctx, "doorbell not rung", "error", err) // the sweep looks within a minute
	}
	return nil
}
