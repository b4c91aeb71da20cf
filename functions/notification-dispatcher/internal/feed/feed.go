// Package feed is what people and programs do with notifications: post them, fetch what they
// missed, say how far they have read, mute a topic, send again, and be let into channels.
package feed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/topic"
	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// Feed holds the rules that all of it follows.
type Feed struct {
	Rules     topic.Rules
	Encrypted bool // there is a key for private-encrypted- channels
}

// Status is where a notification is.
type Status string

// The statuses.
const (
	Scheduled Status = "scheduled" // until not_before
	Queued    Status = "queued"    // it has no sequence yet
	Waiting   Status = "waiting"   // for its turn, its channel's pace, or another try
	Delivered Status = "delivered"
	Folded    Status = "folded" // a catch_up stands for it
	Dead      Status = "dead"
)

// Notification is one, in one of its channels.
type Notification struct {
	ID         uuid.UUID
	Channel    string
	Sequence   int64 // 0: not given yet
	Topic      string
	Payload    []byte // a JSON object
	Priority   topic.Priority
	OccurredAt time.Time
	Status     Status
	Reason     string // why it is dead
	Attempts   []Attempt
}

// Attempt is one try to deliver.
type Attempt struct {
	At      time.Time
	Outcome string
	Status  int // that Pusher answered; 0: none
	Error   string
}

const (
	readRecorded = `
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
WHERE n.organization_id = $1 AND n.id = $2 ORDER BY n.channel`
	readAttempts = `
SELECT attempted_at, outcome, coalesce(status, 0), coalesce(error, '') FROM notification_attempts
WHERE organization_id = $1 AND channel = $2 AND sequence = $3 ORDER BY attempted_at`
	readQueued = `
SELECT id, coalesce(channel, ''), topic, user_id, payload, priority, created_at
	FROM notification_inbox
WHERE organization_id = $1 AND id = $2`
	readScheduled = `
SELECT id, channel, topic, payload, priority, created_at FROM notification_schedule
WHERE organization_id = $1 AND id = $2`
)

// Get returns a notification in the first of its channels that the caller may hear, wherever it is.
// Admins see each try, and of what they may not hear all but the payload.
func (f Feed) Get(
	ctx context.Context,
	tx pgx.Tx,
	by tenant.Caller,
	id uuid.UUID,
) (Notification, error) {
	found, err := f.find(ctx, tx, by, id)
	if err != nil {
		return Notification{}, err
	}
	n := found[0]
	if !by.Role.AtLeast(tenant.Admin) || n.Sequence == 0 {
		return n, nil
	}
	rows, err := tx.Query(ctx, readAttempts, by.Organization, n.Channel, n.Sequence)
	if err != nil {
		return n, err
	}
	n.Attempts, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (a Attempt, err error) {
		return a, row.Scan(&a.At, &a.Outcome, &a.Status, &a.Error)
	})
	return n, err
}

// find is what the caller may see of a notification, those channels first that the caller may hear.
func (f Feed) find(
	ctx context.Context,
	tx pgx.Tx,
	by tenant.Caller,
	id uuid.UUID,
) ([]Notification, error) {
	all, err := look(ctx, tx, by.Organization, id)
	if err != nil {
		return nil, err
	}
	var heard, known []Notification
	for _, n := range all {
		if f.mayRead(by, n.Channel) {
			heard = append(heard, n)
		} else if by.Role.AtLeast(tenant.Admin) {
			n.Payload = nil
			known = append(known, n)
		}
	}
	if found := append(heard, known...); len(found) > 0 {
		return found, nil
	}
	return nil, notFound()
}

// Posted is what a poster learns of a notification that was posted before: all but the payload.
func (f Feed) Posted(
	ctx context.Context,
	tx pgx.Tx,
	by tenant.Caller,
	id uuid.UUID,
) (Notification, error) {
	all, err := look(ctx, tx, by.Organization, id)
	if err != nil {
		return Notification{}, err
	}
	if len(all) == 0 {
		return Notification{}, notFound()
	}
	all[0].Payload = nil
	return all[0], nil
}

// look searches where a notification can be, in the order in which it moves: what moves meanwhile
// is found further on.
func look(ctx context.Context, tx pgx.Tx, organization, id uuid.UUID) ([]Notification, error) {
	for _, place := range []func(context.Context, pgx.Tx, uuid.UUID, uuid.UUID) ([]Notification,
		error){
		scheduled, queued, recorded,
	} {
		found, err := place(ctx, tx, organization, id)
		if err != nil {
			return nil, fmt.Errorf("look for notification %s: %w", id, err)
		}
		if len(found) > 0 {
			return found, nil
		}
	}
	return nil, nil
}

func (f Feed) mayRead(by tenant.Caller, name string) bool {
	c, ok := topic.Parse(name)
	return ok && f.Rules.MayHear(by, c) || name == topic.Unroutable && by.Role.AtLeast(tenant.Admin)
}

func recorded(ctx context.Context, tx pgx.Tx, organization, id uuid.UUID) ([]Notification, error) {
	rows, err := tx.Query(ctx, readRecorded, organization, id)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanRecorded)
}

func scanRecorded(row pgx.CollectableRow) (n Notification, err error) {
	return n, row.Scan(
		&n.ID,
		&n.Channel,
		&n.Sequence,
		&n.Topic,
		&n.Payload,
		&n.Priority,
		&n.OccurredAt,
		&n.Status,
		&n.Reason,
	)
}

func queued(ctx context.Context, tx pgx.Tx, organization, id uuid.UUID) ([]Notification, error) {
	n := Notification{Status: Queued}
	var user *uuid.UUID
	err := tx.QueryRow(ctx, readQueued, organization, id).
		Scan(&n.ID, &n.Channel, &n.Topic, &user, &n.Payload, &n.Priority, &n.OccurredAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil || n.Channel != "" {
		return []Notification{n}, err
	}
	template, ok := topic.Find(n.Topic)
	if !ok {
		n.Channel = topic.Unroutable
		return []Notification{n}, nil
	}
	concerns := uuid.Nil
	if user != nil {
		concerns = *user
	}
	var all []Notification
	for _, c := range template.Channels(organization, concerns) {
		n.Channel = c.String()
		all = append(all, n)
	}
	return all, nil
}

func scheduled(ctx context.Context, tx pgx.Tx, organization, id uuid.UUID) ([]Notification, error) {
	n := Notification{Status: Scheduled}
	err := tx.QueryRow(ctx, readScheduled, organization, id).
		Scan(&n.ID, &n.Channel, &n.Topic, &n.Payload, &n.Priority, &n.OccurredAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return []Notification{n}, err
}

func notFound() error {
	return fault.New(
		fault.NotFound,
		"notification-not-found",
		"There is no such notification, or none that you may see. It may be older than the "+
			"history.",
	)
}
