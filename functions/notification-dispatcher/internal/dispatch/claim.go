package dispatch

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/channel"
	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/topic"
)

// key is a row of an organization: a channel of notification_channels, or a bucket of
// notification_pace.
type key struct {
	organization uuid.UUID
	name         string
}

// claim is the right to send a channel until its lease ends.
type claim struct {
	key
	fence    int64
	priority topic.Priority
	since    time.Time // it was due
	jobs     []*job    // what is to be sent, in order
	held     time.Time // before this nothing more may be sent; zero: at once
}

const highPriority = topic.High

// job is one event to send: a notification, or the catch-up that stands for several.
type job struct {
	topic.Recorded
	attempts int
	fold     fold // of a catch-up
	small    bool
	outcome  channel.Outcome
}

// fold is a run of a channel's events that waited for too long.
type fold struct {
	from, to int64
	events   int
}

func (j *job) event(base string, now time.Time) (e channel.Event, err error) {
	e = channel.Event{Channel: j.Channel, Name: j.Topic}
	switch {
	case j.fold.events > 0:
		e.Name = topic.CatchUp
		e.Data, err = topic.CatchUpData(j.Channel, j.fold.from, j.fold.to, now, base)
		return e, err
	case j.small:
		e.Data, err = j.Small(base)
		return e, err
	}
	e.Data, err = j.Data(base)
	if err == nil && channel.Size(e) > channel.MaxData {
		j.small = true
		e.Data, err = j.Small(base)
	}
	return e, err
}

// shrink returns what is to be sent again when the first event that was not delivered is too large:
// that one, smaller, and all that wait behind it.
func (c *claim) shrink(most int) []*job {
	for i, j := range c.jobs {
		switch judge(j.outcome, j.attempts, most, j.small || j.fold.events > 0) {
		case delivered:
			continue
		case shrinks:
			j.small = true
			return c.jobs[i:]
		}
		return nil
	}
	return nil
}

// buckets are what a claim is paced by: its channel, the user whom that belongs to, and the
// organization.
func (c *claim) buckets() []bucket {
	all := []bucket{
		{key{c.organization, "channel:" + c.name}, false},
		{key{c.organization, "organization"}, true},
	}
	if _, user, ok := strings.Cut(c.name, "-user-"); ok {
		all = append(all, bucket{key{c.organization, "user:" + user}, false})
	}
	return all
}

