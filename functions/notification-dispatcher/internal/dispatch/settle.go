package dispatch

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	lockClaims = `
SELECT c.organization_id, c.channel FROM notification_channels c
JOIN unnest($1::uuid[], $2::text[], $3::bigint[]) AS m (organization_id, channel, fence)
	ON m.organization_id = c.organization_id AND m.channel = c.channel AND m.fence = c.fence
ORDER BY c.organization_id, c.channel FOR UPDATE OF c`

	settleDelivered = `
WITH done AS (
	DELETE FROM notification_deliveries d
		USING unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[]) AS s (organization_id,
		channel, first, last)
	WHERE d.organization_id = s.organization_id AND d.channel = s.channel
		AND d.sequence BETWEEN s.first AND s.last
	RETURNING d.organization_id, d.channel, d.sequence
)
INSERT INTO notification_attempts (organization_id, channel, sequence, outcome, status)
SELECT organization_id, channel, sequence, 'delivered', 200 FROM done`

	settleFolded = `
WITH done AS (
	DELETE FROM notification_deliveries d
		USING unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[]) AS f (organization_id,
		channel, first, last)
	WHERE d.organization_id = f.organization_id AND d.channel = f.channel
		AND d.sequence BETWEEN f.first AND f.last AND NOT d.replayed
	RETURNING d.organization_id, d.channel, d.sequence
)
INSERT INTO notification_attempts (organization_id, channel, sequence, outcome, status)
SELECT organization_id, channel, sequence, 'folded', 200 FROM done`

	settleRetries = `
WITH tried AS (
	UPDATE notification_deliveries d SET attempts = d.attempts + 1,
		due_at = clock_timestamp() + s.wait
	FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::interval[], $5::integer[],
		$6::text[]) AS s (organization_id, channel, sequence, wait, status, error)
	WHERE d.organization_id = s.organization_id AND d.channel = s.channel
		AND d.sequence = s.sequence
	RETURNING s.*
)
INSERT INTO notification_attempts (organization_id, channel, sequence, outcome, status, error)
SELECT organization_id, channel, sequence, 'failed', nullif(status, 0), error FROM tried`

	settleDead = `
WITH died AS (
	DELETE FROM notification_deliveries d
	USING unnest($1::uuid[], $2::text[], $3::bigint[], $4::integer[],
		$5::text[]) AS s (organization_id, channel, sequence, status, error)
	WHERE d.organization_id = s.organization_id AND d.channel = s.channel
		AND d.sequence = s.sequence
	RETURNING d.organization_id, d.channel, d.sequence, d.recorded_at, d.attempts + 1 AS attempts,
		s.status, s.error
), kept AS (
	INSERT INTO notification_dead (organization_id, channel, sequence, recorded_at, reason,
		attempts)
	SELECT organization_id, channel, sequence, recorded_at, error, attempts FROM died
	ON CONFLICT DO NOTHING
)
INSERT INTO notification_attempts (organization_id, channel, sequence, outcome, status, error)
SELECT organization_id, channel, sequence, 'dead', nullif(status, 0), error FROM died`

	releaseClaims = `
UPDATE notification_channels c SET next_at = CASE WHEN h.due_at IS NOT NULL
	THEN greatest(h.due_at, m.held) END, priority = coalesce(h.priority, c.priority)
FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS m (organization_id, channel, held)
LEFT JOIN LATERAL (
	SELECT d.due_at, d.priority FROM notification_deliveries d
	WHERE d.organization_id = m.organization_id AND d.channel = m.channel ORDER BY d.sequence
		LIMIT 1
) h ON true
WHERE c.organization_id = m.organization_id AND c.channel = m.channel`
)

// columnsOf are the rows of a statement, a slice for each column.
type columnsOf struct {
	organizations []uuid.UUID
	channels      []string
	sequences     []int64
	last          []int64 // of folds and runs
	waits         []time.Duration
	statuses      []int
	errors        []string
}

func (c *columnsOf) add(j *job) {
	c.organizations, c.channels = append(
		c.organizations,
		j.Organization,
	), append(
		c.channels,
		j.Channel,
	)
	c.sequences = append(c.sequences, j.Sequence)
	c.statuses, c.errors = append(c.statuses, j.outcome.Status), append(c.errors, reason(j.outcome))
}

