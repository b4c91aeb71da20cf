package feed

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/topic"
	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// Replay says what is to be sent again.
type Replay struct {
	Status  Status // Dead, Delivered or Folded
	Channel string // "": all of the organization's
	From    time.Time
	To      time.Time // of when they were recorded; zero: without a bound
	DryRun  bool
}

// maxReplay is how many one call takes; the oldest first.
const maxReplay = 1000

const (
	pickDead = `
SELECT d.channel, d.sequence FROM notification_dead d
WHERE d.organization_id = $1 AND ($2 = '' OR d.channel = $2) AND d.recorded_at >= $3
	AND d.recorded_at < $4
ORDER BY d.recorded_at, d.channel, d.sequence LIMIT $5`
	pickSent = `
SELECT n.channel, n.sequence FROM notifications n
CROSS JOIN LATERAL (
	SELECT outcome FROM notification_attempts t
	WHERE t.organization_id = n.organization_id AND t.channel = n.channel
		AND t.sequence = n.sequence
	ORDER BY attempted_at DESC LIMIT 1
) a
WHERE n.organization_id = $1 AND ($2 = '' OR n.channel = $2) AND n.recorded_at >= $3
	AND n.recorded_at < $4
AND a.outcome = $6 AND NOT EXISTS (SELECT FROM notification_deliveries w
	WHERE w.organization_id = n.organization_id AND w.channel = n.channel
		AND w.sequence = n.sequence)
ORDER BY n.recorded_at, n.channel, n.sequence LIMIT $5`
	lockChannels = `
SELECT 1 FROM notification_channels WHERE organization_id = $1 AND channel = ANY ($2::text[])
ORDER BY channel FOR UPDATE`
	// What no template had a place for is told anew: there may be one by now.
	retell = `
WITH gone AS (
	DELETE FROM notification_dead d USING unnest($2::text[], $3::bigint[]) AS p (channel, sequence)
	WHERE d.organization_id = $1 AND d.channel = p.channel AND d.sequence = p.sequence
		AND d.channel = 'unroutable'
	RETURNING d.channel, d.sequence
)
INSERT INTO notification_inbox (organization_id, id, topic, subject_id, payload, priority,
	created_at)
SELECT $1, n.id, n.topic, n.subject_id, n.payload, n.priority, n.occurred_at
FROM gone JOIN notifications n ON n.organization_id = $1 AND n.channel = gone.channel
	AND n.sequence = gone.sequence
ORDER BY gone.sequence`
	resend = `
WITH picked AS (
	SELECT n.channel, n.sequence, n.recorded_at, n.priority
		FROM unnest($2::text[], $3::bigint[]) AS p (channel, sequence)
	JOIN notifications n ON n.organization_id = $1 AND n.channel = p.channel
		AND n.sequence = p.sequence
	WHERE n.channel <> 'unroutable'
), gone AS (
	DELETE FROM notification_dead d USING picked p
	WHERE d.organization_id = $1 AND d.channel = p.channel AND d.sequence = p.sequence
), queued AS (
	INSERT INTO notification_deliveries (organization_id, channel, sequence, recorded_at, priority,
		replayed)
	SELECT $1, channel, sequence, recorded_at, priority, true FROM picked ON CONFLICT DO NOTHING
)
UPDATE notification_channels c SET next_at = coalesce(c.next_at, now())
WHERE c.organization_id = $1 AND c.channel IN (SELECT channel FROM picked)`
)

// Replay has notifications sent again, each with the id and the sequence that it had, and says how
// many. Only admins may. What already waits is not sent twice.
func (f Feed) Replay(ctx context.Context, tx pgx.Tx, by tenant.Caller, r Replay) (int, error) {
	if !by.Role.AtLeast(tenant.Admin) {
		return 0, fault.New(
			fault.Forbidden,
			"admin-only",
			"Only admins have notifications sent again.",
		)
	}
	if r.Channel != "" {
		if c, ok := topic.Parse(r.Channel); r.Channel != topic.Unroutable &&
			(!ok || c.Organization != by.Organization) {
			return 0, notYours()
		}
	}
	if r.To.IsZero() {
		r.To = time.Now().Add(time.Hour)
	}
	channels, sequences, err := f.pick(ctx, tx, by, r)
	if err != nil {
		return 0, fmt.Errorf("find what to send again: %w", err)
	}
	if r.DryRun || len(channels) == 0 {
		return len(channels), nil
	}
	batch := &pgx.Batch{}
	batch.Queue(lockChannels, by.Organization, channels)
	batch.Queue(retell, by.Organization, channels, sequences)
	batch.Queue(resend, by.Organization, channels, sequences)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return 0, fmt.Errorf("send again: %w", err)
	}
	return len(channels), nil
}

func (f Feed) pick(
	ctx context.Context,
	tx pgx.Tx,
	by tenant.Caller,
	r Replay,
) (channels []string, sequences []int64, err error) {
	sql, arguments := pickDead, []any{by.Organization, r.Channel, r.From, r.To, maxReplay}
	if r.Status != Dead {
		sql, arguments = pickSent, append(arguments, string(r.Status))
	}
	rows, err := tx.Query(ctx, sql, arguments...)
	if err != nil {
		return nil, nil, err
	}
	var channel string
	var sequence int64
	_, err = pgx.ForEachRow(rows, []any{&channel, &sequence}, func() error {
		channels, sequences = append(channels, channel), append(sequences, sequence)
		return nil
	})
	return channels, sequences, err
}