const (
	perRound     = 16 // organizations
	perPriority  = 4  // channels of one organization and priority
	perClaim     = 10 // events of one channel: a burst, and what one call takes
	unpacedClaim = 50
	// perRead is how many events one claim reads, of all channels: with longestRead it bounds the
	// memory that a claim takes, whatever waits, to 4 MiB of payloads.
	perRead = perRound * 4 * perPriority
	// longestRead is how many bytes a payload may have to be read. A longer one does not fit into
	// an event: Postgres writes JSON with a space after each comma and colon, which is at most a
	// third of it.
	longestRead = channel.MaxData * 3 / 2
	// foldsAtOnce is how many events the catch-ups of one claim stand for, of all channels: they
	// are settled within closing, or would be sent again and again.
	foldsAtOnce  = 10_000
	fewestToFold = 2 // one event that waited is sent as what it is
	// dueOrganizations are those after $1, and since when each has room for what is high or urgent
	// and for the rest: $2 and $3 are how far its level may be ahead of the clock.
	dueOrganizations = `
WITH RECURSIVE due AS (
	(SELECT organization_id FROM notification_channels
		WHERE next_at <= now() AND organization_id > $1 ORDER BY organization_id LIMIT 1)
	UNION ALL
	SELECT (SELECT c.organization_id FROM notification_channels c
		WHERE c.next_at <= now() AND c.organization_id > d.organization_id
			ORDER BY c.organization_id LIMIT 1)
	FROM due d WHERE d.organization_id IS NOT NULL
), organization AS (
	SELECT d.organization_id,
		CASE WHEN EXISTS (SELECT FROM notification_channels h
			WHERE h.organization_id = d.organization_id AND h.priority = ANY ('{2,3}')
				AND h.next_at <= now())
		THEN l.tat - $2::interval END AS high_at, l.tat - $3::interval AS other_at
	FROM due d CROSS JOIN LATERAL (SELECT coalesce((SELECT tat_minute FROM notification_pace p
		WHERE p.organization_id = d.organization_id AND p.bucket = 'organization'),
		'-infinity') AS tat) l -- no join, so that they stay in due's order
	WHERE d.organization_id IS NOT NULL
)`
	// What an organization has no room for is left where it is: to claim it and give it back would
	// cost as much as all of its channels.
	claimChannels = dueOrganizations + `, picked AS (
	SELECT c.organization_id, c.channel, c.next_at
	FROM (SELECT * FROM organization WHERE least(high_at, other_at) <= clock_timestamp()
		LIMIT $4) o
	CROSS JOIN (VALUES (3::smallint), (2::smallint), (1::smallint), (0::smallint)) p (priority)
	CROSS JOIN LATERAL (
		SELECT organization_id, channel, next_at FROM notification_channels
		WHERE organization_id = o.organization_id AND priority = p.priority AND next_at <= now()
			AND CASE WHEN p.priority > 1 THEN o.high_at ELSE o.other_at END <= clock_timestamp()
		ORDER BY next_at LIMIT $5 FOR UPDATE SKIP LOCKED
	) c
)
UPDATE notification_channels c SET next_at = clock_timestamp() + $6::interval, fence = c.fence + 1
FROM picked p WHERE c.organization_id = p.organization_id AND c.channel = p.channel
RETURNING c.organization_id, c.channel, c.fence, c.priority, p.next_at`

	// What waits in a channel is a run of sequences, whose history is read as one; what is replayed
	// is somewhere before it.
	readHeads = `
WITH heads AS MATERIALIZED (
	SELECT c.n, c.organization_id, c.channel, d.* FROM unnest($1::uuid[], $2::text[])
		WITH ORDINALITY AS c (organization_id, channel, n)
	CROSS JOIN LATERAL (
		SELECT w.sequence, w.attempts, w.replayed, w.recorded_at, w.due_at
			FROM notification_deliveries w
		WHERE w.organization_id = c.organization_id AND w.channel = c.channel ORDER BY w.sequence
			LIMIT $3
	) d
), runs AS (
	SELECT n, organization_id, channel, min(sequence) AS first, max(sequence) AS last,
		min(recorded_at) AS since, max(recorded_at) AS until
	FROM heads GROUP BY n, organization_id, channel, CASE WHEN replayed THEN sequence END
), history AS (
	SELECT r.n, h.* FROM runs r CROSS JOIN LATERAL (
		SELECT sequence, id, topic, payload, occurred_at FROM notifications
		WHERE organization_id = r.organization_id AND channel = r.channel
			AND sequence BETWEEN r.first AND r.last AND recorded_at BETWEEN r.since AND r.until
		OFFSET 0
	) h
)
SELECT d.n, d.sequence, d.attempts, d.replayed, d.due_at <= clock_timestamp(), h.id, h.topic,
	CASE WHEN octet_length(h.payload::text) <= $4 THEN h.payload END, h.occurred_at
FROM heads d LEFT JOIN history h ON h.n = d.n AND h.sequence = d.sequence
ORDER BY d.n, d.sequence`

	// The first that is not too old ends what is folded, so that no more is read than that.
	readFolds = `
SELECT c.n, f.first, f.last, f.events
FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS c (organization_id, channel, n)
LEFT JOIN LATERAL (
	SELECT w.sequence FROM (
		SELECT sequence, queued_at, replayed FROM notification_deliveries
		WHERE organization_id = c.organization_id AND channel = c.channel ORDER BY sequence LIMIT $3
	) w WHERE NOT w.replayed AND w.queued_at >= clock_timestamp() - $4::interval
	ORDER BY w.sequence LIMIT 1
) young ON true
CROSS JOIN LATERAL (
	SELECT min(w.sequence) AS first, max(w.sequence) AS last, count(*) AS events FROM (
		SELECT sequence, replayed FROM notification_deliveries
		WHERE organization_id = c.organization_id AND channel = c.channel
			AND sequence < CASE WHEN young.sequence IS NULL THEN 9223372036854775807
				ELSE young.sequence END -- coalesce would keep the policy from using the index
		ORDER BY sequence LIMIT $3
	) w WHERE NOT w.replayed
) f WHERE f.events >= $5`
)

