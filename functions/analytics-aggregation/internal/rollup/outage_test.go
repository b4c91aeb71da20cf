package rollup

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"testing"
	"time"
)

// After a day without a run, each run has time for a few buckets. They are computed oldest first;
// changes and organizations get their turn meanwhile; and what has to be computed again is let go
// of bit by bit, though no run comes to all of it, and not before: a transaction from the middle of
// the day commits in between.
func TestALongOutageIsCaughtUpInSteps(t *testing.T) {
	t.Parallel()
	f := isolated(t)
	f.clock("2026-03-02T10:04:00Z")
	f.ended(execution{agent: 1})
	f.clock("2026-03-02T16:04:00Z")
	open := f.late(execution{agent: 4})
	f.clock("2026-03-03T09:58:00Z")
	f.ended(execution{agent: 2})
	f.ended(execution{agent: 3, ended: "2026-02-20T08:00:00Z"})
	f.clock("2026-03-03T10:00:01Z")
	start, end := at(t, "2026-03-02T10:00:00Z"), at(t, "2026-03-03T10:00:00Z")
	through, other, runs := start, 0, 0
	for ; through.Before(end) || f.text(`SELECT count(*)::text FROM aggregation_runs`) > "2"; runs++ {
		if runs == 500 {
			t.Fatalf("after %d runs it came to %s, with %s runs stored", runs, through,
				f.text(`SELECT count(*)::text FROM aggregation_runs`))
		}
		ctx, cancel := context.WithTimeout(t.Context(), reserve+200*time.Millisecond)
		if _, err := f.aggregator.Run(ctx); err != nil {
			t.Fatal(err)
		}
		cancel()
		came := at(t, f.text(`SELECT to_char(max(closed) AT TIME ZONE 'UTC',
			'YYYY-MM-DD"T"HH24:MI:SS"Z"') FROM aggregation_runs`))
		if came.Before(through) {
			t.Errorf("it went back from %s to %s", through, came)
		}
		if open != nil && came.After(at(t, "2026-03-02T18:00:00Z")) {
			f.commit(open)
			open = nil
		}
		if through = came; !through.Before(end) {
			continue
		}
		if got := f.text(`SELECT count(*)::text FROM agent_metrics
			WHERE granularity = '5m' AND period_start >= '2026-03-03 09:55Z'`); got != "0" {
			t.Error("the newest bucket was computed before older ones")
		}
		hours, err := strconv.Atoi(f.text(`SELECT count(*)::text FROM agent_metrics
			WHERE granularity = '1h' AND period_start = '2026-02-20 08:00Z'`))
		if err != nil {
			t.Fatal(err)
		}
		other += hours
	}
	f.run()
	if got := f.buckets(); got != "02 10:00 1/0/0; 02 16:00 1/0/0; 03 09:55 1/0/0; 20 08:00 1/0/0" {
		t.Errorf("got %s", got)
	}
	if runs > 1 && other == 0 {
		t.Errorf("in %d runs nothing but the outage was worked on", runs)
	}
	if f.text(`SELECT count(*)::text FROM aggregation_tenants
		WHERE complete_through = '2026-03-03 10:00Z'`) != "1" {
		t.Error("the school is not up to date")
	}
}

