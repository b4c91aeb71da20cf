package dispatch

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/topic"
)

// sequencedAtOnce is how many rows of an inbox one transaction takes.
const sequencedAtOnce = 1000

const (
	findInboxes = `
WITH RECURSIVE t AS (
	(SELECT organization_id FROM notification_inbox ORDER BY organization_id LIMIT 1)
	UNION ALL
	SELECT (SELECT i.organization_id FROM notification_inbox i
		WHERE i.organization_id > t.organization_id ORDER BY i.organization_id LIMIT 1)
	FROM t WHERE t.organization_id IS NOT NULL
)
SELECT organization_id FROM t WHERE organization_id IS NOT NULL ORDER BY random() LIMIT 64`
	findDueSchedules = `
WITH RECURSIVE t AS (
	(SELECT organization_id, not_before FROM notification_schedule
		ORDER BY organization_id, not_before LIMIT 1)
	UNION ALL
	SELECT s.organization_id, s.not_before FROM t CROSS JOIN LATERAL (
		SELECT organization_id, not_before FROM notification_schedule
		WHERE organization_id > t.organization_id ORDER BY organization_id, not_before LIMIT 1
	) s
)
SELECT organization_id FROM t WHERE not_before <= now() ORDER BY random() LIMIT 64`
	promote = `
WITH due AS (
	DELETE FROM notification_schedule WHERE organization_id = $1 AND id IN (
		SELECT id FROM notification_schedule WHERE organization_id = $1 AND not_before <= now()
			ORDER BY not_before LIMIT $2
	) RETURNING *
)
INSERT INTO notification_inbox (organization_id, id, topic, channel, payload, priority, created_at)
SELECT organization_id, id, topic, channel, payload, priority, created_at FROM due
	ORDER BY not_before`

	makeTenant = `
INSERT INTO notification_tenants (organization_id) SELECT $1
	WHERE NOT EXISTS (SELECT FROM notification_tenants WHERE organization_id = $1)
ON CONFLICT DO NOTHING`
	lockTenant = `SELECT 1 FROM notification_tenants WHERE organization_id = $1
		FOR UPDATE SKIP LOCKED`
	readInbox = `
SELECT position, topic, user_id, coalesce(channel, '') FROM notification_inbox
	WHERE organization_id = $1 ORDER BY position LIMIT $2`
	readMutes = `
SELECT m.user_id, array_agg(m.topic) FROM notification_mutes m
WHERE m.organization_id = $1 AND m.user_id IN (
	SELECT user_id FROM (SELECT user_id FROM notification_inbox WHERE organization_id = $1
		ORDER BY position LIMIT $2) head
) GROUP BY m.user_id`

	number = `
WITH target AS (
	SELECT * FROM unnest($2::bigint[], $3::text[], $4::text[]) AS t (position, channel, reason)
), taken AS (
	DELETE FROM notification_inbox WHERE organization_id = $1 AND position = ANY ($5::bigint[])
		RETURNING *
), counted AS (
	SELECT t.channel, count(*) AS events, count(*) FILTER (WHERE t.reason IS NULL) AS live,
		(array_agg(i.priority ORDER BY t.position))[1] AS first
	FROM target t JOIN taken i USING (position) GROUP BY t.channel
), channels AS (
	INSERT INTO notification_channels AS c (organization_id, channel, last_sequence, next_at,
		priority)
	SELECT $1, channel, events, CASE WHEN live > 0 THEN now() END, first FROM counted
		ORDER BY channel
	ON CONFLICT (organization_id, channel) DO UPDATE SET
		last_sequence = c.last_sequence + excluded.last_sequence,
		next_at = coalesce(c.next_at, excluded.next_at),
		priority = CASE WHEN c.next_at IS NULL THEN excluded.priority ELSE c.priority END
	RETURNING channel, last_sequence
), numbered AS (
	SELECT t.channel, t.reason, i.id, i.topic, i.subject_id, i.payload, i.priority, i.created_at,
		c.last_sequence - n.events + row_number() OVER (PARTITION BY t.channel
			ORDER BY t.position) AS sequence
	FROM target t JOIN taken i USING (position) JOIN counted n ON n.channel = t.channel
		JOIN channels c ON c.channel = t.channel
), history AS (
	INSERT INTO notifications (organization_id, channel, sequence, id, topic, subject_id, payload,
		priority, occurred_at)
	SELECT $1, n.channel, n.sequence, n.id, n.topic, n.subject_id, n.payload, n.priority,
		n.created_at FROM numbered n
), dead AS (
	INSERT INTO notification_dead (organization_id, channel, sequence, recorded_at, reason,
		attempts)
	SELECT $1, n.channel, n.sequence, now(), n.reason, 0 FROM numbered n WHERE n.reason IS NOT NULL
)
INSERT INTO notification_deliveries (organization_id, channel, sequence, recorded_at, priority)
SELECT $1, n.channel, n.sequence, now(), n.priority FROM numbered n WHERE n.reason IS NULL`
)

