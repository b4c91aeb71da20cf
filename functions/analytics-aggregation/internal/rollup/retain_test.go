package rollup

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/toolboxai-solutions/satchel/functions/analytics-aggregation/internal/rollup/db"
)

// Raw rows go when their buckets are sealed and not before. Planted are tasks that never ended, one
// of an old week that ended only now, and rows in the default partition: the owner, whom policies
// bind, would see none of them through the parent. Of the week of 2 February, and of what the
// default partition has from the week after it, no bucket is sealed.
func TestOnlyWhatIsSealedGoes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, week := range [][2]string{{"20260105", "20260112"}, {"20260112", "20260119"},
		{"20260202", "20260209"}} {
		for _, table := range []string{"agent_executions", "agent_presence", "file_transfers"} {
			name := table + "_" + week[0]
			f.exec(fmt.Sprintf(`CREATE TABLE %s PARTITION OF %s FOR VALUES FROM ('%s 00:00Z')
				TO ('%s 00:00Z'); ALTER TABLE %[1]s ENABLE ROW LEVEL SECURITY,
				OWNER TO satchel_owner`, name, table, week[0], week[1]))
		}
	}
	const insert = `INSERT INTO agent_executions (organization_id, task_id, agent_instance_id,
		agent_type, task_type, status, created_at, completed_at)
		VALUES ($1, $2, $1, 'tutor', 'quiz', $3, $4, $5)`
	f.write(insert, f.school, "ended", "completed", "2026-01-06 10:00Z", "2026-01-06 10:01Z")
	f.write(insert, f.school, "never ended", "running", "2026-01-06 11:00Z", nil)
	f.write(insert, f.school, "ended late", "completed", "2026-01-13 10:00Z", "2026-03-02 09:00Z")
	f.write(insert, f.school, "default", "completed", "2025-12-30 10:00Z", "2025-12-30 10:01Z")
	f.write(insert, f.school, "default late", "completed", "2025-12-30 10:00Z", "2026-03-02 09:01Z")
	f.write(insert, f.school, "default never", "running", "2025-12-30 11:00Z", nil)
	f.write(insert, f.school, "not sealed", "running", "2026-02-03 10:00Z", nil)
	f.write(insert, f.school, "not sealed, default", "running", "2026-02-10 10:00Z", nil)
	f.exec(`INSERT INTO file_transfers (organization_id, file_id, direction, bytes, at)
		SELECT $1, $1, 'in', 1, at FROM unnest(ARRAY['2026-01-06 10:00Z', '2026-02-03 10:00Z',
			'2026-02-10 10:00Z']::timestamptz[]) at`, f.school)
	left := func() string {
		return f.text(`SELECT (SELECT string_agg(task_id, '; ' ORDER BY task_id)
			FROM agent_executions) || '; ' || (SELECT count(*) FROM file_transfers)`)
	}
	const unsealed = "default late; ended late; not sealed; not sealed, default; "
	f.clock("2026-03-02T11:00:00Z")
	f.aggregator.RetentionDays = 90
	if done := f.run(); done.Dropped != 0 || done.Abandoned != 0 || left() !=
		"default; default late; default never; ended; ended late; never ended; not sealed; "+
			"not sealed, default; 3" {
		t.Errorf("within the retention: %+v, left %s", done, left())
	}
	buckets := f.buckets()
	f.aggregator.RetentionDays = 30
	f.clock("2026-03-02T12:00:00Z")
	// the first two weeks of presence and of transfers, and the first of executions
	if done := f.run(); done.Dropped != 5 || done.Abandoned != 2 || left() != unsealed+"2" {
		t.Errorf("past it: %+v, left %s", done, left())
	}
	if f.text(`SELECT count(*)::text FROM notification_inbox`) != "0" {
		t.Error("somebody was told of a task that was dropped")
	}
	// What comes now for a sealed bucket is kept, counted and in no metric.
	f.ended(execution{agent: 1, ended: "2026-01-06T10:02:00Z"})
	f.clock("2026-03-02T12:30:00Z")
	if done := f.run(); done.TooLate != 1 || f.buckets() != "02 09:00 2/0/0" &&
		f.buckets() != buckets {
		t.Errorf("a row for a sealed bucket: %+v, %s", done, f.buckets())
	}
}

