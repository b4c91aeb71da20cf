package rollup

import (
	"context"
	"flag"
	"fmt"
	"testing"
	"time"
)

var (
	rowsOfOne = flag.Int("rows", 20_000, "executions of the one organization that has any: a "+
		"million takes minutes")
	wholeOutage = flag.Bool("whole-outage", false, "catch up with all of a month: takes minutes")
)

// One organization has all rows, spread over a day with a few late ones, and those before and after
// it have none: its figures are those of the rows, to the last one, and the others' are gaps.
func TestOneOrganizationHasAllRows(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, name := range []string{"none", "neither"} {
		f.Organization(t, name)
	}
	const buckets, agents = 50, 40
	began := time.Now()
	for n := range buckets {
		f.clock(at(t, "2026-03-02T10:02:30Z").Add(time.Duration(n) * BucketLength).
			Format(time.RFC3339))
		f.exec(fmt.Sprintf(`SELECT setseed(%v)`, float64(n)/buckets))
		f.exec(`INSERT INTO agent_executions (organization_id, task_id, agent_instance_id,
				agent_type, task_type, status, completed_at, execution_time_seconds,
				memory_usage_mb, cpu_usage_percent, quality_score, confidence_score, user_rating)
			SELECT $1, 't', md5((n % $2)::text)::uuid, CASE n % 3 WHEN 0 THEN 'tutor' ELSE 'grader' END,
				'quiz', CASE n % 10 WHEN 0 THEN 'failed' WHEN 1 THEN 'cancelled' ELSE 'completed' END,
				CASE n % 100 WHEN 0 THEN bucket_clock() - random() * interval '1 day' END,
				-ln(1 - random()) * 10, 100 * random(), 100 * random(), random(), random(), 1 + n % 5
			FROM generate_series(1, $3::int) n`, f.school, agents, *rowsOfOne/buckets)
	}
	written := time.Since(began)
	f.clock("2026-03-02T14:15:00Z")
	began = time.Now()
	done := f.run()
	took := time.Since(began)
	f.compareWithSQL()
	f.compareWithGo()
	t.Logf("%s rows written in %s, %d buckets computed in %s, compared in %s",
		f.text(`SELECT count(*)::text FROM agent_executions`), written, done.Buckets, took,
		time.Since(began)-took)
	if got := f.text(`SELECT count(*)::text FROM agent_metrics WHERE organization_id <> $1`,
		f.school); got != "0" {
		t.Errorf("the others have %s rows", got)
	}
	if got := f.text(`SELECT string_agg(DISTINCT complete_through::text, ', ') || ' ' || count(*)
		FROM aggregation_tenants`); got != "2026-03-02 14:15:00+00 3" {
		t.Errorf("complete through %s, want all three", got)
	}
	before := f.rows()
	f.again()
	f.unchanged(before)
}

// A month without a run. Each of the runs that follow has time for a few buckets: it takes on the
// oldest, counts each, and leaves the rest to the next; no row of what it did not come to is there.
func TestAMonthsOutageIsCaughtUpInSteps(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	start, end := at(t, "2026-03-02T10:00:00Z"), at(t, "2026-04-02T10:00:00Z")
	for day := start; day.Before(end); day = day.AddDate(0, 0, 1) {
		f.clock(day.Add(4 * time.Minute).Format(time.RFC3339))
		f.ended(execution{agent: 1})
	}
	f.clock("2026-04-02T10:00:01Z")
	const state = `SELECT to_char(max(closed) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
		FROM aggregation_runs WHERE computed`
	through, fresh, counted, runs := start, 0, 0, 0
	for ; through.Before(end) && (runs < 4 || *wholeOutage); runs++ {
		ctx, cancel := context.WithTimeout(t.Context(), reserve+400*time.Millisecond)
		done, err := f.aggregator.Run(ctx)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		came := at(t, f.text(state))
		steps := int(came.Sub(through) / BucketLength)
		if steps < 0 || done.Buckets < steps || done.Lag < end.Sub(came).Seconds() {
			t.Errorf("run %d came from %s to %s and says %+v", runs, through, came, done)
		}
		through, fresh, counted = came, fresh+steps, counted+done.Buckets
		if beyond := f.text(`SELECT count(*)::text FROM system_health
			WHERE granularity = '5m' AND period_end > $1`, through); beyond != "0" {
			t.Fatalf("it came to %s, and %s buckets after it are there", through, beyond)
		}
		if got, want := f.text(`SELECT count(*)::text FROM agent_metrics WHERE granularity = '5m'
			AND total_tasks > 0`), 1+int(through.Sub(start)-time.Second)/int(day); fresh > 0 &&
			got != fmt.Sprint(want) {
			t.Errorf("up to %s there are tasks of %s days, want %d", through, got, want)
		}
	}
	if fresh == 0 || !*wholeOutage && !through.Before(end) {
		t.Errorf("in %d runs it came to %s", runs, through)
	}
	t.Logf("%d runs came to %s: %d buckets, and %d computed again", runs, through, fresh,
		counted-fresh)
}
