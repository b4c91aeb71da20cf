package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// historyDays is over how many days the history is spread: twelve weeks.
const historyDays = 84

// fleet is the agents of ten organizations, and the bucket that is computed.
type fleet struct {
	bucket time.Time
	agents []fleetAgent
	grown  *int // rows of history
}

type fleetAgent struct{ organization, id uuid.UUID }

// generated inserts tasks in the order in which they began; each ended up to a minute later.
const generated = `INSERT INTO agent_executions (organization_id, task_id, agent_instance_id,
		agent_type, task_type, status, execution_time_seconds, memory_usage_mb, cpu_usage_percent,
		quality_score, confidence_score, user_rating, created_at, started_at, completed_at,
		ended_at)
	SELECT a.organization_id, 'task', a.id, 'tutor', 'quiz',
		CASE WHEN random() < 0.1 THEN 'failed' ELSE 'completed' END,
		took, 100 * random(), 100 * random(), random(), random(), 1 + t.n % 5, began, began,
		began + took * interval '1 second', began + took * interval '1 second'
	FROM (SELECT n, 60 * random() AS took,
			$1::timestamptz + n * $2::interval / $3::int AS began
		FROM generate_series(0, $3 - 1) n) t
	JOIN bench_agents a ON a.n = 1 + (t.n::bigint * 7919) % (SELECT count(*) FROM bench_agents)
	WHERE began + took * interval '1 second' < $4
	ORDER BY t.n`

// seedFleet makes the agents, the partitions, and the tasks of the bucket.
func seedFleet(ctx context.Context, db *pgxpool.Pool) (f fleet, err error) {
	f.grown = new(int)
	f.bucket = time.Now().UTC().Truncate(5 * time.Minute).Add(-5 * time.Minute)
	first := f.bucket.AddDate(0, 0, -historyDays-7)
	for _, statement := range []string{
		`INSERT INTO organizations (name, slug) SELECT 'Fleet', 'fleet-' || n
			FROM generate_series(1, 10) n`,
		`ALTER TABLE agent_executions DISABLE TRIGGER USER;
		ALTER TABLE agent_instances DISABLE TRIGGER USER`,
		fmt.Sprintf(`INSERT INTO agent_instances (organization_id, agent_id, agent_type, status,
				heartbeat_seen_at, changed_at)
			SELECT o.id, 'agent-' || n, 'tutor', 'idle', '%s', '%[2]s' FROM organizations o,
				generate_series(1, %[3]d) n WHERE o.slug LIKE 'fleet-%%'`,
			f.bucket.Add(4*time.Minute).Format(time.RFC3339), first.Format(time.RFC3339),
			agents/10),
		`CREATE TABLE bench_agents AS SELECT row_number() OVER (ORDER BY id) AS n,
			organization_id, id FROM agent_instances`,
		// twice a bucket, agents become busy and idle again
		fmt.Sprintf(`INSERT INTO agent_presence (organization_id, agent_instance_id, at, was,
				was_type, status, agent_type)
			SELECT organization_id, id, timestamptz '%s' + k * interval '1 minute' + n
				* interval '1 millisecond', CASE k WHEN 1 THEN 'idle' ELSE 'busy' END, 'tutor',
				CASE k WHEN 1 THEN 'busy' ELSE 'idle' END, 'tutor'
			FROM bench_agents, generate_series(1, 2) k`, f.bucket.Format(time.RFC3339)),
		`CREATE INDEX bench_per_agent ON agent_executions (organization_id, agent_instance_id,
			ended_at)`,
	} {
		if _, err := db.Exec(ctx, statement); err != nil {
			return f, fmt.Errorf("fill the database: %w", err)
		}
	}
	if err := weeks(ctx, db, first, f.bucket); err != nil {
		return f, err
	}
	// A few more begin than end within the bucket.
	if _, err := db.Exec(ctx, generated, f.bucket, "240 seconds", bucketRows,
		f.bucket.Add(5*time.Minute)); err != nil {
		return f, fmt.Errorf("fill the bucket: %w", err)
	}
	rows, err := db.Query(ctx, `SELECT organization_id, id FROM bench_agents`)
	if err != nil {
		return f, err
	}
	f.agents, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (a fleetAgent, err error) {
		return a, row.Scan(&a.organization, &a.id)
	})
	return f, err
}

// weeks makes the partitions of a stretch of the past.
func weeks(ctx context.Context, db *pgxpool.Pool, from, to time.Time) error {
	const week = 7 * 24 * time.Hour
	from = from.Truncate(week) // Monday: the zero time is one
	for at := from; at.Before(to); at = at.Add(week) {
		name := "agent_executions" + at.Format("_20060102")
		_, err := db.Exec(ctx, fmt.Sprintf(`DO $$ BEGIN IF to_regclass('%[1]s') IS NULL THEN
			CREATE TABLE %[1]s PARTITION OF agent_executions FOR VALUES FROM ('%[2]s') TO ('%[3]s');
			ALTER TABLE %[1]s ENABLE ROW LEVEL SECURITY, OWNER TO satchel_owner;
			END IF; END $$`, name, at.Format(time.RFC3339), at.Add(week).Format(time.RFC3339)))
		if err != nil {
			return fmt.Errorf("make partition %s: %w", name, err)
		}
	}
	return nil
}

// grow adds history until there are so many rows, with the metrics they would have left.
func (f fleet) grow(ctx context.Context, db *pgxpool.Pool, to int) error {
	more := to - *f.grown
	begin := f.bucket.AddDate(0, 0, -historyDays)
	for _, statement := range []struct {
		query     string
		arguments []any
	}{
		{generated, []any{begin, fmt.Sprintf("%d days", historyDays), more, f.bucket}},
		{`INSERT INTO agent_metrics (organization_id, agent_instance_id, agent_type, granularity,
				period_start, period_end)
			SELECT a.organization_id, a.id, 'tutor', '5m', at, at + interval '5 minutes'
			FROM generate_series($1::int, $2::int) k JOIN bench_agents a
				ON a.n = 1 + k % (SELECT count(*) FROM bench_agents),
			LATERAL (SELECT $3::timestamptz - (1 + k / (SELECT count(*) FROM bench_agents))
				* interval '5 minutes' AS at) t`,
			[]any{*f.grown * 4 / 10, to*4/10 - 1, f.bucket}},
		{`VACUUM ANALYZE agent_executions, agent_metrics, agent_presence, agent_instances`, nil},
	} {
		if _, err := db.Exec(ctx, statement.query, statement.arguments...); err != nil {
			return fmt.Errorf("add history: %w", err)
		}
	}
	*f.grown = to
	return nil
}
