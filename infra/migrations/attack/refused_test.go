package attack

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// onATable are statements that every entry must be refused, whatever its grants. {table} is the
// table.
var onATable = []string{
	`TRUNCATE {table}`,
	`TRUNCATE {table} CASCADE`,
	`ALTER TABLE {table} DISABLE ROW LEVEL SECURITY`,
	`ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY`,
	`ALTER TABLE {table} OWNER TO CURRENT_USER`,
	`ALTER TABLE {table} ADD COLUMN mine text`,
	`ALTER TABLE {table} DISABLE TRIGGER ALL`,
	`DROP TABLE {table} CASCADE`,
	`CREATE POLICY wide ON {table} USING (true)`,
	`DROP POLICY tenant_isolation ON {table}`,
	`ALTER POLICY tenant_isolation ON {table} USING (true)`,
	`CREATE TRIGGER mine BEFORE INSERT ON {table} FOR EACH ROW
		EXECUTE FUNCTION suppress_redundant_updates_trigger()`,
	`CREATE RULE mine AS ON INSERT TO {table} DO ALSO NOTHING`,
	`CREATE INDEX mine ON {table} (tableoid)`,
	`CREATE VIEW public.mine AS SELECT * FROM {table}`,
	`CREATE MATERIALIZED VIEW public.mine AS SELECT * FROM {table}`,
	`CREATE TABLE public.mine AS SELECT * FROM {table}`,
	`CREATE STATISTICS public.mine (mcv) ON tableoid, ctid FROM {table}`,
	`COMMENT ON TABLE {table} IS 'mine'`,
	`CLUSTER {table}`,
	`SET LOCAL row_security = off; SELECT * FROM {table}`,
	`SET LOCAL row_security = off; COPY {table} TO STDOUT`,
	`COPY {table} TO '/dev/null'`,
	`COPY {table} FROM PROGRAM 'true'`,
}

// onTheServer are the same for what is no table.
var onTheServer = []string{
	`SET ROLE satchel_owner`,
	`SET LOCAL ROLE satchel_file_api_maintenance`,
	`SET LOCAL ROLE postgres`,
	`SET SESSION AUTHORIZATION satchel_owner`,
	`SET SESSION AUTHORIZATION postgres`,
	`ALTER ROLE CURRENT_USER BYPASSRLS`,
	`ALTER ROLE CURRENT_USER SUPERUSER`,
	`ALTER ROLE CURRENT_USER CREATEROLE`,
	`CREATE ROLE mine`,
	`GRANT satchel_owner TO CURRENT_USER`,
	`GRANT satchel_file_api_maintenance TO CURRENT_USER`,
	`GRANT pg_read_all_data TO CURRENT_USER`,
	`SET LOCAL session_replication_role = replica`,
	`CREATE TABLE public.mine (id uuid)`,
	`CREATE SCHEMA mine`,
	`CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'`,
	`CREATE OR REPLACE FUNCTION public.current_organization_id() RETURNS uuid
		LANGUAGE sql AS 'SELECT NULL::uuid'`,
	`ALTER FUNCTION public.current_organization_id() OWNER TO CURRENT_USER`,
	`CREATE FUNCTION pg_temp.mine(text) RETURNS bool LANGUAGE sql LEAKPROOF AS 'SELECT true'`,
	`CREATE EXTENSION dblink`,
	`CREATE PUBLICATION mine FOR TABLE files`,
	`SELECT public.protect_tenant_table('files')`,
	`SELECT * FROM satchel_migrations.goose_db_version`,
	`SELECT * FROM pg_authid`,
	`SELECT pg_read_file('PG_VERSION')`,
	`SELECT lo_import('/etc/passwd')`,
	`DO $$ BEGIN EXECUTE 'ALTER TABLE public.files DISABLE ROW LEVEL SECURITY'; END $$`,
}

func TestWhatOnlyAnOwnerMayDoIsRefused(t *testing.T) {
	t.Parallel()
	for _, name := range attackers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t, "")
			db, role := w.open(t, name)
			before := w.traces(t, w.victim)
			refused := func(sql string) {
				o, err := try(t.Context(), db, w.attacker, attack{}, []string{sql}, false)
				if err != nil {
					t.Fatalf("%s: %v", sql, err)
				}
				// insufficient privilege; some say it in words only
				if o.code != "42501" && !strings.HasPrefix(o.message, "must be ") {
					t.Errorf("%s: %v", sql, o)
				}
			}
			for _, tb := range w.tables {
				for _, sql := range onATable {
					refused(strings.ReplaceAll(sql, "{table}", tb.name))
				}
			}
			for _, sql := range onTheServer {
				if sql == `SET LOCAL ROLE satchel_file_api_maintenance` &&
					name == "file-api/maintenance" {
					continue // it is that role
				}
				refused(sql)
			}
			w.copyIn(t, name, role)
			for table, trace := range w.traces(t, w.victim) {
				if trace != before[table] {
					t.Errorf("the victim's rows of %s were %s and are %s", table, before[table],
						trace)
				}
			}
		})
	}
}

// copyIn sends the victim's rows by COPY, which the server refuses wherever there are policies.
func (w fixture) copyIn(t *testing.T, name, role string) {
	t.Helper()
	db, _ := w.open(t, name)
	for _, tb := range w.tables {
		err := db.InTenant(t.Context(), w.attacker, func(tx pgx.Tx) error {
			_, err := tx.Conn().PgConn().CopyFrom(t.Context(), strings.NewReader(
				w.victim.String()+"\n"), fmt.Sprintf(`COPY %s (%s) FROM STDIN`, tb.name, tb.tenant))
			return err
		})
		if err == nil {
			t.Errorf("COPY %s FROM STDIN as %s: no error", tb.name, role)
		}
	}
}

// Statistics hold values of everybody's rows; Postgres shows none of a table whose policies bind
// the reader.
func TestStatisticsShowNothing(t *testing.T) {
	t.Parallel()
	w := newFixture(t, "")
	if _, err := w.Superuser.Exec(t.Context(), `ANALYZE`); err != nil {
		t.Fatal(err)
	}
	const sql = `SELECT tablename, attname FROM pg_stats WHERE schemaname = 'public'`
	var all int
	if err := w.Superuser.QueryRow(t.Context(),
		`SELECT count(*) FROM (`+sql+`) s`).Scan(&all); err != nil || all == 0 {
		t.Fatalf("there are no statistics to see: %v", err)
	}
	for _, name := range attackers() {
		db, _ := w.open(t, name)
		if o, err := try(t.Context(), db, w.attacker, attack{}, []string{sql}, true); err != nil ||
			o.rows != 0 {
			t.Errorf("%s sees %v, %v", name, o, err)
		}
	}
}