// Sequence gives what is in the inboxes its places, and returns how many rows it took. It never
// waits for the service that sends.
func (d *Dispatcher) Sequence(ctx context.Context) (int, error) {
	inboxes, due, err := d.inboxes(ctx)
	if err != nil {
		return 0, err
	}
	for _, organization := range due {
		if err := d.promote(ctx, organization); err != nil {
			return 0, err
		}
		inboxes = append(inboxes, organization)
	}
	total := 0
	for _, organization := range inboxes {
		n, err := d.sequenceOne(ctx, organization)
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

func (d *Dispatcher) inboxes(ctx context.Context) (inboxes, due []uuid.UUID, err error) {
	collect := func(into *[]uuid.UUID) func(pgx.Rows) error {
		return func(rows pgx.Rows) (err error) {
			*into, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
			return err
		}
	}
	err = d.DB.AcrossTenants(ctx, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		batch.Queue(findInboxes).Query(collect(&inboxes))
		batch.Queue(findDueSchedules).Query(collect(&due))
		return tx.SendBatch(ctx, batch).Close()
	})
	if err != nil {
		return nil, nil, fmt.Errorf("find inboxes: %w", err)
	}
	return inboxes, due, nil
}

func (d *Dispatcher) promote(ctx context.Context, organization uuid.UUID) error {
	err := d.DB.InTenant(ctx, organization, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, promote, organization, sequencedAtOnce)
		return err
	})
	if err != nil {
		return fmt.Errorf("take in what was scheduled by %s: %w", organization, err)
	}
	return nil
}

// sequenceOne takes the head of one organization's inbox, unless another has it in hand.
func (d *Dispatcher) sequenceOne(
	ctx context.Context,
	organization uuid.UUID,
) (taken int, err error) {
	err = d.DB.InTenant(ctx, organization, func(tx pgx.Tx) error {
		locked, err := lock(ctx, tx, organization)
		if err != nil || !locked {
			return err
		}
		// Not in the statement that locks: its snapshot would be older than what the last holder
		// did.
		head, mutes, err := readHead(ctx, tx, organization)
		if err != nil || len(head) == 0 {
			return err
		}
		r := route(organization, head, mutes)
		taken = len(head)
		_, err = tx.Exec(ctx, number, organization, r.positions, r.channels, r.reasons, r.all)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("sequence the inbox of %s: %w", organization, err)
	}
	return taken, nil
}

func lock(ctx context.Context, tx pgx.Tx, organization uuid.UUID) (locked bool, err error) {
	batch := &pgx.Batch{}
	batch.Queue(makeTenant, organization)
	batch.Queue(lockTenant, organization).QueryRow(func(row pgx.Row) error {
		err := row.Scan(new(int))
		locked = err == nil
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	err = tx.SendBatch(ctx, batch).Close()
	return locked, err
}

// entry is a row of the inbox.
type entry struct {
	position int64
	topic    string
	user     uuid.UUID
	channel  string // "": as the topic's template says
}

func readHead(
	ctx context.Context,
	tx pgx.Tx,
	organization uuid.UUID,
) (head []entry, mutes map[uuid.UUID][]string, err error) {
	mutes = map[uuid.UUID][]string{}
	batch := &pgx.Batch{}
	batch.Queue(readInbox, organization, sequencedAtOnce).Query(func(rows pgx.Rows) (err error) {
		head, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (e entry, err error) {
			var user *uuid.UUID
			err = row.Scan(&e.position, &e.topic, &user, &e.channel)
			if user != nil {
				e.user = *user
			}
			return e, err
		})
		return err
	})
	batch.Queue(readMutes, organization, sequencedAtOnce).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var user uuid.UUID
			var topics []string
			if err := rows.Scan(&user, &topics); err != nil {
				return err
			}
			mutes[user] = topics
		}
		return rows.Err()
	})
	err = tx.SendBatch(ctx, batch).Close()
	return head, mutes, err
}

// routes are where the rows of a head go: one row may go to several channels, or to none.
type routes struct {
	all       []int64 // every position of the head
	positions []int64 // the same, once for each channel
	channels  []string
	reasons   []*string // why it is dead at once; nil: it waits to be sent
}

func route(organization uuid.UUID, head []entry, mutes map[uuid.UUID][]string) routes {
	var r routes
	add := func(e entry, channel string, reason *string) {
		r.positions, r.channels, r.reasons = append(
			r.positions,
			e.position,
		), append(
			r.channels,
			channel,
		), append(
			r.reasons,
			reason,
		)
	}
	for _, e := range head {
		r.all = append(r.all, e.position)
		muted := topic.Muted(e.topic, mutes[e.user])
		if e.channel != "" {
			if c, ok := topic.Parse(e.channel); !ok || c.User == uuid.Nil || !muted {
				add(e, e.channel, nil)
			}
			continue
		}
		template, ok := topic.Find(e.topic)
		if !ok {
			reason := "topic " + e.topic + " has no template"
			add(e, topic.Unroutable, &reason)
			continue
		}
		for _, c := range template.Channels(organization, e.user) {
			if c.User == uuid.Nil || !muted {
				add(e, c.String(), nil)
			}
		}
	}
	return r
}
