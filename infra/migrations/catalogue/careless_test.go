package catalogue

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/infra/migrations"
)

// sound is a table that keeps every rule: each case below breaks one thing of it.
const sound = `
CREATE TABLE lessons (organization_id uuid NOT NULL
	REFERENCES organizations, id uuid NOT NULL, title text, PRIMARY KEY (organization_id, id));
SELECT protect_tenant_table('lessons');
GRANT SELECT, INSERT, UPDATE (title), DELETE ON lessons TO satchel_file_api_http;`

// partitioned is the same with a partition.
const partitioned = `
CREATE TABLE events (organization_id uuid NOT NULL, at date NOT NULL,
	PRIMARY KEY (organization_id, at)) PARTITION BY RANGE (at);
SELECT protect_tenant_table('events');
GRANT SELECT ON events TO satchel_file_api_http;
CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
INSERT INTO partitioned_tables VALUES ('events', 'satchel_file_api_maintenance');`

func TestEachCarelessnessIsFound(t *testing.T) {
	t.Parallel()
	d := soundDatabase(t)
	shown := map[string]bool{}
	for name, c := range map[string]struct {
		sql  string
		want []string // rule: object
	}{
		"nothing":              {"", nil},
		"nothing, partitioned": {partitioned, nil},
		"a plain table": {`CREATE TABLE plain (organization_id uuid PRIMARY KEY)`,
			[]string{"rls-enabled: public.plain"}},
		"a plain table in a schema of its own": {
			`CREATE SCHEMA aside; CREATE TABLE aside.plain (organization_id uuid PRIMARY KEY)`,
			[]string{"rls-enabled: aside.plain"}},
		"a table that inherits": {
			`CREATE TABLE heir () INHERITS (lessons); CREATE INDEX ON heir (organization_id)`,
			[]string{"rls-enabled: public.heir"}},
		"a foreign table": {
			`CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE
				FOREIGN TABLE afar (organization_id uuid NOT NULL) SERVER s`,
			[]string{"index-missing: public.afar", "rls-enabled: public.afar"}},
		"not forced": {`ALTER TABLE lessons NO FORCE ROW LEVEL SECURITY`,
			[]string{"rls-forced: public.lessons"}},
		"no policy": {`DROP POLICY tenant_isolation ON lessons`,
			[]string{"policy-missing: public.lessons DELETE",
				"policy-missing: public.lessons INSERT", "policy-missing: public.lessons SELECT",
				"policy-missing: public.lessons UPDATE"}},
		"policies for some commands": {`DROP POLICY tenant_isolation ON lessons;
			CREATE POLICY r ON lessons FOR SELECT
				USING (organization_id = (SELECT current_organization_id()));
			CREATE POLICY a ON lessons FOR INSERT WITH
				CHECK (organization_id = (SELECT current_organization_id()));
			CREATE POLICY w ON lessons FOR UPDATE
				USING (organization_id = (SELECT current_organization_id())) WITH
				CHECK (organization_id = (SELECT current_organization_id()))`,
			[]string{"policy-missing: public.lessons DELETE"}},
		"a policy for one role only": {
			`ALTER POLICY tenant_isolation ON lessons TO satchel_file_api_http`,
			[]string{"policy-missing: public.lessons DELETE",
				"policy-missing: public.lessons INSERT", "policy-missing: public.lessons SELECT",
				"policy-missing: public.lessons UPDATE"}},
		"a policy that lets all through": {`CREATE POLICY wide ON lessons FOR SELECT USING (true)`,
			[]string{"policy-form: wide ON public.lessons FOR SELECT TO PUBLIC USING true " +
				"WITH CHECK -"}},
		"a worker's policy that nobody reviewed": {
			`CREATE POLICY across ON lessons FOR SELECT TO satchel_file_api_maintenance
				USING (true)`,
			[]string{"policy-form: across ON public.lessons FOR SELECT TO " +
				"satchel_file_api_maintenance USING true WITH CHECK -"}},
		"a reviewed policy made wider": {
			`ALTER POLICY maintenance_across ON files TO satchel_file_api_http`,
			[]string{"policy-form: maintenance_across ON public.files FOR " +
				"SELECT TO satchel_file_api_http USING true WITH CHECK -",
				"stale-review: maintenance_across ON public.files FOR SELECT " +
					"TO satchel_file_api_maintenance USING true WITH CHECK -"}},
		"a policy that a setting opens": {
			`ALTER POLICY tenant_isolation ON lessons
				USING (organization_id = (SELECT current_organization_id())
				OR current_setting('app.is_super_admin', true) = 'on')`,
			[]string{"policy-form: tenant_isolation ON public.lessons FOR ALL TO PUBLIC " +
				"USING ((organization_id = ( SELECT public.current_organization_id() AS " +
				"current_organization_id)) OR (current_setting('app.is_super_admin'::text, " +
				"true) = 'on'::text)) WITH CHECK (organization_id = ( SELECT " +
				"public.current_organization_id() AS current_organization_id))"}},
		"a policy without initplan": {
			`ALTER POLICY tenant_isolation ON lessons
				USING (organization_id = current_organization_id())`,
			[]string{"policy-form: tenant_isolation ON public.lessons FOR " +
				"ALL TO PUBLIC USING (organization_id = public.current_organization_id()) " +
				"WITH CHECK (organization_id = ( SELECT public.current_organization_id() " +
				"AS current_organization_id))"}},
		"a policy without WITH CHECK": {
			`DROP POLICY tenant_isolation ON lessons; CREATE POLICY half ON lessons
				USING (organization_id = (SELECT current_organization_id()))`,
			[]string{"policy-form: half ON public.lessons FOR ALL TO PUBLIC " +
				"USING (organization_id = ( SELECT public.current_organization_id() AS " +
				"current_organization_id)) WITH CHECK -"}},
		"a restrictive policy": {
			`CREATE POLICY narrower ON lessons AS RESTRICTIVE USING (title <> 'x')`, nil},
		"no organization_id": {
			`CREATE TABLE nobodys (id uuid); ALTER TABLE nobodys ENABLE ROW LEVEL
				SECURITY, FORCE ROW LEVEL SECURITY`,
			[]string{"policy-missing: public.nobodys DELETE",
				"policy-missing: public.nobodys INSERT", "policy-missing: public.nobodys SELECT",
				"policy-missing: public.nobodys UPDATE",
				"tenant-column: public.nobodys"}},
		"organization_id that may be NULL": {
			`ALTER TABLE lessons DROP CONSTRAINT lessons_pkey; ALTER TABLE lessons ALTER organization_id DROP NOT NULL`,
			[]string{"foreign-key: public.lessons.lessons_organization_id_fkey",
				"tenant-column: public.lessons"}},
		"an id-only primary key": {
			`ALTER TABLE lessons DROP CONSTRAINT lessons_pkey; ALTER TABLE lessons ADD PRIMARY KEY (id); CREATE INDEX ON lessons (organization_id)`,
			[]string{"key: public.lessons_pkey"}},
		"a global unique constraint": {
			`ALTER TABLE lessons ADD CONSTRAINT title_once UNIQUE (title)`,
			[]string{"key: public.title_once"}},
		"a global unique index": {
			`CREATE UNIQUE INDEX title_once ON lessons (lower(title)) INCLUDE (organization_id)`,
			[]string{"key: public.title_once"}},
		"an exclusion constraint": {
			`ALTER TABLE lessons ADD CONSTRAINT title_once EXCLUDE (title WITH =)`,
			[]string{"key: public.title_once"}},
		"a unique index of a partition": {
			partitioned + `CREATE UNIQUE INDEX day_once ON events_2026 (at)`,
			[]string{"key: public.day_once"}},
		"a reference by id alone": {`CREATE TABLE whole (organization_id uuid PRIMARY KEY,
			lesson uuid, UNIQUE (organization_id, lesson)); SELECT protect_tenant_table('whole');
			ALTER TABLE lessons ADD CONSTRAINT lesson_once
				UNIQUE (id); ALTER TABLE whole ADD CONSTRAINT by_id FOREIGN KEY (lesson)
				REFERENCES lessons (id)`,
			[]string{"foreign-key: public.whole.by_id", "key: public.lesson_once"}},
		"a reference that crosses over": {
			`ALTER TABLE lessons ADD other uuid; ALTER TABLE lessons ADD CONSTRAINT crossed
				FOREIGN KEY (id, other) REFERENCES lessons (organization_id, id)`,
			[]string{"foreign-key: public.lessons.crossed"}},
		"another reference to users": {
			`ALTER TABLE lessons ADD teacher uuid CONSTRAINT teacher REFERENCES users`,
			[]string{"foreign-key: public.lessons.teacher"}},
		"an index past the tenant": {`CREATE INDEX by_title ON lessons (title)`,
			[]string{"index: public.by_title"}},
		"a key that ends with the tenant": {
			`CREATE UNIQUE INDEX title_once ON lessons (title, organization_id)`,
			[]string{"index: public.title_once"}},
		"no index": {`ALTER TABLE lessons DROP CONSTRAINT lessons_pkey`,
			[]string{"index-missing: public.lessons"}},
		"a policy of a partition": {partitioned +
			`CREATE POLICY looks_safe ON events_2026
				USING (organization_id = (SELECT current_organization_id()))`,
			[]string{"partition-policy: public.events_2026.looks_safe"}},
		"a grant on a partition": {
			partitioned + `GRANT SELECT ON events_2026 TO satchel_file_api_http`,
			[]string{"partition-grant: public.events_2026 SELECT TO satchel_file_api_http"}},
		"a grant on a partition's column": {
			partitioned + `GRANT INSERT (at) ON events_2026 TO PUBLIC`,
			[]string{"partition-grant: public.events_2026.at INSERT TO PUBLIC"}},
		"a publication": {`CREATE PUBLICATION everything FOR TABLE lessons`,
			[]string{"publication: everything"}},

		"a view that runs as its owner": {
			`CREATE VIEW titles AS SELECT title FROM lessons; GRANT SELECT ON titles
				TO satchel_file_api_http`,
			[]string{"view: public.titles"}},
		"a view that runs as its owner, said aloud": {
			`CREATE VIEW titles WITH (security_barrier = true, security_invoker = false) AS
				SELECT title FROM lessons`,
			[]string{"view: public.titles"}},
		"a view that runs as its reader": {
			`CREATE VIEW titles WITH (security_invoker = true) AS SELECT title FROM lessons; GRANT
				SELECT ON titles TO satchel_file_api_http`,
			nil},
		"a materialised view": {
			`CREATE MATERIALIZED VIEW titles AS SELECT title FROM lessons; GRANT SELECT ON titles
				TO satchel_file_api_http`,
			[]string{"materialised-view: public.titles SELECT TO satchel_file_api_http"}},
		"a materialised view's column": {
			`CREATE MATERIALIZED VIEW titles AS SELECT title FROM lessons; GRANT
				SELECT (title) ON titles TO PUBLIC`,
			[]string{"materialised-view: public.titles.title SELECT TO PUBLIC"}},
		"a rule": {`CREATE RULE copies AS ON INSERT TO lessons DO ALSO NOTHING`,
			[]string{"rewrite-rule: public.lessons.copies"}},
		"a definer function": {`CREATE FUNCTION all_titles() RETURNS SETOF text LANGUAGE sql
			SECURITY DEFINER SET search_path = pg_catalog,
			pg_temp AS 'SELECT title FROM public.lessons';
			REVOKE ALL ON FUNCTION all_titles() FROM PUBLIC`,
			[]string{"definer: public.all_titles()"}},
		"a definer trigger": {`CREATE FUNCTION notes() RETURNS trigger LANGUAGE plpgsql
			SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN NEW; END';
			CREATE TRIGGER noted AFTER INSERT ON lessons FOR EACH ROW EXECUTE FUNCTION notes()`,
			[]string{"definer: public.notes()"}},
		"another function of a reviewed name": {
			`CREATE FUNCTION join_organization() RETURNS void LANGUAGE sql SECURITY DEFINER
				SET search_path = pg_temp AS ''; REVOKE ALL ON FUNCTION join_organization()
				FROM PUBLIC`,
			[]string{"definer: public.join_organization()"}},
		"a definer without search_path": {
			`ALTER FUNCTION join_organization(text, text, text) RESET search_path`,
			[]string{"definer-search-path: public.join_organization(text,text,text)"}},
		"a definer with the temporary schema first": {
			`ALTER FUNCTION join_organization(text, text, text)
				SET search_path = pg_catalog, public`,
			[]string{"definer-search-path: public.join_organization(text,text,text)"}},
		"a definer with its caller's schema": {
			`ALTER FUNCTION join_organization(text, text, text) SET search_path = "$user", pg_temp`,
			[]string{"definer-search-path: public.join_organization(text,text,text)"}},
		"a definer for everybody": {
			`GRANT EXECUTE ON FUNCTION join_organization(text, text, text) TO PUBLIC`,
			[]string{"function-public: public.join_organization(text,text,text)"}},
		"a function for everybody": {
			`CREATE FUNCTION helps() RETURNS int LANGUAGE sql AS 'SELECT 1'`,
			[]string{"function-public: public.helps()"}},
		"a trigger's function": {
			`CREATE FUNCTION touches() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'`,
			nil},
		"a leakproof function": {
			`CREATE FUNCTION harmless(text) RETURNS bool
				LANGUAGE sql LEAKPROOF AS 'SELECT true'; REVOKE ALL ON FUNCTION harmless(text)
				FROM PUBLIC`,
			[]string{"leakproof: public.harmless(text)"}},

		"a grant to PUBLIC": {`GRANT SELECT ON lessons TO PUBLIC`,
			[]string{"grant-public: public.lessons SELECT"}},
		"a column's grant to PUBLIC": {`GRANT SELECT (title) ON lessons TO PUBLIC`,
			[]string{"grant-public: public.lessons.title SELECT"}},
		"a sequence's grant to PUBLIC": {
			`CREATE SEQUENCE tickets; GRANT USAGE ON SEQUENCE tickets TO PUBLIC`,
			[]string{"grant-public: public.tickets USAGE"}},
		"a grant to nobody we know": {
			`CREATE ROLE stranger; GRANT SELECT ON lessons TO stranger; GRANT
				EXECUTE ON FUNCTION join_organization(text, text, text) TO stranger`,
			[]string{"grant-stranger: public.join_organization(text,text,text) EXECUTE " +
				"TO stranger", "grant-stranger: public.lessons SELECT TO stranger"}},
		"a grant of TRUNCATE": {`GRANT TRUNCATE ON lessons TO satchel_file_api_http`,
			[]string{"grant-verb: public.lessons TRUNCATE TO satchel_file_api_http"}},
		"a grant of REFERENCES on a column": {
			`GRANT REFERENCES (id) ON lessons TO satchel_file_api_http`,
			[]string{"grant-verb: public.lessons.id REFERENCES TO satchel_file_api_http"}},
		"a grant to hand on": {
			`GRANT SELECT ON lessons TO satchel_file_api_maintenance WITH GRANT OPTION`,
			[]string{"grant-option: public.lessons SELECT TO satchel_file_api_maintenance"}},
		"a log that can be changed": {
			`GRANT UPDATE (details), DELETE ON file_access_logs TO satchel_file_api_http`,
			[]string{"append-only: public.file_access_logs DELETE TO satchel_file_api_http",
				"append-only: public.file_access_logs.details UPDATE TO satchel_file_api_http"}},
		"a log that nobody ends": {
			`REVOKE DELETE ON lessons FROM satchel_file_api_http`,
			[]string{"endless: public.lessons"}},
		"partitions that nobody drops": {partitioned +
			`DELETE FROM partitioned_tables WHERE name = 'events'`,
			[]string{"endless: public.events"}},
		"a grant on a sequence": {
			`CREATE SEQUENCE tickets; GRANT USAGE ON SEQUENCE tickets TO satchel_file_api_http`,
			[]string{"sequence: public.tickets USAGE TO satchel_file_api_http"}},
		"default privileges": {
			`ALTER DEFAULT PRIVILEGES FOR ROLE satchel_owner GRANT SELECT ON TABLES TO PUBLIC`,
			[]string{"default-privileges: r of satchel_owner in all schemas TO PUBLIC"}},
		"default privileges in a schema": {
			`ALTER DEFAULT PRIVILEGES FOR ROLE satchel_owner IN SCHEMA public GRANT SELECT ON TABLES
				TO satchel_file_api_http`,
			[]string{"default-privileges: r of satchel_owner in public TO satchel_file_api_http"}},
		"a schema to write to": {
			`CREATE SCHEMA aside; GRANT CREATE ON SCHEMA aside TO satchel_file_api_http`,
			[]string{"schema-create: aside satchel_file_api_http"}},
		"a public schema of before version 15": {`GRANT CREATE ON SCHEMA public TO PUBLIC`,
			roles("schema-create: public ")},
		"the migrations' schema": {
			`GRANT USAGE ON SCHEMA satchel_migrations TO satchel_file_api_http`,
			[]string{"schema-usage: satchel_migrations satchel_file_api_http"}},
		"the database to write to": {
			`DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO satchel_file_api_http',
				current_database()); END $$`,
			[]string{"database-create: satchel_file_api_http"}},

		"no role": {`ALTER ROLE satchel_file_api_maintenance RENAME TO satchel_retired`,
			[]string{"role-missing: satchel_file_api_maintenance", "..."}},
		"a powerful role": {`ALTER ROLE satchel_file_api_http BYPASSRLS CREATEROLE`,
			[]string{"role-power: satchel_file_api_http BYPASSRLS",
				"role-power: satchel_file_api_http CREATEROLE"}},
		"a role that can become another": {
			`GRANT satchel_file_api_maintenance TO satchel_file_api_http`,
			[]string{"role-member: satchel_file_api_http in satchel_file_api_maintenance"}},
		"a role that owns": {
			`ALTER TABLE lessons OWNER TO satchel_file_api_maintenance; REVOKE ALL ON lessons
				FROM satchel_file_api_http`,
			[]string{"role-owns: satchel_file_api_maintenance table public.lessons"}},
		"a setting of a role": {
			`ALTER ROLE satchel_file_api_http
				SET app.current_organization_id = '00000000-0000-0000-0000-000000000001'`,
			[]string{"setting: satchel_file_api_http app.current_organization_id"}},
		"a setting of the database": {
			`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET session_replication_role = replica',
				current_database()); END $$`,
			[]string{"setting: everybody session_replication_role"}},
		"a parameter": {`GRANT SET ON PARAMETER session_replication_role TO satchel_file_api_http`,
			[]string{"parameter-grant: session_replication_role SET TO satchel_file_api_http"}},
	} {
		for _, f := range c.want {
			rule, _, _ := strings.Cut(f, ":")
			shown[rule] = true
		}
		t.Run(name, func(t *testing.T) {
			undone(t, d, func(tx pgx.Tx) {
				if _, err := tx.Exec(t.Context(), sound+c.sql); err != nil {
					t.Fatal(err)
				}
				got := brief(check(t, tx))
				if n := len(c.want); n > 0 && c.want[n-1] == "..." { // and what follows from it
					c.want = c.want[:n-1]
					got = slices.DeleteFunc(got,
						func(f string) bool { return !slices.Contains(c.want, f) })
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("found:\n%q\nwant:\n%q", got, c.want)
				}
			})
		})
	}
	for _, rule := range Rules() {
		if !shown[rule] {
			t.Errorf("no case above breaks rule %s", rule)
		}
	}
}

func brief(findings []Finding) []string {
	var all []string
	for _, f := range findings {
		all = append(all, f.Rule+": "+f.Object)
	}
	slices.Sort(all)
	return all
}

// roles is what a rule finds that every role breaks.
func roles(finding string) []string {
	var found []string
	for _, r := range migrations.Roles() {
		found = append(found, finding+r.Role)
	}
	slices.Sort(found)
	return found
}
