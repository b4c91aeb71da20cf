package catalogue

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/toolboxai-solutions/satchel/infra/pgtest"
)

// The tables that the platform has today, with the columns that such tables have.
const platform = `
CREATE TABLE course_plans (
	organization_id uuid NOT NULL REFERENCES organizations,
		id uuid NOT NULL DEFAULT gen_random_uuid(), name text NOT NULL,
	state text NOT NULL DEFAULT 'idle', config jsonb NOT NULL DEFAULT '{}',
		heartbeat_at timestamptz, PRIMARY KEY (organization_id, id));
CREATE TABLE roblox_environments (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(), organization_id uuid NOT NULL,
		universe bigint NOT NULL, place bigint, name text NOT NULL);
CREATE UNIQUE INDEX one_universe ON roblox_environments (universe);
CREATE INDEX ON roblox_environments (organization_id);
CREATE TABLE customers (
	organization_id uuid NOT NULL REFERENCES organizations, id bigint GENERATED ALWAYS AS IDENTITY,
		email text NOT NULL, plan text,
	PRIMARY KEY (organization_id, id), UNIQUE (organization_id, email));`

func TestProtectsTheTablesOfThePlatform(t *testing.T) {
	t.Parallel()
	d := soundDatabase(t)
	a, b := d.Organization(t, "a"), d.Organization(t, "b")
	undone(t, d, func(tx pgx.Tx) {
		run := func(sql string, args ...any) int64 {
			t.Helper()
			tag, err := tx.Exec(t.Context(), sql, args...)
			if err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
			return tag.RowsAffected()
		}
		run(platform)
		for _, organization := range []uuid.UUID{a, b} {
			run(`INSERT INTO course_plans (organization_id, name)
				VALUES ($1, 'tutor'), ($1, 'grader')`,
				organization)
			run(`INSERT INTO roblox_environments (organization_id, universe, name)
				VALUES ($1::uuid, hashtext($1::uuid::text), 'lab')`,
				organization)
			run(`INSERT INTO customers (organization_id, email) VALUES ($1, 'office@example.test')`,
				organization)
		}
		tables := []string{"course_plans", "roblox_environments", "customers"}
		for _, table := range tables {
			run(`SELECT protect_tenant_table($1::text::regclass)`, table)
			run(`GRANT SELECT, INSERT, UPDATE, DELETE ON ` + table + ` TO satchel_file_api_http`)
		}
		for _, f := range brief(check(t, tx)) {
			// What the warnings of protect_tenant_table told of.
			if f != "key: public.roblox_environments_pkey" && f != "key: public.one_universe" {
				t.Error(f)
			}
		}
		run(`SET LOCAL search_path = public`)
		run(`SELECT set_config('app.current_organization_id', $1, true)`, a.String())
		run(`SET LOCAL ROLE satchel_file_api_http`)
		for _, table := range tables {
			if n := run(`SELECT FROM ` + table); n == 0 {
				t.Errorf("%s hides an organization's own rows", table)
			}
			for _, attack := range []string{
				`SELECT FROM ` + table + ` WHERE organization_id <> $1`,
				`UPDATE ` + table +
					` SET organization_id = organization_id WHERE organization_id <> $1`,
				`DELETE FROM ` + table + ` WHERE organization_id <> $1`,
			} {
				if n := run(attack, a); n != 0 {
					t.Errorf("%s: %d rows", attack, n)
				}
			}
			attempt, err := tx.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := attempt.Exec(t.Context(), `UPDATE `+table+` SET organization_id = $1`,
				b); err == nil || !strings.Contains(err.Error(), "row-level security") {
				t.Errorf("%s: rows move to another organization: %v", table, err)
			}
			if err := attempt.Rollback(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		run(`RESET ROLE`)
		for _, table := range tables {
			if n := run(`SELECT FROM `+table+` WHERE organization_id = $1`, b); n == 0 {
				t.Errorf("%s lost another organization's rows", table)
			}
		}
	})
}

func TestProtectionSaysWhatStaysWeak(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	for name, c := range map[string]struct {
		table   string
		refused string // "" when it is not
		warned  string // "" when it is not
	}{
		"sound": {
			`CREATE TABLE t (organization_id uuid, id uuid, PRIMARY KEY (organization_id, id))`,
			"", ""},
		"no organization": {`CREATE TABLE t (id uuid PRIMARY KEY)`,
			"needs a column organization_id uuid NOT NULL", ""},
		"may be NULL": {`CREATE TABLE t (organization_id uuid, id uuid PRIMARY KEY)`,
			"needs a column organization_id uuid NOT NULL", ""},
		"another type": {`CREATE TABLE t (organization_id text NOT NULL)`,
			"needs a column organization_id uuid NOT NULL", ""},
		"key of id alone": {`CREATE TABLE t (organization_id uuid NOT NULL, id uuid PRIMARY KEY)`,
			"", "t_pkey do not contain organization_id"},
		"unique alone": {`CREATE TABLE t (organization_id uuid PRIMARY KEY, name text UNIQUE)`,
			"", "t_name_key do not"},
		"unique index": {
			`CREATE TABLE t (organization_id uuid PRIMARY KEY, name text); CREATE
				UNIQUE INDEX u ON t (lower(name)) INCLUDE (organization_id)`,
			"", "u do not"},
		"exclusion": {
			`CREATE TABLE t (organization_id uuid PRIMARY KEY, name text,
				CONSTRAINT x EXCLUDE (name WITH =))`,
			"", "x do not"},
		"reference": {
			`CREATE TABLE s (id uuid PRIMARY KEY); CREATE TABLE t (organization_id uuid PRIMARY KEY,
				s uuid CONSTRAINT r REFERENCES s)`,
			"", "r do not"},
		"a wider policy": {
			`CREATE TABLE t (organization_id uuid PRIMARY KEY); CREATE POLICY "read all" ON t FOR
				SELECT USING (true)`,
			`has policies of its own ("read all")`, ""},
		"rows and no index": {
			`CREATE TABLE t (organization_id uuid NOT NULL); INSERT INTO t
				VALUES (gen_random_uuid())`,
			"First run, outside a transaction: CREATE INDEX CONCURRENTLY ON t (organization_id)",
			""},
		"rows and half an index": {
			`CREATE TABLE t (organization_id uuid NOT NULL, n int); INSERT INTO t
				VALUES (gen_random_uuid());
			CREATE INDEX ON t (organization_id)
				WHERE n > 1; CREATE INDEX ON t (n, organization_id)`,
			"CREATE INDEX CONCURRENTLY ON t (organization_id)", ""},
		"rows in a partition": {
			`CREATE TABLE t (organization_id uuid NOT NULL) PARTITION BY HASH (organization_id);
			CREATE TABLE t0 PARTITION OF t FOR VALUES WITH (MODULUS 1, REMAINDER 0); INSERT INTO t
				VALUES (gen_random_uuid())`,
			"CREATE INDEX CONCURRENTLY ON t (organization_id)", ""},
		"rows and an index": {
			`CREATE TABLE t (organization_id uuid NOT NULL); INSERT INTO t
				VALUES (gen_random_uuid()); CREATE INDEX ON t (organization_id)`,
			"", ""},
		"no rows yet": {
			`CREATE TABLE t (organization_id uuid NOT NULL)`,
			"", ""},
		"a narrower one": {
			`CREATE TABLE t (organization_id uuid PRIMARY KEY); CREATE POLICY p ON t AS RESTRICTIVE
				USING (true)`,
			"", ""},
		"protected before": {
			`CREATE TABLE t (organization_id uuid PRIMARY KEY); SELECT protect_tenant_table('t')`,
			"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var warned string
			config := d.Superuser.Config().ConnConfig.Copy()
			config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
				if n.Severity == "WARNING" {
					warned += n.Message
				}
			}
			conn, err := pgx.ConnectConfig(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(t.Context())
			if _, err := conn.Exec(t.Context(), `BEGIN; `+c.table); err != nil {
				t.Fatal(err)
			}
			_, err = conn.Exec(t.Context(), `SELECT protect_tenant_table('t')`)
			if (err != nil) != (c.refused != "") || err != nil &&
				!strings.Contains(err.Error(), c.refused) {
				t.Errorf("protect_tenant_table: %v, want %q", err, c.refused)
			}
			if (warned != "") != (c.warned != "") || !strings.Contains(warned, c.warned) {
				t.Errorf("it warned %q, want %q", warned, c.warned)
			}
		})
	}
}
