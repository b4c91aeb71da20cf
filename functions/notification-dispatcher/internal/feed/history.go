package feed

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/topic"
	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// Page is a part of a channel's history, in its order.
type Page struct {
	Notifications []Notification
	LastSequence  int64 // of the channel
	// HistoryLost means that something after the asked sequence is gone, or that the sequence is
	// beyond the last one: the database was restored. The client begins anew from what there is.
	HistoryLost bool
	Unread      int64 // after the caller's own ack
}

const (
	readState = `
SELECT coalesce((SELECT last_sequence FROM notification_channels
	WHERE organization_id = $1 AND channel = $2), 0),
	coalesce((SELECT min(sequence) FROM notifications WHERE organization_id = $1 AND channel = $2),
		0),
	coalesce((SELECT sequence FROM notification_acks
		WHERE organization_id = $1 AND channel = $2 AND user_id = $3), 0)`
	readHistory = `
SELECT n.id, n.channel, n.sequence, n.topic, n.payload, n.priority, n.occurred_at,
	CASE WHEN w.sequence IS NOT NULL THEN 'waiting' WHEN d.sequence IS NOT NULL THEN 'dead'
		ELSE coalesce(a.outcome, 'delivered') END, coalesce(d.reason, '')
FROM notifications n
LEFT JOIN notification_deliveries w USING (organization_id, channel, sequence)
LEFT JOIN notification_dead d USING (organization_id, channel, sequence)
LEFT JOIN LATERAL (
	SELECT outcome FROM notification_attempts t
	WHERE t.organization_id = n.organization_id AND t.channel = n.channel
		AND t.sequence = n.sequence
	ORDER BY attempted_at DESC LIMIT 1
) a ON true
WHERE n.organization_id = $1 AND n.channel = $2 AND n.sequence > $3 ORDER BY n.sequence LIMIT $4`
)

// List returns what a channel had after a sequence, for whoever may hear it live.
func (f Feed) List(
	ctx context.Context,
	tx pgx.Tx,
	by tenant.Caller,
	name string,
	after int64,
	limit int,
) (Page, error) {
	if !f.mayRead(by, name) {
		return Page{}, notYours()
	}
	var p Page
	var first, acked int64
	batch := &pgx.Batch{}
	batch.Queue(readState, by.Organization, name, by.User).QueryRow(func(row pgx.Row) error {
		return row.Scan(&p.LastSequence, &first, &acked)
	})
	batch.Queue(
		readHistory,
		by.Organization,
		name,
		after,
		limit,
	).Query(
		func(rows pgx.Rows) (err error) {
			p.Notifications, err = pgx.CollectRows(rows, scanRecorded)
			return err
		},
	)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return Page{}, fmt.Errorf("read the history of a channel: %w", err)
	}
	if n := len(p.Notifications); n > 0 { // what came between the two statements counts
		p.LastSequence = max(p.LastSequence, p.Notifications[n-1].Sequence)
		first = min(max(first, 1), p.Notifications[0].Sequence)
	}
	p.HistoryLost, p.Unread = lost(
		after,
		first,
		p.LastSequence,
	), unread(
		acked,
		first,
		p.LastSequence,
	)
	return p, nil
}

// lost says whether a reader who has everything up to after cannot get all that came since. first
// is the oldest sequence that there is; 0: there is none.
func lost(after, first, last int64) bool {
	switch {
	case after > last:
		return true
	case first == 0:
		return after < last
	}
	return after+1 < first
}

// unread counts what there is after a cursor.
func unread(acked, first, last int64) int64 {
	if first == 0 {
		return 0
	}
	return max(last-max(acked, first-1), 0)
}

// Ack says that the caller has read a channel up to and including a notification. A cursor never
// goes back. With several channels, channel says which one; "" is the first that the caller hears.
func (f Feed) Ack(
	ctx context.Context,
	tx pgx.Tx,
	by tenant.Caller,
	id uuid.UUID,
	channel string,
) (Notification, Page, error) {
	found, err := f.find(ctx, tx, by, id)
	if err != nil {
		return Notification{}, Page{}, err
	}
	n := found[0]
	for _, other := range found {
		if other.Channel == channel {
			n = other
		}
	}
	if channel != "" && n.Channel != channel {
		return Notification{}, Page{}, notFound()
	}
	if n.Sequence == 0 {
		return n, Page{}, fault.New(
			fault.Conflict,
			"not-sequenced",
			"The notification has no place in its channel yet. Try again in a moment.",
		).After(time.Second)
	}
	const move = `
		INSERT INTO notification_acks AS a (organization_id, user_id, channel, sequence)
			VALUES ($1, $2, $3, $4)
		ON CONFLICT (organization_id, user_id, channel) DO UPDATE
			SET sequence = excluded.sequence, acked_at = now()
		WHERE a.sequence < excluded.sequence`
	if _, err := tx.Exec(ctx, move, by.Organization, by.User, n.Channel, n.Sequence); err != nil {
		return n, Page{}, fmt.Errorf("move a cursor: %w", err)
	}
	page, err := f.List(ctx, tx, by, n.Channel, n.Sequence, 0)
	return n, page, err
}

// Mute keeps a topic, or a family of them as file.*, off the caller's own channels from now on.
func (f Feed) Mute(ctx context.Context, tx pgx.Tx, by tenant.Caller, name string) error {
	if !topic.ValidMute(name) {
		return fault.New(
			fault.Invalid,
			"invalid-topic",
			"A topic is named in lower case with dots, such as file.available, or file.* for all "+
				"of its kind.",
		)
	}
	var muted int
	const count = `SELECT count(*) FROM notification_mutes
		WHERE organization_id = $1 AND user_id = $2`
	if err := tx.QueryRow(ctx, count, by.Organization, by.User).Scan(&muted); err != nil {
		return fmt.Errorf("count mutes: %w", err)
	}
	if muted >= maxMutes {
		return fault.New(fault.Conflict, "too-many-mutes",
			"You have muted 200 topics. Mute whole kinds instead, as file.*, or unmute some.")
	}
	const mute = `INSERT INTO notification_mutes (organization_id, user_id, topic)
		VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`
	if _, err := tx.Exec(ctx, mute, by.Organization, by.User, name); err != nil {
		return fmt.Errorf("mute %s: %w", name, err)
	}
	return nil
}

const maxMutes = 200

// Unmute undoes Mute.
func (f Feed) Unmute(ctx context.Context, tx pgx.Tx, by tenant.Caller, name string) error {
	const unmute = `DELETE FROM notification_mutes
		WHERE organization_id = $1 AND user_id = $2 AND topic = $3`
	if _, err := tx.Exec(ctx, unmute, by.Organization, by.User, name); err != nil {
		return fmt.Errorf("unmute %s: %w", name, err)
	}
	return nil
}