// A run that is killed in the middle of what it catches up leaves nothing that a later one, which
// comes no further, takes for computed.
func TestAKilledCatchUpIsNotTakenForComplete(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.clock("2026-03-02T10:34:00Z")
	f.ended(execution{agent: 1})
	f.clock("2026-03-02T11:00:01Z")
	hold, err := f.Superuser.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	start := at(t, "2026-03-02T10:30:00Z")
	number := int32(start.Unix() / int64(BucketLength/time.Second))
	if _, err := hold.Exec(t.Context(), `SELECT pg_advisory_xact_lock($1, $2)`, bucketLocks,
		number); err != nil {
		t.Fatal(err)
	}
	ctx, kill := context.WithCancel(t.Context())
	f.untilItEnds(ctx, kill)
	// Whenever it comes to the bucket that is held, its statement is cancelled: the step fails.
	f.untilItEnds(t.Context(), func() {
		f.exec(`SELECT pg_cancel_backend(pid) FROM pg_locks WHERE locktype = 'advisory'
			AND NOT granted AND database = (SELECT oid FROM pg_database
				WHERE datname = current_database())`)
	})
	const complete = `SELECT coalesce(to_char(max(complete_through) AT TIME ZONE 'UTC', 'HH24:MI'), '')
		FROM aggregation_tenants`
	if got := f.text(complete); got != "10:30" {
		t.Errorf("said to be complete through %q, where the bucket of 10:30 is missing", got)
	}
	if err := hold.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.run()
	if got := f.text(complete); got != "11:00" || f.buckets() != "02 10:30 1/0/0" {
		t.Errorf("in the end complete through %s, with %s", got, f.buckets())
	}
}

// untilItEnds runs an aggregator, which must fail, and does something whenever it waits for a bucket.
func (f *fixture) untilItEnds(ctx context.Context, waits func()) {
	f.t.Helper()
	ended := make(chan error, 1)
	go func() {
		_, err := f.another().Run(ctx)
		ended <- err
	}()
	for {
		select {
		case err := <-ended:
			if err == nil {
				f.t.Error("the run did not fail")
			}
			return
		default:
		}
		if f.text(`SELECT count(*)::text FROM pg_locks l JOIN pg_database d ON d.oid = l.database
			WHERE d.datname = current_database() AND l.locktype = 'advisory'
				AND NOT l.granted`) != "0" {
			waits()
		}
	}
}

// A database that only reads, as after a failover to the wrong side: a run says so, and loses
// nothing.
func TestADatabaseThatOnlyReads(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.clock("2026-03-02T10:04:00Z")
	f.ended(execution{agent: 1})
	f.clock("2026-03-02T10:05:01Z")
	f.exec(`ALTER ROLE satchel_analytics_aggregation_run IN DATABASE ` + f.name() +
		` SET default_transaction_read_only = on`)
	if done, err := f.another().Run(t.Context()); err == nil || done.Buckets != 0 {
		t.Errorf("%+v, %v", done, err)
	}
	f.exec(`ALTER ROLE satchel_analytics_aggregation_run IN DATABASE ` + f.name() +
		` RESET default_transaction_read_only`)
	f.aggregator = f.another()
	var told bytes.Buffer
	f.aggregator.Metrics.Out = &told
	f.run()
	if got := f.buckets(); got != "02 10:00 1/0/0" {
		t.Errorf("got %s", got)
	}
	if !strings.Contains(told.String(), `"RollupLag":0,`) ||
		!strings.Contains(told.String(), `"schedule":"analytics-aggregation"`) {
		t.Errorf("told %s", &told)
	}
}

func (f *fixture) name() string { return f.text(`SELECT current_database()`) }

// usagePage takes what is computed again and what is new, without what lies between.
func TestUsagePages(t *testing.T) {
	t.Parallel()
	hour := func(n int) time.Time {
		return at(t, "2026-03-02T00:00:00Z").Add(time.Duration(n) * time.Hour)
	}
	for _, c := range []struct{ from, again, known, through, start, end int }{
		{0, 2, 10, 12, 0, 2},     // again
		{2, 2, 10, 12, 10, 12},   // and then what is new
		{0, 10, 10, 12, 0, 12},   // both at once
		{0, 30, 30, 31, 0, 24},   // a day at a time
		{24, 30, 30, 31, 24, 31}, // and the rest
		{5, 2, 5, 12, 5, 12},     // an organization that is behind
		{0, 0, 10, 12, 10, 12},   // there was no time for again
	} {
		got := usagePage(hour(c.from), hour(c.again), hour(c.known), hour(c.through))
		if !got.Start.Equal(hour(c.start)) || !got.End.Equal(hour(c.end)) {
			t.Errorf("%+v: %s to %s", c, got.Start, got.End)
		}
	}
}
