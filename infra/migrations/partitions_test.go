package migrations

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/infra/local/postgres"
)

// partitioned is a table with a default partition, rows of this week, of last week and of a year
// ago in it, and a role that maintains it.
const partitioned = `
CREATE TABLE lessons (organization_id uuid NOT NULL
	REFERENCES organizations, id uuid NOT NULL DEFAULT gen_random_uuid(), at timestamptz NOT NULL,
	note text CHECK (note <> ''), PRIMARY KEY (organization_id, id, at)) PARTITION BY RANGE (at);
CREATE INDEX lessons_by_note ON lessons (organization_id, note);
SELECT protect_tenant_table('lessons');
CREATE TABLE lessons_default PARTITION OF lessons DEFAULT;
ALTER TABLE lessons_default ENABLE ROW LEVEL SECURITY;
INSERT INTO partitioned_tables VALUES ('lessons', 'satchel_file_api_maintenance');
GRANT EXECUTE ON FUNCTION make_partitions(text, integer), drop_partitions(text, timestamptz)
	TO satchel_file_api_maintenance, satchel_file_api_http;
INSERT INTO organizations (id, name, slug)
	VALUES ('00000000-0000-0000-0000-000000000001', 'school', 'school');
INSERT INTO lessons_default (organization_id, at)
	SELECT '00000000-0000-0000-0000-000000000001', now() - age
FROM unnest(ARRAY['0', '1 minute', '8 days', '400 days']::interval[]) age`

// session is one of an entry's role.
func session(t *testing.T, c *postgres.Cluster, role string) *pgx.Conn {
	t.Helper()
	conn := connect(t, c.URL("house", role, c.Password(role)))
	t.Cleanup(func() { conn.Close(t.Context()) })
	return conn
}

func TestPartitions(t *testing.T) {
	t.Parallel()
	c, owner := database(t)
	passwords := Passwords{}
	for _, e := range Entries() {
		passwords[e.Name] = c.Password(e.Role)
	}
	if _, err := Up(t.Context(), owner, passwords); err != nil {
		t.Fatal(err)
	}
	execute(
		t,
		owner,
		`SELECT set_config('app.current_organization_id', '00000000-0000-0000-0000-000000000001',
			false); `+
			partitioned,
	)
	keeper := session(t, c, "satchel_file_api_maintenance")
	number := func(sql string, args ...any) (n int) {
		t.Helper()
		if err := keeper.QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		return n
	}

	if made := number(`SELECT make_partitions('lessons', 2)`); made != 3 {
		t.Errorf("made %d partitions, want this week's and two more", made)
	}
	if made := number(`SELECT make_partitions('lessons', 3)`); made != 1 {
		t.Errorf("made %d more, want 1", made)
	}
	// A minute ago was last week for a minute each week.
	rest := ask[int](t, owner, `SELECT count(*)::int FROM lessons_default`)
	thisWeek := ask[int](t, owner,
		`SELECT count(*)::int FROM lessons_default WHERE at >= date_trunc('week', now(), 'UTC')`)
	if rest < 2 || rest > 3 || thisWeek != 0 {
		t.Errorf("the default partition has %d rows, %d of them of this week", rest, thisWeek)
	}
	if open := ask[int](t, owner, `SELECT count(*)::int FROM pg_class c
		JOIN pg_inherits i ON i.inhrelid = c.oid
		WHERE i.inhparent = 'lessons'::regclass
			AND (NOT c.relrowsecurity OR c.relforcerowsecurity
			OR EXISTS (SELECT FROM aclexplode(c.relacl) a
			WHERE a.grantee <> c.relowner))`); open != 0 {
		t.Errorf("%d partitions are open, or bind their owner, which then moves no row", open)
	}
	if indexes := ask[int](t, owner,
		`SELECT count(*)::int FROM pg_index i JOIN pg_inherits h ON h.inhrelid = i.indrelid
			WHERE h.inhparent = 'lessons'::regclass`); indexes != 10 {
		t.Errorf("five partitions have %d indexes, want 10", indexes)
	}

	if dropped := number(
		`SELECT drop_partitions('lessons', now() - interval '30 days')`); dropped != 0 {
		t.Errorf("dropped %d partitions that are not over", dropped)
	}
	if left := ask[int](t, owner,
		`SELECT count(*)::int FROM lessons_default
			WHERE at < now() - interval '30 days'`); left != 0 {
		t.Errorf("%d rows of before are left in the default partition", left)
	}
	// The week that is running goes only once it is over.
	execute(
		t,
		owner,
		`CREATE TABLE lessons_20200106 PARTITION OF lessons FOR VALUES
			FROM ('2020-01-06 00:00Z') TO ('2020-01-13 00:00Z')`,
	)
	if dropped := number(`SELECT drop_partitions('lessons', '2020-01-12 23:59Z')`); dropped != 0 {
		t.Error("a week went before its end")
	}
	// EST is read as five hours from UTC, whatever this zone says of it.
	number(`SELECT length(set_config('timezone', 'EST+167', false) ||
		set_config('datestyle', 'SQL', false))`)
	if dropped := number(`SELECT drop_partitions('lessons', '2020-01-12 23:59Z')`); dropped != 0 {
		t.Error("a week went before its end, by its caller's time zone")
	}
	number(`SELECT length(set_config('timezone', 'UTC', false) ||
		set_config('datestyle', 'ISO', false))`)
	if dropped := number(`SELECT drop_partitions('lessons', '2020-01-13 00:00Z')`); dropped != 1 {
		t.Errorf("dropped %d partitions, want 1", dropped)
	}
	for role, statements := range map[string][]string{
		"satchel_file_api_maintenance": {
			`SELECT drop_partitions('lessons', now() + interval '1 hour')`,
			`SELECT drop_partitions('lessons', NULL)`,
			`SELECT drop_partitions('notifications', now())`,
			`SELECT make_partitions('lessons', 53)`, `SELECT make_partitions('lessons', NULL)`,
			`SELECT make_partitions('files', 1)`, `SELECT make_partitions(NULL, 1)`,
		},
		"satchel_file_api_http": {`SELECT make_partitions('lessons', 20)`,
			`SELECT drop_partitions('lessons', now() - interval '400 days')`},
	} {
		conn := session(t, c, role)
		for _, sql := range statements {
			if _, err := conn.Exec(t.Context(), sql); err == nil {
				t.Errorf("%s as %s: no error", sql, role)
			}
		}
	}
}

// A long transaction of a reader must not let everybody else wait behind whoever makes or drops a
// partition.
func TestPartitionsGiveUpOnALock(t *testing.T) {
	t.Parallel()
	_, owner := database(t)
	if _, err := Up(t.Context(), owner, nil); err != nil {
		t.Fatal(err)
	}
	reader := connect(t, owner)
	defer reader.Close(t.Context())
	if _, err := reader.Exec(t.Context(),
		`BEGIN; LOCK TABLE notifications_default IN ACCESS SHARE MODE`); err != nil {
		t.Fatal(err)
	}
	maker := connect(t, owner)
	defer maker.Close(t.Context())
	began := time.Now()
	_, err := maker.Exec(t.Context(), `SELECT make_partitions('notifications', 6)`)
	if err == nil || !strings.Contains(err.Error(), "55P03") {
		t.Errorf("after %v: %v, want lock not available", time.Since(began), err)
	}
}
