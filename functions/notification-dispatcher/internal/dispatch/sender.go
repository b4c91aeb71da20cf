package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/channel"
)

// probeTime is how long one dispatcher has to find out whether the service is back, before another
// may try.
const probeTime = sendTime + 5*time.Second

const (
	askSender = `
SELECT failures = 0 AS open, paused_until <= clock_timestamp()
	AND probing_until <= clock_timestamp() AS probe
FROM notification_senders WHERE name = 'pusher'`
	takeProbe = `
UPDATE notification_senders SET probing_until = clock_timestamp() + $1::interval
WHERE name = 'pusher' AND failures > 0 AND paused_until <= clock_timestamp()
	AND probing_until <= clock_timestamp()`
	lockSender  = `SELECT failures FROM notification_senders WHERE name = 'pusher' FOR UPDATE`
	pauseSender = `
UPDATE notification_senders SET failures = failures + 1, probing_until = '-infinity',
	paused_until = greatest(paused_until, clock_timestamp() + $1::interval)
WHERE name = 'pusher'`
	openSender = `UPDATE notification_senders SET failures = 0, probing_until = '-infinity'
		WHERE name = 'pusher' AND failures > 0`
)

// ask says whether anything may be sent, and whether only to find out if the service is back.
func (d *Dispatcher) ask(ctx context.Context) (probe, open bool, err error) {
	err = d.DB.AcrossTenants(ctx, func(tx pgx.Tx) error {
		var due bool
		if err := tx.QueryRow(ctx, askSender).Scan(&open, &due); err != nil || open || !due {
			return err
		}
		tag, err := tx.Exec(ctx, takeProbe, probeTime)
		probe = tag.RowsAffected() == 1
		open = probe
		return err
	})
	if err != nil {
		return false, false, fmt.Errorf("ask whether the sender is paused: %w", err)
	}
	return probe, open, nil
}

// tellSender tells all dispatchers of an outage, or with nil that it is over.
func (d *Dispatcher) tellSender(ctx context.Context, outage *channel.Outage) error {
	err := d.DB.AcrossTenants(ctx, func(tx pgx.Tx) error {
		if outage == nil {
			_, err := tx.Exec(ctx, openSender)
			return err
		}
		var failures int
		if err := tx.QueryRow(ctx, lockSender).Scan(&failures); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, pauseSender, backoff(failures+1, outage.RetryAfter, jitter()))
		return err
	})
	if err != nil {
		return fmt.Errorf("tell of the sender's state: %w", err)
	}
	return nil
}

const (
	// removed are users who authenticated a connection and are members no more. A member of several
	// organizations is only ended for one of them, and comes back at once.
	findRemoved = `
SELECT DISTINCT s.organization_id, s.user_id FROM notification_sockets s
LEFT JOIN memberships m ON m.organization_id = s.organization_id AND m.user_id = s.user_id
	AND m.removed_at IS NULL
WHERE m.user_id IS NULL LIMIT 100`
	takeCheck = `
UPDATE notification_senders SET checked_at = clock_timestamp()
WHERE name = 'pusher' AND failures = 0 AND checked_at < clock_timestamp() - interval '30 seconds'`
	forgetUser = `DELETE FROM notification_sockets WHERE organization_id = $1 AND user_id = $2`
)

// terminateRemoved ends the connections of members who were removed since it was last called, by
// anybody, within a minute.
func (d *Dispatcher) terminateRemoved(ctx context.Context) error {
	type member struct{ organization, user uuid.UUID }
	var removed []member
	err := d.DB.AcrossTenants(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, takeCheck)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		rows, err := tx.Query(ctx, findRemoved)
		if err != nil {
			return err
		}
		removed, err = pgx.CollectRows(
			rows,
			func(row pgx.CollectableRow) (m member, err error) {
				return m,
					row.Scan(&m.organization, &m.user)
			},
		)
		return err
	})
	if err != nil {
		return fmt.Errorf("look for removed members: %w", err)
	}
	for _, m := range removed {
		err := d.Sender.TerminateConnections(ctx, m.user.String())
		if _, outage := errors.AsType[*channel.Outage](err); outage || ctx.Err() != nil {
			return nil // the rows are still there in a minute
		}
		if err != nil {
			return fmt.Errorf("end the connections of a removed member: %w", err)
		}
		err = d.DB.InTenant(ctx, m.organization, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, forgetUser, m.organization, m.user)
			return err
		})
		if err != nil {
			return fmt.Errorf("forget the connections of a removed member: %w", err)
		}
	}
	return nil
}
