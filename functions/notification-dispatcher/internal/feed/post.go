package feed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/topic"
	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

// Post is something to tell. One of Channel, User and Topic says to whom.
type Post struct {
	Channel   string // its whole name
	User      uuid.UUID
	Topic     string // the name of a topic's channel
	Event     string // lower case with dots
	Data      map[string]any
	Priority  topic.Priority
	NotBefore time.Time // zero: now
	DedupeKey string    // what was posted with it within a day is posted once
}

const (
	maxData    = 64 << 10
	dedupeTime = 24 * time.Hour
	farthest   = 366 * 24 * time.Hour
)

// Post puts it into the inbox, or on the schedule. Only staff and admins may.
func (f Feed) Post(ctx context.Context, tx pgx.Tx, by tenant.Caller, p Post) (Notification, error) {
	if !by.Role.AtLeast(tenant.Staff) {
		return Notification{}, fault.New(fault.Forbidden, "staff-only",
			"Only staff and admins post notifications.")
	}
	c, err := f.target(ctx, tx, by, p)
	if err != nil {
		return Notification{}, err
	}
	if !topic.ValidTopic(p.Event) {
		return Notification{}, fault.New(fault.Invalid, "invalid-event",
			"An event is named in lower case with dots between words, such as lesson.started.")
	}
	n := Notification{
		ID: uuid.New(), Channel: c.String(), Topic: p.Event, Priority: p.Priority, Status: Queued,
		Payload: []byte("{}"),
	}
	if p.Data != nil {
		if n.Payload, err = json.Marshal(p.Data); err != nil {
			return Notification{}, fmt.Errorf("encode data: %w", err)
		}
	}
	if size, err := tenantdb.JSONSize(p.Data); err != nil || size > maxData {
		return Notification{}, fault.Wrap(err, fault.TooLarge, "data-too-large",
			"The data may have 64 KiB as JSON with its numbers written out. Send a link to the "+
				"rest.")
	}
	if p.DedupeKey != "" {
		earlier, err := TakeKey(ctx, tx, by.Organization, "post:"+p.DedupeKey, n.ID, dedupeTime)
		if err != nil {
			return Notification{}, err
		}
		if earlier != uuid.Nil {
			return f.Posted(ctx, tx, by, earlier)
		}
	}
	return n, f.enqueue(ctx, tx, by.Organization, c, p, &n)
}

const (
	insertInbox = `
INSERT INTO notification_inbox (organization_id, id, topic, user_id, channel, payload, priority)
VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING created_at`
	insertSchedule = `
INSERT INTO notification_schedule (organization_id, id, not_before, topic, channel, payload,
	priority)
SELECT $1, $2, $3, $4, $5, $6, $7 WHERE $3::timestamptz > now() RETURNING created_at`
)

func (f Feed) enqueue(
	ctx context.Context,
	tx pgx.Tx,
	organization uuid.UUID,
	c topic.Channel,
	p Post,
	n *Notification,
) error {
	if time.Until(p.NotBefore) > farthest {
		return fault.New(fault.Invalid, "not-before-too-far",
			"not_before may be a year away. Post it when the time is nearer.")
	}
	if !p.NotBefore.IsZero() {
		err := tx.QueryRow(ctx, insertSchedule, organization, n.ID, p.NotBefore, n.Topic, n.Channel,
			n.Payload, n.Priority).Scan(&n.OccurredAt)
		if !errors.Is(err, pgx.ErrNoRows) {
			n.Status = Scheduled
			return err
		}
	}
	var user *uuid.UUID
	if c.User != uuid.Nil {
		user = &c.User
	}
	return tx.QueryRow(ctx, insertInbox, organization, n.ID, n.Topic, user, n.Channel, n.Payload,
		n.Priority).Scan(&n.OccurredAt)
}

// target is the channel that a post goes to. What is posted may name people, so it goes to an
// encrypted channel where there is a key and the poster leaves the choice to us.
func (f Feed) target(
	ctx context.Context,
	tx pgx.Tx,
	by tenant.Caller,
	p Post,
) (topic.Channel, error) {
	kind := topic.Private
	if f.Encrypted {
		kind = topic.Encrypted
	}
	c := topic.Of(kind, by.Organization)
	named := 0
	for _, given := range []bool{p.Channel != "", p.User != uuid.Nil, p.Topic != ""} {
		if given {
			named++
		}
	}
	if named != 1 {
		return c, fault.New(fault.Invalid, "one-recipient",
			"Say to whom by exactly one of channel, user_id and topic.")
	}
	switch {
	case p.User != uuid.Nil:
		c = c.To(p.User)
	case p.Topic != "":
		c = c.About(p.Topic)
	default:
		var ok bool
		if c, ok = topic.Parse(p.Channel); !ok || c.Organization != by.Organization {
			return c, notYours()
		}
	}
	if c.Kind == topic.Encrypted && !f.Encrypted {
		return c, notEncrypted()
	}
	if c.Topic != "" {
		if _, ok := f.Rules[c.Topic]; !ok {
			return c, fault.New(fault.Invalid, "unknown-topic",
				"There is no topic of this name. Use one of the installation's topics.")
		}
	}
	if c.User != uuid.Nil {
		return c, isMember(ctx, tx, by.Organization, c.User)
	}
	return c, nil
}

const findMember = `
SELECT EXISTS (SELECT FROM memberships
	WHERE organization_id = $1 AND user_id = $2 AND removed_at IS NULL)`

func isMember(ctx context.Context, tx pgx.Tx, organization, user uuid.UUID) error {
	var member bool
	if err := tx.QueryRow(ctx, findMember, organization, user).Scan(&member); err != nil {
		return fmt.Errorf("look for member %s: %w", user, err)
	}
	if !member {
		return fault.New(
			fault.NotFound,
			"user-not-found",
			"There is no such member in your organization.",
		)
	}
	return nil
}

const takeKey = `
INSERT INTO notification_keys AS k (organization_id, key, id, expires_at)
VALUES ($1, $2, $3, now() + $4::interval)
ON CONFLICT (organization_id, key) DO UPDATE SET id = excluded.id, expires_at = excluded.expires_at
WHERE k.expires_at <= now()`

// TakeKey says that what has this key is now taken in as id. It returns the id of what was taken in
// under the key before, while that is still known, else uuid.Nil.
func TakeKey(ctx context.Context, tx pgx.Tx, organization uuid.UUID, key string, id uuid.UUID,
	keep time.Duration) (uuid.UUID, error) {
	tag, err := tx.Exec(ctx, takeKey, organization, key, id, keep)
	if err != nil {
		return uuid.Nil, fmt.Errorf("take a key: %w", err)
	}
	if tag.RowsAffected() == 1 {
		return uuid.Nil, nil
	}
	var earlier uuid.UUID
	const find = `SELECT id FROM notification_keys WHERE organization_id = $1 AND key = $2`
	if err := tx.QueryRow(ctx, find, organization, key).Scan(&earlier); err != nil {
		return uuid.Nil, fmt.Errorf("read a key: %w", err)
	}
	return earlier, nil
}

func notYours() error {
	return fault.New(fault.Forbidden, "channel-refused",
		"This is no channel that you may use. Channels are named after your organization, its "+
			"members and its topics.")
}

func notEncrypted() error {
	return fault.New(fault.Invalid, "not-encrypted",
		"This installation has no key for private-encrypted- channels. Use a private- channel.")
}