// An organization of which nothing was computed yet has sealed nothing, however old its rows are.
func TestNothingGoesBeforeItIsSealed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(`INSERT INTO agent_executions (organization_id, task_id, agent_instance_id, agent_type,
		task_type, status, created_at, completed_at) VALUES ($1, 't', $1, 'tutor', 'quiz',
		'completed', '2025-12-30 10:00Z', '2025-12-30 10:01Z')`, f.school)
	f.write(`INSERT INTO agent_instances (organization_id, agent_id, agent_type)
		VALUES ($1, 'a', 'tutor')`, f.school)
	drop := func() {
		t.Helper()
		for _, table := range []string{"agent_executions", "agent_presence", "file_transfers"} {
			err := f.DB(t, "analytics-aggregation/run").AcrossTenants(t.Context(),
				func(tx pgx.Tx) error {
					_, err := tx.Exec(t.Context(),
						`SELECT drop_final_partitions($1, '2026-03-02 11:00Z')`, table)
					return err
				})
			if err != nil {
				t.Fatal(err)
			}
		}
		if left := f.text(`SELECT (SELECT count(*) FROM agent_executions) || ' '
			|| (SELECT count(*) FROM agent_presence)`); left != "1 1" {
			t.Errorf("left are %s executions and changes of agents", left)
		}
	}
	drop() // nobody has sealed anything
	f.exec(`INSERT INTO aggregation_tenants (organization_id, timezone, complete_through,
		sealed_before) VALUES ($1, 'UTC', '2026-03-02 11:00Z', '2026-03-02 11:00Z')`,
		f.Organization(t, "other"))
	drop() // only somebody else has
}

// What a mark tells of would never be computed once its bucket is sealed.
func TestNothingIsSealedWhileAMarkIsLeft(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.clock("2026-03-02T10:05:00Z")
	f.run()
	const before = "2026-01-02 00:00Z"
	seal := func() string {
		t.Helper()
		err := f.DB(t, "analytics-aggregation/run").InTenant(t.Context(), f.school,
			func(tx pgx.Tx) error {
				return db.New(tx).Seal(t.Context(), db.SealParams{OrganizationID: f.school,
					Before: at(t, "2026-01-02T00:00:00Z")})
			})
		if err != nil {
			t.Fatal(err)
		}
		return f.text(`SELECT (sealed_before >= $1::text::timestamptz)::text
			FROM aggregation_tenants`, before)
	}
	f.exec(`INSERT INTO agent_execution_changes (organization_id, bucket_start)
		VALUES ($1, '2026-01-01 10:00Z')`, f.school)
	if seal() != "false" {
		t.Error("sealed while a mark is left")
	}
	f.exec(`UPDATE agent_execution_changes SET bucket_start = '2026-01-02 00:00Z'`)
	if seal() != "true" {
		t.Error("a mark of a later bucket keeps it from being sealed")
	}
}

// A tenant that keeps its data for a shorter time than others: its rows go alone, sealed first, and
// their going marks nothing.
func TestAShorterRetentionOfOneTenant(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	other := f.Organization(t, "other")
	f.exec(`UPDATE organizations SET data_retention_days = 7 WHERE id = $1`, other)
	const insert = `INSERT INTO agent_executions (organization_id, task_id, agent_instance_id,
		agent_type, task_type, status, created_at, completed_at)
		VALUES ($1, $2, $1, 'tutor', 'quiz', 'completed', $3, $3)`
	f.write(insert, f.school, "school's", "2026-02-20 10:00Z")
	f.write(insert, other, "other's old", "2026-02-20 10:00Z")
	f.write(insert, other, "other's new", "2026-03-01 10:00Z")
	f.clock("2026-03-02T11:00:00Z")
	done := f.run()
	if left := f.text(`SELECT string_agg(task_id, ', ' ORDER BY task_id)
		FROM agent_executions`); left != "other's new, school's" || done.Deleted != 1 {
		t.Errorf("left are %s, %+v", left, done)
	}
	if marks := f.text(`SELECT count(*)::text FROM agent_execution_changes`); marks != "0" {
		t.Errorf("%s buckets are marked", marks)
	}
	if got := f.buckets(); got != "01 10:00 1/0/0; 20 10:00 2/0/0" {
		t.Errorf("the metrics say %s", got)
	}
}

