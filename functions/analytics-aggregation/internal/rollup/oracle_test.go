package rollup

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// The histories of this test are random, from a seed: four writers whose transactions add, change
// and delete executions and agents, in time and late, some at a bucket's very edge, some rolled
// back, some open for five buckets; three aggregators at once, a tenth of whose runs are killed. A
// bucket passes in 30 ms. Whatever was written, the metrics are in the end those of the rows that
// are there.

const (
	seeds      = 20
	historyFor = 700 * time.Millisecond
	clockSpeed = 10000 // five minutes in 30 ms
	zoneOfTest = "Australia/Lord_Howe"
)

func TestMetricsAreThoseOfTheRows(t *testing.T) {
	t.Parallel()
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			other := f.Organization(t, "other")
			f.exec(`UPDATE organizations SET timezone = $1 WHERE id = $2`, zoneOfTest, other)
			// The clocks of Lord Howe Island go back half an hour within this history.
			f.exec(`UPDATE aggregation_runs SET first_bucket = '2026-04-04 14:00Z',
				closed = '2026-04-04 14:00Z'`)
			f.exec(`UPDATE test_clock SET base = '2026-04-04 14:00Z', since = clock_timestamp(),
				speed = $1`, clockSpeed)
			f.live(seed, []uuid.UUID{f.school, other})
			f.exec(`UPDATE test_clock SET base = bucket_clock() + interval '20 minutes', speed = 0`)
			f.run()
			f.run()
			f.compareWithSQL()
			f.compareWithGo()
			before := f.rows()
			f.exec(`SET random_page_cost = 1000`) // another plan, another order of rows
			f.again()
			f.unchanged(before)
		})
	}
}

// live runs writers and aggregators at once.
func (f *fixture) live(seed uint64, organizations []uuid.UUID) {
	ctx, stop := context.WithTimeout(f.t.Context(), historyFor)
	defer stop()
	var working sync.WaitGroup
	for n := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, n))
		working.Go(func() {
			for ctx.Err() == nil {
				if err := f.transaction(r, organizations); err != nil {
					f.t.Errorf("writer %d: %v", n, err)
					return
				}
			}
		})
	}
	for n := range uint64(3) {
		r, a := rand.New(rand.NewPCG(seed, 100+n)), f.another()
		working.Go(func() {
			for ctx.Err() == nil {
				killed, kill := context.WithCancel(f.t.Context())
				if r.IntN(10) == 0 {
					time.AfterFunc(time.Duration(r.IntN(40))*time.Millisecond, kill)
				}
				_, err := a.Run(killed)
				if err != nil && killed.Err() == nil {
					f.t.Errorf("aggregator %d: %v", n, err)
				}
				kill()
			}
		})
	}
	working.Wait()
}

var errRollBack = errors.New("roll back")

