package migrations

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const schools = `INSERT INTO organizations (id, name, slug)
	SELECT ('00000000-0000-0000-0000-00000000000' || n)::uuid, 'school', 'school-' || n
		FROM generate_series(1, 2) n`

// platform is a migrated database, seen by everything (as its superuser) and as the platform.
func platform(t *testing.T) (everything *pgxpool.Pool, asPlatform *pgx.Conn) {
	t.Helper()
	c, owner := database(t)
	passwords := Passwords{}
	for _, e := range Roles() {
		passwords[e.Name] = c.Password(e.Role)
	}
	if _, err := Up(t.Context(), owner, passwords); err != nil {
		t.Fatal(err)
	}
	superuser, err := pgx.ParseConfig(c.SuperuserURL())
	if err != nil {
		t.Fatal(err)
	}
	everything, err = pgxpool.New(t.Context(), c.URL("house", superuser.User, superuser.Password))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(everything.Close)
	if _, err := everything.Exec(t.Context(), schools); err != nil {
		t.Fatal(err)
	}
	return everything, session(t, c, Platform().Role)
}

func list(t *testing.T, db *pgxpool.Pool, sql string) []string {
	t.Helper()
	rows, err := db.Query(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// One statement of the platform may write for many organizations. What it did is told to each of
// them, and what it changed in buckets that are over is noted.
func TestExecutionsTellAndNote(t *testing.T) {
	t.Parallel()
	db, conn := platform(t)
	do := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	// told returns what was told since the last time: topic, priority, organization's last digit,
	// status.
	told := func() []string {
		t.Helper()
		return list(t, db, `WITH gone AS (DELETE FROM notification_inbox RETURNING *)
			SELECT topic || ' ' || priority || ' ' || right(organization_id::text, 1) || ' '
				|| (payload->>'status') FROM gone ORDER BY 1`)
	}
	noted := func() []string {
		t.Helper()
		return list(t, db, `WITH gone AS (DELETE FROM agent_execution_changes RETURNING *)
			SELECT right(organization_id::text, 1) || ' '
				|| to_char(bucket_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') FROM gone
				ORDER BY 1`)
	}
	expect := func(what string, got []string, want ...string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
	}
	const insert = `INSERT INTO agent_executions (organization_id, id, task_id, agent_instance_id,
		agent_type, task_type, status, priority, completed_at)
		SELECT id, ('00000000-0000-0000-0000-0000000000' || right(id::text, 1) || %d)::uuid, 'task',
			id, 'tutor', 'quiz', '%s', '%s', %s
		FROM unnest('{00000000-0000-0000-0000-000000000001,00000000-0000-0000-0000-000000000002}'::uuid[]) id`

	do(fmt.Sprintf(insert, 1, "queued", "urgent", "NULL"))
	expect("inserted as queued", told(), "task.queued 0 1 queued", "task.queued 0 2 queued")
	do(`UPDATE agent_executions SET status = 'running', started_at = now()`)
	expect("running", told(), "task.started 1 1 running", "task.started 1 2 running")
	do(`UPDATE agent_executions SET output_data = '{"answer":42}'`)
	expect("no change of status", told())
	do(
		`UPDATE agent_executions SET status = 'retrying'; UPDATE agent_executions
			SET status = 'queued'; UPDATE agent_executions SET status = 'completed'`,
	)
	expect(
		"urgent ones completed",
		told(),
		"task.completed 2 1 completed",
		"task.completed 2 2 completed",
		"task.queued 0 1 queued",
		"task.queued 0 2 queued",
	)
	do(fmt.Sprintf(insert, 2, "running", "normal", "NULL"))
	expect("inserted as running", told())
	do(
		`UPDATE agent_executions SET status = CASE right(organization_id::text, 1) WHEN '1'
			THEN 'failed' ELSE 'cancelled' END WHERE status = 'running'`,
	)
	expect("failed, cancelled", told(), "task.cancelled 1 2 cancelled", "task.failed 2 1 failed")
	// Since a bucket's end may fall into the lines above, only buckets of before are looked at from
	// here on.
	noted()

	do(fmt.Sprintf(insert, 3, "completed", "normal", "'2026-03-01 10:05:00Z'"))
	expect("inserted late", noted(), "1 2026-03-01 10:05", "2 2026-03-01 10:05")
	expect("imported", told())
	do(`UPDATE agent_executions SET context_data = '{}' WHERE ended_at < '2026-04-01'`)
	expect("nothing that is measured", noted())
	do(
		`UPDATE agent_executions SET quality_score = 0.5
			WHERE ended_at < '2026-04-01' AND right(organization_id::text, 1) = '2'`,
	)
	expect("changed late", noted(), "2 2026-03-01 10:05")
	do(
		`UPDATE agent_executions SET completed_at = '2026-03-01 09:59:59Z'
			WHERE ended_at < '2026-04-01' AND right(organization_id::text, 1) = '2'`,
	)
	expect("moved", noted(), "2 2026-03-01 09:55", "2 2026-03-01 10:05")
	do(`UPDATE agent_executions SET status = 'running' WHERE ended_at < '2026-03-01 10:00Z'`)
	expect("running again", noted(), "2 2026-03-01 09:55")
	do(`DELETE FROM agent_executions WHERE ended_at < '2026-04-01'`)
	expect("deleted late", noted(), "1 2026-03-01 10:05")
	do(`BEGIN`)
	do(fmt.Sprintf(insert, 4, "completed", "normal", "'2026-03-01 10:05:00Z'"))
	do(`ROLLBACK`)
	expect("rolled back", append(noted(), told()...), "task.started 1 2 running")
}

func TestWhenAnExecutionEnds(t *testing.T) {
	t.Parallel()
	db, conn := platform(t)
	if _, err := conn.Exec(t.Context(), `INSERT INTO agent_executions (organization_id, task_id,
		agent_instance_id, agent_type, task_type, status, created_at, started_at, completed_at)
		SELECT '00000000-0000-0000-0000-000000000001', name, gen_random_uuid(), 'tutor', 'quiz',
			status, created::timestamptz, started::timestamptz, completed::timestamptz
		FROM (VALUES ('past', 'completed', '2026-03-01 10:00Z', '2026-03-01 10:00Z',
			'2026-03-01 10:02:03Z'), ('future', 'failed', '2099-01-01Z', NULL, '2099-01-01Z'),
			('silent', 'cancelled', now()::text, NULL, NULL),
				('not ended', 'running', now()::text, NULL, '2026-03-01Z'),
				('backwards', 'completed', now()::text, now()::text, '2026-03-01Z')
		) v (name, status, created, started, completed)`); err != nil {
		t.Fatal(err)
	}
	got := list(
		t,
		db,
		`SELECT concat_ws(' | ', task_id, CASE WHEN ended_at < '2026-04-01'
			THEN to_char(ended_at AT TIME ZONE 'UTC', 'HH24:MI:SS')
			WHEN ended_at > now() - interval '1 hour' AND ended_at <= clock_timestamp()
			THEN 'written' END,
		CASE WHEN completed_at > now() + interval '1 day'
			THEN 'kept' END, execution_time_seconds, CASE
			WHEN tableoid = 'agent_executions_default'::regclass THEN 'default' END)
		FROM agent_executions ORDER BY task_id`,
	)
	want := []string{
		"backwards | 00:00:00",
		"future | written | kept | default",
		"not ended",
		"past | 10:02:03 | 123 | default",
		"silent | written",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, wrong := range []string{
		`UPDATE agent_executions SET execution_time_seconds = 'NaN'`,
		`UPDATE agent_executions SET memory_usage_mb = 'Infinity'`,
		`UPDATE agent_executions SET quality_score = -0.1`,
		`UPDATE agent_executions SET confidence_score = 1.1`,
		`UPDATE agent_executions SET user_rating = 6`,
		`UPDATE agent_executions SET completed_at = 'infinity' WHERE status = 'completed'`,
		`UPDATE agent_executions SET created_at = now()`,
		`UPDATE agent_executions SET id = gen_random_uuid()`,
		`UPDATE agent_executions SET status = 'done'`,
		`INSERT INTO notification_inbox (organization_id, topic)
			VALUES ('00000000-0000-0000-0000-000000000001', 'task.completed')`,
		`INSERT INTO agent_execution_changes (organization_id, bucket_start)
			VALUES ('00000000-0000-0000-0000-000000000001', now())`,
		`SELECT FROM agent_execution_changes`, `SELECT FROM files`,
		`SELECT FROM agent_executions_default`, `TRUNCATE agent_executions`,
	} {
		if _, err := conn.Exec(t.Context(), wrong); err == nil {
			t.Errorf("%s: no error", wrong)
		}
	}
}

// The clock numbers its transaction before it tells the time: who asks later for what is still open
// finds it.
func TestTheBucketClockNumbersItsTransaction(t *testing.T) {
	t.Parallel()
	db, conn := platform(t)
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	var told time.Time
	var number string
	if err := tx.QueryRow(t.Context(), `SELECT bucket_clock(),
		pg_current_xact_id_if_assigned()::text`).Scan(&told, &number); err != nil ||
		number == "" {
		t.Fatalf("the transaction has the number %q, %v", number, err)
	}
	if got := list(t, db, `SELECT (pg_snapshot_xmin(pg_current_snapshot()) <= '`+number+`'::xid8)::text`); got[0] != "true" {
		t.Error("it is not among those that run")
	}
}

func TestThePlatformsRoleIsOrdinary(t *testing.T) {
	t.Parallel()
	c, owner := database(t)
	execute(t, c.SuperuserURL(), `CREATE ROLE lms LOGIN PASSWORD 'obviously-fake'`)
	for range 2 {
		if _, err := Up(t.Context(), owner, nil); err != nil {
			t.Fatal(err)
		}
		if err := AdmitPlatform(t.Context(), owner, "lms"); err != nil {
			t.Fatal(err)
		}
	}
	if ask[int](
		t,
		c.URL("house", "lms", "obviously-fake"),
		`SELECT count(*)::int FROM agent_executions`,
	) != 0 {
		t.Error("there is an execution in an empty database")
	}
	if err := AdmitPlatform(t.Context(), owner, "nobody"); err == nil {
		t.Error("a role that there is not was admitted")
	}
	db, err := pgxpool.New(t.Context(), owner)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	got := strings.Join(
		list(
			t,
			db,
			`SELECT c.relname || ' ' || string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type)
		FROM pg_class c CROSS JOIN aclexplode(c.relacl) a
			WHERE a.grantee = 'satchel_platform'::regrole GROUP BY c.relname ORDER BY 1`,
		),
		"; ",
	)
	if want := "agent_executions DELETE, INSERT, SELECT, UPDATE; agent_instances DELETE, INSERT, " +
		"SELECT, UPDATE; agent_metrics SELECT; agent_presence SELECT; agent_task_queue INSERT, " +
		"SELECT, UPDATE; system_health SELECT; usage_metrics SELECT"; got != want {
		t.Errorf("the platform has %s; want %s", got, want)
	}
}