// Nothing goes that is still computed again, however short the period is: here of a day, while a
// transaction from two days ago is open.
func TestNothingGoesThatIsComputedAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.clock("2026-03-02T10:01:00Z")
	f.write(`INSERT INTO agent_instances (organization_id, agent_id, agent_type)
		VALUES ($1, 'a', 'tutor')`, f.school)
	f.write(`INSERT INTO agent_task_queue (organization_id, task_id, agent_type, task_type)
		VALUES ($1, 'taken', 'tutor', 'quiz'), ($1, 'never taken', 'tutor', 'quiz')`, f.school)
	f.exec(`INSERT INTO file_transfers (organization_id, file_id, direction, bytes)
		VALUES ($1, $1, 'in', 7)`, f.school)
	f.clock("2026-03-02T10:05:00Z")
	f.write(`UPDATE agent_task_queue SET status = 'taken'
		WHERE organization_id = $1 AND task_id = 'taken'`, f.school)
	f.clock("2026-03-02T10:05:01Z")
	f.run()
	// left is what is left of presence, queue and transfers after a run of two days later.
	left := func(again string) string {
		t.Helper()
		closed := at(t, "2026-03-04T10:00:00Z")
		last := closed.Add(-BucketLength)
		r := &run{Aggregator: f.aggregator, closed: closed,
			window: window{fresh: Period{last, closed}, again: Period{at(t, again), last}}}
		err := f.aggregator.DB.InTenant(t.Context(), f.school, func(tx pgx.Tx) error {
			return r.expireTenant(t.Context(), db.New(tx), tenant{id: f.school, retention: day})
		})
		if err != nil {
			t.Fatal(err)
		}
		return f.text(`SELECT concat_ws(' ', (SELECT count(*) FROM agent_presence),
			(SELECT count(*) FROM agent_task_queue), (SELECT count(*) FROM file_transfers))`)
	}
	if got := left("2026-03-02T10:00:00Z"); got != "1 2 1" {
		t.Errorf("within the window, %s are left", got)
	}
	f.exec(`UPDATE agent_presence SET at = '2026-03-02 10:05Z';
		UPDATE file_transfers SET at = '2026-03-02 10:05Z'`)
	if got := left("2026-03-02T10:05:00Z"); got != "1 1 1" {
		t.Errorf("at its start, %s are left", got)
	}
	if got := left("2026-03-02T10:10:00Z"); got != "0 0 0" {
		t.Errorf("behind it, %s are left", got)
	}
}

// A period of no days, or of less, is refused by the database. Were one there all the same, a run
// would seal up to its window and not into it.
func TestARetentionOfNoDays(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, days := range []int{0, -1, math.MinInt32} {
		_, err := f.Superuser.Exec(t.Context(),
			`UPDATE organizations SET data_retention_days = $1`, days)
		var refused *pgconn.PgError
		if !errors.As(err, &refused) || refused.Code != "23514" {
			t.Errorf("%d days: %v", days, err)
		}
	}
	f.exec(`ALTER TABLE organizations DROP CONSTRAINT organizations_data_retention_days_check`)
	for i, days := range []int{0, -1, -400, math.MaxInt32} {
		f.exec(`UPDATE organizations SET data_retention_days = $1`, days)
		f.clock(fmt.Sprintf("2026-03-02T%02d:52:00Z", 10+i))
		f.ended(execution{agent: i})
		f.clock(fmt.Sprintf("2026-03-02T%02d:55:01Z", 10+i))
		f.run()
		f.clock(fmt.Sprintf("2026-03-02T%02d:00:01Z", 11+i)) // what goes, goes by the hour
		f.run()
		// the window is two buckets at least
		if sealed := f.text(`SELECT to_char(sealed_before AT TIME ZONE 'UTC', 'HH24:MI')
			FROM aggregation_tenants`); sealed < "10:00" || sealed > fmt.Sprintf("%02d:50", 10+i) {
			t.Errorf("%d days: sealed before %s", days, sealed)
		}
		if total := f.text(`SELECT sum(total_tasks)::text FROM agent_metrics
			WHERE granularity = '5m'`); total != fmt.Sprint(i+1) {
			t.Errorf("%d days: %s tasks are in the metrics, want %d", days, total, i+1)
		}
	}
}