// transaction is one of a writer: one to five statements, of which a tenth is rolled back and a
// tenth stays open for up to five buckets.
func (f *fixture) transaction(r *rand.Rand, organizations []uuid.UUID) error {
	ctx := context.WithoutCancel(f.t.Context())
	err := pgx.BeginFunc(ctx, f.platform, func(tx pgx.Tx) error {
		for range 1 + r.IntN(5) {
			sql, args := statement(r, organizations[r.IntN(len(organizations))])
			if _, err := tx.Exec(ctx, sql, args...); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
		switch r.IntN(10) {
		case 0:
			return errRollBack
		case 1:
			time.Sleep(time.Duration(r.IntN(150)) * time.Millisecond)
		}
		return nil
	})
	if errors.Is(err, errRollBack) {
		err = nil
	}
	return err
}

// statement is a random one. Agents are few, so that rows of one bucket meet.
func statement(r *rand.Rand, organization uuid.UUID) (string, []any) {
	who, kind := agent(r.IntN(4)), []string{"tutor", "grader"}[r.IntN(2)]
	status := []string{"completed", "completed", "completed", "failed", "cancelled"}[r.IntN(5)]
	seconds := r.ExpFloat64() * 5
	switch r.IntN(10) {
	case 0, 1, 2, 3: // in time, several at once
		return `INSERT INTO agent_executions (organization_id, task_id, agent_instance_id,
			agent_type, task_type, status,
				execution_time_seconds, memory_usage_mb, cpu_usage_percent, quality_score,
					confidence_score, user_rating)
			SELECT $1, 't', $2, $3, 'quiz', $4, $5 * n, $5 * 7, $5 / n, 1 / (1 + $5), 0.5, 1 + n % 5
				FROM generate_series(1, $6) n`,
			[]any{organization, who, kind, status, seconds, 1 + r.IntN(40)}
	case 4: // late, by up to a day and an hour
		return `INSERT INTO agent_executions (organization_id, task_id, agent_instance_id,
			agent_type, task_type, status, completed_at, execution_time_seconds)
			SELECT $1, 't', $2, $3, 'quiz', $4, bucket_clock() - $5 * interval '1 second', $6`,
			[]any{organization, who, kind, status, r.IntN(90000), seconds}
	case 5: // at the edge of a bucket, and a microsecond before it
		return `INSERT INTO agent_executions (organization_id, task_id, agent_instance_id,
			agent_type, task_type, status, completed_at, execution_time_seconds)
			SELECT $1, 't', $2, $3, 'quiz', $4,
				bucket_of(bucket_clock()) - $5 * interval '5 minutes' - n * interval '1 microsecond', $6 FROM generate_series(0, 1) n`,
			[]any{organization, who, kind, status, r.IntN(40), seconds}
	case 6: // begun and ended apart
		return `INSERT INTO agent_executions (organization_id, task_id, agent_instance_id,
			agent_type, task_type, status) VALUES ($1, 't', $2, $3, 'quiz', 'running')`,
			[]any{organization, who, kind}
	case 7:
		return `UPDATE agent_executions SET status = CASE status WHEN 'running' THEN $2
			WHEN 'failed' THEN 'running' ELSE status END,
				execution_time_seconds = $3, agent_type = $4 WHERE organization_id = $1 AND id IN (
				SELECT id FROM agent_executions WHERE organization_id = $1
					ORDER BY md5(id::text || $3::float8) LIMIT 5 FOR UPDATE SKIP LOCKED)`,
			[]any{organization, status, seconds, kind}
	case 8:
		return `DELETE FROM agent_executions WHERE organization_id = $1 AND id IN (
				SELECT id FROM agent_executions WHERE organization_id = $1
					ORDER BY md5(id::text || $2::float8) LIMIT 3 FOR UPDATE SKIP LOCKED)`,
			[]any{organization, seconds}
	default: // agents change and are heard of, or not
		return `INSERT INTO agent_instances AS a (organization_id, id, agent_id, agent_type, status,
			last_heartbeat) VALUES ($1, $2::uuid, $2::uuid::text, $3, $4, now())
			ON CONFLICT (organization_id, id) DO UPDATE
				SET status = excluded.status, agent_type = excluded.agent_type,
				last_heartbeat = clock_timestamp()`,
			[]any{organization, who, kind, []string{"idle", "busy", "error", "offline",
				"maintenance"}[r.IntN(5)]}
	}
}

// compareWithSQL computes every five-minute cell from all raw rows, straight.
func (f *fixture) compareWithSQL() {
	f.t.Helper()
	wrong := f.text(`WITH want AS (
		SELECT organization_id, agent_instance_id, agent_type, bucket_of(ended_at) AS at,
			count(*) FILTER (WHERE status = 'completed') AS completed,
				count(*) FILTER (WHERE status = 'failed') AS failed,
				count(*) FILTER (WHERE status = 'cancelled') AS cancelled,
			coalesce(sum(round(execution_time_seconds * 1e6)), 0)::bigint AS us,
			round(1e6 * percentile_disc(0.5) WITHIN GROUP (ORDER BY execution_time_seconds))::bigint AS p50,
			round(1e6 * percentile_disc(0.95) WITHIN GROUP (ORDER BY execution_time_seconds))::bigint AS p95,
			round(1e6 * percentile_disc(0.99) WITHIN GROUP (ORDER BY execution_time_seconds))::bigint AS p99,
			coalesce(sum(round(quality_score * 1e6)), 0)::bigint AS quality,
				count(confidence_score) AS confidence,
				coalesce(sum(user_rating), 0)::bigint * 1000000 AS rating,
			coalesce(round(max(memory_usage_mb) * 1e6), 0)::bigint AS memory,
				coalesce(sum(round(cpu_usage_percent * 1e6)), 0)::bigint AS cpu
		FROM agent_executions WHERE ended_at < bucket_of(bucket_clock()) GROUP BY 1, 2, 3, 4
	), got AS (
		SELECT organization_id, agent_instance_id, agent_type, period_start, tasks_completed,
			tasks_failed, tasks_cancelled, execution_us, median_us, p95_us, p99_us,
			quality_sum, confidence_count, rating_sum, memory_peak, cpu_sum
		FROM agent_metrics WHERE granularity = '5m' AND total_tasks > 0
	) SELECT coalesce(string_agg(cell, E'\n'), '') FROM (
		(SELECT 'missing ' || want::text AS cell FROM (TABLE want EXCEPT TABLE got) want)
			UNION ALL (SELECT 'wrong ' || got::text FROM (TABLE got EXCEPT TABLE want) got) LIMIT 20
	) cells`)
	if wrong != "" {
		f.t.Errorf("cells that differ from straight SQL:\n%s", wrong)
	}
	if n := f.text(`SELECT count(*)::text FROM agent_metrics
		WHERE granularity = '5m' AND total_tasks > 0`); n == "0" {
		f.t.Error("there is nothing to compare")
	}
	if left := f.text(`SELECT count(*)::text FROM agent_execution_changes
		WHERE bucket_start < bucket_of(bucket_clock())`); left != "0" {
		f.t.Errorf("%s changes are left", left)
	}
}

// compareWithGo computes every hour and day of each agent from all raw rows, in code that shares
// nothing with the aggregation but the definition of a period.
func (f *fixture) compareWithGo() {
	f.t.Helper()
	type cell struct {
		organization uuid.UUID
		interval     string
		start        int64
		agent        uuid.UUID
		kind         string
	}
	type sums struct {
		completed, failed, cancelled int64
		times                        []int64
	}
	want := map[cell]*sums{}
	rows, err := f.Superuser.Query(f.t.Context(), `SELECT e.organization_id, o.timezone,
		agent_instance_id, agent_type, e.status, ended_at, execution_time_seconds
		FROM agent_executions e JOIN organizations o ON o.id = e.organization_id
			WHERE ended_at < bucket_of(bucket_clock())`)
	if err != nil {
		f.t.Fatal(err)
	}
	for rows.Next() {
		var organization, who uuid.UUID
		var timezone, kind, status string
		var ended time.Time
		var seconds *float64
		if err := rows.Scan(&organization, &timezone, &who, &kind, &status, &ended,
			&seconds); err != nil {
			f.t.Fatal(err)
		}
		z := zone(f.t, timezone)
		for interval, p := range map[string]Period{"1h": hourOf(ended, z), "1d": dayOf(ended, z)} {
			c := cell{organization, interval, p.Start.Unix(), who, kind}
			if want[c] == nil {
				want[c] = &sums{}
			}
			switch status {
			case "completed":
				want[c].completed++
			case "failed":
				want[c].failed++
			case "cancelled":
				want[c].cancelled++
			}
			if seconds != nil {
				want[c].times = append(want[c].times, int64(*seconds*1e6+0.5))
			}
		}
	}
	if err := rows.Err(); err != nil {
		f.t.Fatal(err)
	}
	got := 0
	rows, err = f.Superuser.Query(f.t.Context(), `SELECT organization_id, granularity, period_start,
		agent_instance_id, agent_type,
		tasks_completed, tasks_failed, tasks_cancelled, execution_count, coalesce(median_us, 0),
			coalesce(p99_us, 0) FROM agent_metrics WHERE granularity <> '5m' AND total_tasks > 0`)
	if err != nil {
		f.t.Fatal(err)
	}
	for rows.Next() {
		var c cell
		var start time.Time
		var s sums
		var n, median, p99 int64
		if err := rows.Scan(&c.organization, &c.interval, &start, &c.agent, &c.kind, &s.completed,
			&s.failed, &s.cancelled, &n, &median, &p99); err != nil {
			f.t.Fatal(err)
		}
		c.start = start.Unix()
		w := want[c]
		got++
		if w == nil || w.completed != s.completed || w.failed != s.failed ||
			w.cancelled != s.cancelled || int64(len(w.times)) != n {
			f.t.Errorf("%s from %s of %s has %+v, want %+v", c.interval, start.UTC(), c.kind, s, w)
			continue
		}
		slices.Sort(w.times)
		for p, value := range map[float64]int64{0.5: median, 0.99: p99} {
			if n == 0 {
				continue
			}
			exact := nearestRank(w.times, p)
			if off := float64(value-exact) / float64(max(exact, 1)); off > 0.01 || off < -0.01 {
				f.t.Errorf("%s from %s: p%v is %d, want %d (%d values)", c.interval, start.UTC(),
					100*p, value, exact, n)
			}
		}
	}
	if err := rows.Err(); err != nil {
		f.t.Fatal(err)
	}
	if got != len(want) || got == 0 {
		f.t.Errorf("%d cells of hours and days, want %d", got, len(want))
	}
}