// claim takes some channels that are due, of the organizations after the cursor, and what each of
// them may send now. A probe takes one.
func (d *Dispatcher) claim(
	ctx context.Context,
	cursor *uuid.UUID,
	probe bool,
) (claims []*claim, err error) {
	organizations, channels := perRound, perPriority
	if probe {
		organizations, channels = 1, 1
	}
	err = d.DB.AcrossTenants(ctx, func(tx pgx.Tx) error {
		if claims, err = d.take(ctx, tx, *cursor, organizations, channels); err != nil ||
			len(claims) == 0 {
			return err
		}
		if err := d.load(ctx, tx, claims); err != nil {
			return err
		}
		if !d.Config.Paced {
			return nil
		}
		return d.admitted(ctx, tx, claims)
	})
	if err != nil {
		return nil, fmt.Errorf("claim channels: %w", err)
	}
	switch {
	case len(claims) > 0:
		*cursor = slices.MaxFunc(
			claims,
			func(a, b *claim) int {
				return strings.Compare(a.organization.String(),
					b.organization.String())
			},
		).organization
	case *cursor != uuid.Nil:
		*cursor = uuid.Nil // round again, from the first
		return d.claim(ctx, cursor, probe)
	}
	return claims, nil
}

func (d *Dispatcher) take(
	ctx context.Context,
	tx pgx.Tx,
	cursor uuid.UUID,
	organizations, channels int,
) ([]*claim, error) {
	rows, err := tx.Query(
		ctx,
		claimChannels,
		cursor,
		d.Config.ahead(true),
		d.Config.ahead(false),
		organizations,
		channels,
		cmp.Or(d.Lease, lease),
	)
	if err != nil {
		return nil, err
	}
	claims, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*claim, error) {
		c := &claim{}
		return c, row.Scan(&c.organization, &c.name, &c.fence, &c.priority, &c.since)
	})
	// What there is room for goes to those that wait the longest.
	slices.SortFunc(claims, func(a, b *claim) int { return a.since.Compare(b.since) })
	return claims, err
}

// load reads what waits at the head of each claim.
func (d *Dispatcher) load(ctx context.Context, tx pgx.Tx, claims []*claim) error {
	organizations, names := columns(claims)
	most := perClaim
	if !d.Config.Paced {
		most = unpacedClaim
	}
	most = max(min(most, perRead/len(claims)), 1)
	batch := &pgx.Batch{}
	heads := batch.Queue(readHeads, organizations, names, most, longestRead)
	heads.Query(func(rows pgx.Rows) error {
		held := map[int]bool{}
		for rows.Next() {
			var n int
			var due bool
			var id *uuid.UUID
			var name *string
			var at *time.Time
			j := &job{}
			if err := rows.Scan(&n, &j.Sequence, &j.attempts, &j.Replayed, &due, &id, &name,
				&j.Payload, &at); err != nil {
				return err
			}
			if held[n] = held[n] || !due; held[n] {
				continue // nothing overtakes what waits to be tried again
			}
			c := claims[n-1]
			j.Organization, j.Channel = c.organization, c.name
			if id == nil {
				j.lose()
			} else {
				j.ID, j.Topic, j.OccurredAt = *id, *name, *at
				j.small = j.Payload == nil
			}
			c.jobs = append(c.jobs, j)
		}
		return rows.Err()
	})
	batch.Queue(
		readFolds,
		organizations,
		names,
		foldsAtOnce/len(claims),
		d.Config.foldAge(),
		fewestToFold,
	).Query(
		func(rows pgx.Rows) error {
			for rows.Next() {
				var n int
				var f fold
				if err := rows.Scan(&n, &f.from, &f.to, &f.events); err != nil {
					return err
				}
				claims[n-1].foldIn(f)
			}
			return rows.Err()
		},
	)
	return tx.SendBatch(ctx, batch).Close()
}

// foldAge is how long an event waits before it is folded: a little less than it may wait, because a
// channel that is held to its pace has its next turn some seconds later.
func (c Config) foldAge() time.Duration {
	return c.MaxDelay - min(c.MaxDelay/10, 10*time.Second)
}

// lose makes a catch-up of an event whose history was dropped while it waited: by it a client
// learns that something is gone.
func (j *job) lose() { j.fold = fold{j.Sequence, j.Sequence, 1} }

// foldIn puts the catch-up in the place of the events that it stands for.
func (c *claim) foldIn(f fold) {
	catchUp := &job{fold: f}
	catchUp.Organization, catchUp.Channel, catchUp.Sequence = c.organization, c.name, f.to
	jobs := []*job{}
	placed := false
	for _, j := range c.jobs {
		if j.Sequence >= f.from && j.Sequence <= f.to && !j.Replayed {
			if !placed {
				jobs, placed = append(jobs, catchUp), true
			}
			continue
		}
		jobs = append(jobs, j)
	}
	if !placed {
		jobs = append([]*job{catchUp}, jobs...)
	}
	c.jobs = jobs
}

func columns(claims []*claim) (organizations []uuid.UUID, names []string) {
	for _, c := range claims {
		organizations, names = append(organizations, c.organization), append(names, c.name)
	}
	return organizations, names
}
