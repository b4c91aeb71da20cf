package rollup

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/toolboxai-solutions/satchel/infra/pgtest"
	"github.com/toolboxai-solutions/satchel/shared/telemetry"
)

// fixture is a database whose bucket_clock a test sets, the platform that writes to it, and an
// aggregator.
type fixture struct {
	*pgtest.Database
	t          testing.TB
	platform   *pgxpool.Pool
	aggregator *Aggregator
	school     uuid.UUID
}

// movableClock stands for bucket_clock: it begins at a moment of the test's and runs at a speed of
// its own. As the real one it numbers its transaction first.
const movableClock = `
CREATE TABLE test_clock (base timestamptz, since timestamptz, speed float8);
GRANT SELECT ON test_clock TO PUBLIC;
CREATE OR REPLACE FUNCTION bucket_clock() RETURNS timestamptz LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	t record;
BEGIN
	PERFORM pg_current_xact_id();
	SELECT * INTO t FROM public.test_clock;
	RETURN t.base + (clock_timestamp() - t.since) * t.speed;
END $$;
INSERT INTO test_clock VALUES ('2026-03-02 10:00Z', now(), 0);
UPDATE aggregation_runs SET first_bucket = '2026-03-02 10:00Z', closed = '2026-03-02 10:00Z'`

func newFixture(t testing.TB) *fixture {
	t.Helper()
	return fixtureOn(t, pgtest.New(t))
}

// isolated is a fixture for tests in which it matters which transactions are open: those of other
// tests on the same server are among them.
func isolated(t testing.TB) *fixture {
	t.Helper()
	return fixtureOn(t, pgtest.NewIsolated(t))
}

func fixtureOn(t testing.TB, d *pgtest.Database) *fixture {
	t.Helper()
	f := &fixture{Database: d, t: t}
	f.exec(movableClock)
	config, err := pgxpool.ParseConfig(f.URL("platform"))
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = 16
	if f.platform, err = pgxpool.NewWithConfig(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.platform.Close)
	f.aggregator = f.another()
	f.school = f.Organization(t, "school")
	return f
}

func (f *fixture) another() *Aggregator {
	return &Aggregator{
		DB: f.DB(f.t, "analytics-aggregation/run"), RetentionDays: 90,
		Metrics: telemetry.Metrics{Out: new(bytes.Buffer), Namespace: "Satchel"},
		Log: slog.New(slog.NewTextHandler(f.t.Output(),
			&slog.HandlerOptions{Level: slog.LevelWarn})),
	}
}

func (f *fixture) exec(sql string, args ...any) {
	f.t.Helper()
	if _, err := f.Superuser.Exec(context.WithoutCancel(f.t.Context()), sql, args...); err != nil {
		f.t.Fatalf("%s: %v", sql, err)
	}
}

func (f *fixture) write(sql string, args ...any) {
	f.t.Helper()
	if _, err := f.platform.Exec(f.t.Context(), sql, args...); err != nil {
		f.t.Fatalf("%s: %v", sql, err)
	}
}

// text is what a query of one row and column returns, for everything.
func (f *fixture) text(sql string, args ...any) string {
	f.t.Helper()
	var text string
	if err := f.Superuser.QueryRow(f.t.Context(), sql, args...).Scan(&text); err != nil {
		f.t.Fatalf("%s: %v", sql, err)
	}
	return text
}

// clock sets the time, which then stands still.
func (f *fixture) clock(at string) {
	f.t.Helper()
	f.exec(`UPDATE test_clock SET base = $1, since = clock_timestamp(), speed = 0`, at)
}

func (f *fixture) run() Summary {
	f.t.Helper()
	done, err := f.aggregator.Run(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return done
}

// agents of the tests, by number.
func agent(n int) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceOID,
		fmt.Appendf(nil, "agent %d", n))
}

// execution is one that ended.
type execution struct {
	organization uuid.UUID
	agent        int
	status       string
	ended        string // "" is now
	seconds      float64
}

const insertExecution = `INSERT INTO agent_executions
	(organization_id, task_id, agent_instance_id, agent_type, task_type, status, completed_at,
		execution_time_seconds)
	VALUES ($1, 'task', $2, 'tutor', 'quiz', $3, $4, $5)`

func (f *fixture) ended(e execution) {
	f.t.Helper()
	f.endedIn(f.platform, e)
}

func (f *fixture) endedIn(by interface {
	Query(context.Context, string, ...any) (pgx.Rows, error)
}, e execution) {
	f.t.Helper()
	if e.organization == uuid.Nil {
		e.organization = f.school
	}
	if e.status == "" {
		e.status = "completed"
	}
	var at *time.Time
	if e.ended != "" {
		parsed, err := time.Parse(time.RFC3339, e.ended)
		if err != nil {
			f.t.Fatal(err)
		}
		at = &parsed
	}
	rows, err := by.Query(f.t.Context(), insertExecution, e.organization, agent(e.agent), e.status,
		at, e.seconds)
	if err == nil {
		rows.Close()
		err = rows.Err()
	}
	if err != nil {
		f.t.Fatalf("insert an execution: %v", err)
	}
}

// buckets is what the five-minute rows say: start, completed/failed/cancelled and the median.
func (f *fixture) buckets() string {
	f.t.Helper()
	return f.text(`SELECT coalesce(string_agg(line, '; ' ORDER BY line), '') FROM (
		SELECT to_char(period_start AT TIME ZONE 'UTC', 'DD HH24:MI') || ' ' || sum(tasks_completed)
			|| '/' || sum(tasks_failed) || '/' || sum(tasks_cancelled) AS line
		FROM agent_metrics WHERE granularity = '5m' AND total_tasks > 0 GROUP BY period_start) l`)
}

// rows is all metrics, to the byte.
func (f *fixture) rows() []string {
	f.t.Helper()
	return strings.Split(f.text(`SELECT coalesce(string_agg(line, E'\n' ORDER BY line), '') FROM (
		SELECT m::text AS line FROM agent_metrics m UNION ALL SELECT h::text FROM system_health h
			UNION ALL SELECT u::text FROM usage_metrics u) l`), "\n")
}

// unchanged reports the rows that are not those of before.
func (f *fixture) unchanged(before []string) {
	f.t.Helper()
	now := f.rows()
	for _, row := range before {
		if !slices.Contains(now, row) {
			f.t.Errorf("before: %s", row)
		}
	}
	for _, row := range now {
		if !slices.Contains(before, row) {
			f.t.Errorf("now:    %s", row)
		}
	}
}

// again has everything computed anew that was ever computed.
func (f *fixture) again() {
	f.t.Helper()
	f.exec(`INSERT INTO agent_execution_changes (organization_id, bucket_start)
		SELECT DISTINCT organization_id, period_start FROM agent_metrics WHERE granularity = '5m'
		UNION SELECT DISTINCT organization_id, bucket_of(ended_at) FROM agent_executions
			WHERE ended_at IS NOT NULL`)
	f.exec(`INSERT INTO metrics_changes (organization_id, period_start)
		SELECT DISTINCT organization_id, period_start FROM agent_metrics WHERE granularity = '5m'`)
	f.run()
}
