package rollup

import (
	"fmt"
	"strconv"
	"testing"
)

// Each value is rounded to a millionth before it is added, so that no order of the rows and no plan
// makes another sum.
func TestSumsAreOfFixedPointValues(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(`INSERT INTO agent_executions (organization_id, task_id, agent_instance_id, agent_type,
			task_type, status, execution_time_seconds, quality_score, memory_usage_mb)
		SELECT $1, 't', $2, 'tutor', 'quiz', 'completed', 4e-7, 6e-7, 1e9
		FROM generate_series(1, 10000)`, f.school, agent(1))
	f.clock("2026-03-02T10:05:00Z")
	f.run()
	// 10,000 times the largest memory is more than a bigint holds.
	if got := f.text(`SELECT concat_ws(' ', execution_us, quality_sum, memory_sum, memory_peak,
		p99_us, execution_bins, execution_counts)
		FROM agent_metrics WHERE granularity = '5m'`); got !=
		"0 10000 9223372036854775807 1000000000000000 0 {-1} {10000}" {
		t.Errorf("the sums are %s", got)
	}
}

// A row of a day that has no partition is in the metrics all the same, and so is one whose clock
// is far ahead: its bucket is that in which it was written.
func TestARowForADayWithoutAPartition(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.clock("2026-03-02T10:01:00Z")
	for _, created := range []string{"2019-01-01 00:00Z", "2031-01-01 00:00Z"} {
		f.write(`INSERT INTO agent_executions (organization_id, task_id, agent_instance_id,
			agent_type, task_type, status, created_at, completed_at)
			VALUES ($1, 't', $1, 'tutor', 'quiz', 'completed', $2, '2099-01-01 00:00Z')`,
			f.school, created)
	}
	f.clock("2026-03-02T10:05:00Z")
	f.run()
	if got := f.buckets(); got != "02 10:00 2/0/0" {
		t.Errorf("got %s", got)
	}
}

// An agent that changes its type within a bucket has a row for each, and the time of both.
func TestAnAgentThatChangesItsType(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(`INSERT INTO agent_instances (organization_id, id, agent_id, agent_type, status)
		VALUES ($1, $2, 'a', 'tutor', 'idle')`, f.school, agent(1))
	f.ended(execution{agent: 1})
	f.clock("2026-03-02T10:06:00Z")
	f.write(`UPDATE agent_instances SET agent_type = 'grader'`)
	f.write(`UPDATE agent_executions SET agent_type = 'grader'`)
	f.clock("2026-03-02T10:10:00Z")
	f.run()
	if got := f.text(`SELECT string_agg(concat_ws(' ', to_char(period_start AT TIME ZONE 'UTC',
			'HH24:MI'), agent_type, total_tasks, registered_us / 1000000), '; '
			ORDER BY period_start, agent_type)
		FROM agent_metrics WHERE granularity = '5m'`); got !=
		"10:00 grader 1 0; 10:00 tutor 0 300; 10:05 grader 0 240; 10:05 tutor 0 60" {
		t.Errorf("got %s", got)
	}
	f.write(`UPDATE agent_executions SET agent_type = 'tutor'`)
	f.run()
	if got := f.text(`SELECT string_agg(agent_type || ' ' || total_tasks, ', ')
		FROM agent_metrics WHERE granularity = '5m' AND period_start = '2026-03-02 10:00Z'`); got !=
		"tutor 1" {
		t.Errorf("changed back, it has %s", got)
	}
}

