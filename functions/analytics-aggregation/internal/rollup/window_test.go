package rollup

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestABucketIsComputedWhenItIsOver(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.clock("2026-03-02T10:04:59.999999Z")
	f.ended(execution{agent: 1, seconds: 1})
	f.clock("2026-03-02T10:05:00Z")
	f.ended(execution{agent: 1, status: "failed", seconds: 3})
	f.ended(execution{agent: 2, status: "cancelled"})
	f.write(`INSERT INTO agent_executions (organization_id, task_id, agent_instance_id, agent_type,
		task_type, status) VALUES ($1, 't', $2, 'tutor', 'quiz', 'running')`, f.school, agent(1))
	f.run()
	if got := f.buckets(); got != "02 10:00 1/0/0" {
		t.Errorf("at five past: %s", got)
	}
	f.clock("2026-03-02T10:10:00Z")
	f.run()
	if got := f.buckets(); got != "02 10:00 1/0/0; 02 10:05 0/1/1" {
		t.Errorf("at ten past: %s", got)
	}
	before := f.rows()
	f.run()
	f.again()
	f.unchanged(before)
}

// late is a transaction that wrote in time and commits later.
func (f *fixture) late(e execution) pgx.Tx {
	f.t.Helper()
	tx, err := f.platform.Begin(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	f.endedIn(tx, e)
	return tx
}

func (f *fixture) commit(tx pgx.Tx) {
	f.t.Helper()
	if err := tx.Commit(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

// However many buckets a transaction stays open after it wrote, its rows are found when it commits.
// The cluster is quiet meanwhile: the number of the open transaction is then the next one to
// complete.
func TestALateCommitIsFound(t *testing.T) {
	t.Parallel()
	f := isolated(t)
	f.clock("2026-03-02T10:04:00Z")
	tx := f.late(execution{agent: 1})
	for minute := 5; minute < 55; minute += 5 {
		f.clock(time.Date(2026, 3, 2, 10, minute, 1, 0, time.UTC).Format(time.RFC3339))
		f.run()
	}
	if got := f.buckets(); got != "" {
		t.Errorf("before the commit: %s", got)
	}
	f.commit(tx)
	f.clock("2026-03-02T10:55:01Z")
	f.run()
	if got := f.buckets(); got != "02 10:00 1/0/0" {
		t.Errorf("after the commit: %q", got)
	}
	f.clock("2026-03-02T11:00:01Z")
	f.run()
	f.clock("2026-03-02T11:05:01Z")
	f.run()
	if got := f.text(`SELECT count(*)::text FROM aggregation_runs`); got != "1" && got != "2" {
		t.Errorf("%s runs are stored an hour later", got)
	}
}

// A transaction commits while a run is under way, after its bucket was computed and before the run
// ends: that run cannot vouch for it.
func TestACommitDuringARunIsFound(t *testing.T) {
	t.Parallel()
	f := isolated(t)
	f.clock("2026-03-02T10:04:00Z")
	tx := f.late(execution{agent: 1})
	for _, at := range []string{"2026-03-02T10:05:01Z", "2026-03-02T10:10:01Z",
		"2026-03-02T10:15:01Z"} {
		f.clock(at)
		f.run()
	}
	// The next run computes 10:15 first, then 10:00, 10:05, and waits for 10:10.
	f.clock("2026-03-02T10:20:01Z")
	blocker, err := f.Superuser.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	number := time.Date(2026, 3, 2, 10, 10, 0, 0, time.UTC).Unix() / 300
	if _, err := blocker.Exec(t.Context(), `SELECT pg_advisory_xact_lock($1::int4,
		$2::int4)`, bucketLocks, number); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { _, err := f.aggregator.Run(t.Context()); ended <- err }()
	f.waitFor(`SELECT count(*) = 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database
		WHERE d.datname = current_database() AND l.locktype = 'advisory' AND NOT l.granted`)
	f.commit(tx)
	if err := blocker.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{"2026-03-02T10:25:01Z", "2026-03-02T10:30:01Z",
		"2026-03-02T10:35:01Z"} {
		f.clock(at)
		f.run()
	}
	if got := f.buckets(); got != "02 10:00 1/0/0" {
		t.Errorf("the row is lost: %q", got)
	}
}

// A row is written and committed between the moment at which a run asked for a bucket's lock and
// the one at which it got it.
func TestTheFiguresAreThoseOfAfterTheLock(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.clock("2026-03-02T10:10:01Z")
	f.ended(execution{agent: 1, ended: "2026-03-01T08:00:00Z"})
	blocker, err := f.Superuser.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	number := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC).Unix() / 300
	if _, err := blocker.Exec(t.Context(), `SELECT pg_advisory_xact_lock($1::int4,
		$2::int4)`, bucketLocks, number); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { _, err := f.aggregator.Run(t.Context()); ended <- err }()
	f.waitFor(`SELECT count(*) = 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database
		WHERE d.datname = current_database() AND l.locktype = 'advisory' AND NOT l.granted`)
	// What this other run, the blocker, would have drained and computed:
	f.ended(execution{agent: 1, status: "failed", ended: "2026-03-01T08:01:00Z"})
	if err := blocker.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if got := f.buckets(); got != "01 08:00 1/1/0" {
		t.Errorf("got %q", got)
	}
}

func TestAnOutageIsCaughtUp(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for hour := 10; hour < 14; hour++ {
		f.clock(time.Date(2026, 3, 2, hour, 2, 0, 0, time.UTC).Format(time.RFC3339))
		f.ended(execution{agent: hour})
	}
	f.clock("2026-03-02T14:00:01Z")
	if done := f.run(); done.Buckets < 48 {
		t.Errorf("%+v", done)
	}
	if got := f.buckets(); got != "02 10:00 1/0/0; 02 11:00 1/0/0; 02 12:00 1/0/0; 02 13:00 1/0/0" {
		t.Errorf("got %s", got)
	}
}

// A clock that was set back writes into buckets that were computed already.
func TestAClockThatIsSetBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.clock("2026-03-02T12:00:01Z")
	f.run()
	f.clock("2026-03-02T11:00:01Z")
	f.run()
	f.clock("2026-03-02T11:31:00Z")
	f.ended(execution{agent: 1})
	f.clock("2026-03-02T11:36:00Z")
	f.run()
	if got := f.buckets(); got != "02 11:30 1/0/0" {
		t.Errorf("got %q", got)
	}
}