// addRun takes a job into the run of sequences that it continues, or begins one with it.
func (c *columnsOf) addRun(j *job) {
	n := len(c.sequences) - 1
	if n >= 0 && c.last[n] == j.Sequence-1 && c.channels[n] == j.Channel &&
		c.organizations[n] == j.Organization {
		c.last[n]++
		return
	}
	c.add(j)
	c.last = append(c.last, j.Sequence)
}

// settlement is what is written of the jobs of some claims.
type settlement struct {
	delivered             columnsOf // in runs, of which each row was sent
	folded, retried, dead columnsOf
}

func (d *Dispatcher) sort(claims []*claim) settlement {
	var s settlement
	for _, c := range claims {
		for _, j := range c.jobs {
			switch judge(j.outcome, j.attempts, d.Config.MaxAttempts,
				j.small || j.fold.events > 0) {
			case delivered:
				if j.fold.events > 0 {
					j.Sequence = j.fold.from
					s.folded.add(j)
					s.folded.last = append(s.folded.last, j.fold.to)
					continue
				}
				s.delivered.addRun(j)
			case retries, shrinks:
				s.retried.add(j)
				s.retried.waits = append(s.retried.waits, backoff(j.attempts+1, 0, jitter()))
			case dies:
				if j.fold.events > 0 { // a catch-up is ours alone: it is not what anybody promised
					c.held = time.Now().Add(longestWait)
					continue
				}
				s.dead.add(j)
			}
		}
	}
	return s
}

// settle writes what came of the claims that are still ours and gives their channels back. What is
// not ours any more was, or will be, sent again by whoever has it now.
func (d *Dispatcher) settle(ctx context.Context, claims []*claim, done *Summary) error {
	var s settlement
	err := d.DB.AcrossTenants(ctx, func(tx pgx.Tx) error {
		ours, err := still(ctx, tx, claims)
		if err != nil || len(ours) == 0 {
			return err
		}
		s = d.sort(ours)
		batch := &pgx.Batch{}
		s.queue(batch)
		organizations, names := columns(ours)
		held := make([]*time.Time, len(ours)) // NULL: at once
		for i, c := range ours {
			if !c.held.IsZero() {
				held[i] = &c.held
			}
		}
		batch.Queue(releaseClaims, organizations, names, held)
		return tx.SendBatch(ctx, batch).Close()
	})
	if err != nil {
		return err
	}
	for i, first := range s.delivered.sequences {
		done.Delivered += int(s.delivered.last[i]-first) + 1
	}
	done.Folded += len(s.folded.sequences)
	done.Retried += len(s.retried.sequences)
	done.Dead += len(s.dead.sequences)
	return nil
}

func (s settlement) queue(batch *pgx.Batch) {
	if c := s.delivered; len(c.sequences) > 0 {
		batch.Queue(settleDelivered, c.organizations, c.channels, c.sequences, c.last)
	}
	if c := s.folded; len(c.sequences) > 0 {
		batch.Queue(settleFolded, c.organizations, c.channels, c.sequences, c.last)
	}
	if c := s.retried; len(c.sequences) > 0 {
		batch.Queue(
			settleRetries,
			c.organizations,
			c.channels,
			c.sequences,
			c.waits,
			c.statuses,
			c.errors,
		)
	}
	if c := s.dead; len(c.sequences) > 0 {
		batch.Queue(settleDead, c.organizations, c.channels, c.sequences, c.statuses, c.errors)
	}
}

// still locks the channels whose fence is the claim's, and returns their claims.
func still(ctx context.Context, tx pgx.Tx, claims []*claim) ([]*claim, error) {
	organizations, names := columns(claims)
	fences := make([]int64, len(claims))
	byKey := map[key]*claim{}
	for i, c := range claims {
		fences[i], byKey[c.key] = c.fence, c
	}
	rows, err := tx.Query(ctx, lockClaims, organizations, names, fences)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (*claim, error) {
		var k key
		err := row.Scan(&k.organization, &k.name)
		return byKey[k], err
	})
}