// What a bucket costs depends on its own rows: not on how much history there is, nor on a
// neighbour's. Counted are the pages that a run touches in the tables that grow.
func TestABucketCostsTheSameWhateverTheHistory(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	neighbour := f.Organization(t, "neighbour")
	f.exec(`ALTER TABLE agent_executions DISABLE TRIGGER USER`)
	f.exec(`ALTER TABLE agent_instances DISABLE TRIGGER USER`)
	day := 0
	// history adds some days of a neighbour who does much.
	history := func(days int) {
		t.Helper()
		f.exec(`INSERT INTO agent_executions (organization_id, task_id, agent_instance_id,
				agent_type, task_type, status, created_at, completed_at, ended_at)
			SELECT $1, 't', md5((n % 50)::text)::uuid, 'tutor', 'quiz', 'completed', at, at, at
			FROM (SELECT n, timestamptz '2026-03-01 23:00Z' - $2 * interval '1 day'
				- n * interval '4 seconds' AS at FROM generate_series(1, 20000 * $3::int) n) x`,
			neighbour, day, days)
		f.exec(`INSERT INTO agent_metrics (organization_id, agent_instance_id, agent_type,
				granularity, period_start, period_end)
			SELECT $1, md5((n % 50)::text)::uuid, 'tutor', '5m', at, at + interval '5 minutes'
			FROM (SELECT n, timestamptz '2026-03-01 23:00Z' - $2 * interval '1 day'
				- n / 50 * interval '5 minutes' AS at FROM generate_series(50, 14399 * $3::int) n
			) x`, neighbour, day, days)
		f.exec(`INSERT INTO agent_presence (organization_id, agent_instance_id, at, was, was_type,
				status, agent_type)
			SELECT $1, md5((n % 50)::text)::uuid, timestamptz '2026-03-01 23:00Z'
				- $2 * interval '1 day' - n * interval '9 seconds', 'idle', 'tutor', 'busy', 'tutor'
			FROM generate_series(1, 9000 * $3::int) n`, neighbour, day, days)
		f.exec(`VACUUM ANALYZE agent_executions, agent_metrics, agent_presence`)
		day += days
	}
	f.exec(`INSERT INTO agent_instances (organization_id, id, agent_id, agent_type, status,
			heartbeat_seen_at, changed_at)
		SELECT $1, md5(n::text)::uuid, n, 'tutor', 'idle', '2026-03-03 00:00Z', '2026-02-01 00:00Z'
		FROM generate_series(0, 9) n`, f.school)
	minute := 0
	// cost is what a run touches that computes a bucket with a hundred rows, and two again.
	cost := func() int {
		t.Helper()
		f.exec(fmt.Sprintf(`INSERT INTO agent_executions (organization_id, task_id,
				agent_instance_id, agent_type, task_type, status, created_at, completed_at,
				ended_at)
			SELECT $1, 't', md5((n %% 10)::text)::uuid, 'tutor', 'quiz', 'completed', at, at, at
			FROM (SELECT n, timestamptz '2026-03-02 10:01Z' + %d * interval '1 minute' AS at
				FROM generate_series(1, 100) n) x`, minute), f.school)
		minute += 5
		f.clock(fmt.Sprintf("2026-03-02T10:%02d:01Z", minute))
		before := f.pages()
		f.run()
		f.aggregator.DB.Close() // a session reports what it touched when it ends
		f.waitFor(`SELECT count(*) = 0 FROM pg_stat_activity
			WHERE datname = current_database() AND usename = 'satchel_analytics_aggregation_run'`)
		f.aggregator = f.another()
		return f.pages() - before
	}
	history(1)
	for range 2 {
		cost() // the first runs compute fewer buckets again
	}
	little := cost()
	history(8)
	if much := cost(); much > little*11/10 {
		t.Errorf("with nine times the history it touches %d pages instead of %d", much, little)
	}
}

// pages is how many pages of the growing tables were touched by sessions that have ended.
func (f *fixture) pages() int {
	f.t.Helper()
	n, err := strconv.Atoi(f.text(`SELECT sum(heap_blks_read + heap_blks_hit
			+ coalesce(idx_blks_read + idx_blks_hit, 0))::text
		FROM pg_statio_user_tables WHERE relname ~ '^agent_(executions|metrics|presence)'`))
	if err != nil {
		f.t.Fatal(err)
	}
	return n
}

// waitFor asks until the answer is true.
func (f *fixture) waitFor(sql string, args ...any) {
	f.t.Helper()
	for yes := false; !yes; {
		if err := f.Superuser.QueryRow(f.t.Context(), sql, args...).Scan(&yes); err != nil {
			f.t.Fatalf("%s: %v", sql, err)
		}
	}
}
