package attack

import (
	"slices"
	"strings"
	"testing"

	"github.com/toolboxai-solutions/satchel/infra/pgtest"
)

// Each careless table is open to some attacks; the suite must notice each of these.
func TestCarelessTablesAreBrokenInto(t *testing.T) {
	t.Parallel()
	const sound = `CREATE TABLE lessons (organization_id uuid NOT NULL, id uuid NOT NULL,
		title text, PRIMARY KEY (organization_id, id)); `
	const row = `INSERT INTO lessons (organization_id, id, title)
		VALUES ($1, gen_random_uuid(), gen_random_uuid())`
	var others, namesakes []string
	for _, a := range attacks {
		if !a.owns {
			others = append(others, a.name)
		} else if strings.HasPrefix(a.name, "insert") {
			namesakes = append(namesakes, a.name)
		}
	}
	for name, c := range map[string]struct {
		migration string
		open      []string
	}{
		"sound":                 {sound + `SELECT protect_tenant_table('lessons')`, nil},
		"no row-level security": {sound, others},
		"a policy that a flag opens": {sound +
			`SELECT protect_tenant_table('lessons'); CREATE POLICY wide ON lessons FOR SELECT
				USING (current_setting('app.is_super_admin', true) = 'true')`,
			[]string{"flags that anybody can set"}},
		"a policy without a check": {sound +
			`ALTER TABLE lessons ENABLE ROW LEVEL SECURITY; CREATE POLICY half ON lessons
				USING (organization_id = (SELECT current_organization_id())) WITH CHECK (true)`,
			[]string{"insert a new row of the organization",
				"insert a new row of the organization, returning", "insert the same row",
				"insert the same row or nothing"}},
		"a key of id alone": {
			`CREATE TABLE lessons (organization_id uuid NOT NULL, id uuid PRIMARY KEY, title text);
				SELECT protect_tenant_table('lessons')`,
			namesakes[:2]}, // its upsert names the organization, which is no key there
		"a unique title": {sound +
			`CREATE UNIQUE INDEX ON lessons (title); SELECT protect_tenant_table('lessons')`,
			namesakes},
		"a reference by id alone": {`CREATE
			UNIQUE INDEX ON files (id); CREATE TABLE lessons (organization_id uuid NOT NULL,
			id uuid NOT NULL, title text, file_id uuid
			REFERENCES files (id), PRIMARY KEY (organization_id, id));
			SELECT protect_tenant_table('lessons')`,
			append([]string{"refer to it from a new row", "refer to it from an own row"},
				namesakes...)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			insert := row
			if strings.Contains(c.migration, "file_id") {
				insert =
					`INSERT INTO lessons (organization_id, id, file_id)
						SELECT organization_id, gen_random_uuid(), id FROM files
						WHERE organization_id = $1`
			}
			w := newFixture(t, c.migration, rowOf{"public.lessons", insert})
			db, role := w.open(t, everything)
			lessons := w.tables[slices.IndexFunc(w.tables,
				func(tb table) bool { return tb.name == "public.lessons" })]
			for _, a := range attacks {
				w.fill(t, w.attacker)
				w.fill(t, w.victim) // whom the attack before may have robbed
				there, nowhere := w.probes(t, lessons, role, w.attacker, w.victim)
				if _, how := w.attack(t, db, lessons, a, there,
					nowhere); (how != "") != slices.Contains(c.open, a.name) {
					t.Errorf("%s: noticed %q", a.name, how)
				}
			}
		})
	}
}

func TestTableThatNobodyAttacksIsNoticed(t *testing.T) {
	t.Parallel()
	for _, migration := range []string{
		`CREATE TABLE lessons (organization_id uuid PRIMARY KEY)`,
		`CREATE SCHEMA aside; CREATE TABLE aside.lessons (organization_id uuid PRIMARY KEY)`,
		`CREATE TABLE lessons (organization_id uuid, at date) PARTITION BY RANGE (at)`,
	} {
		d := pgtest.New(t)
		if _, err := d.Superuser.Exec(t.Context(), migration); err != nil {
			t.Fatal(err)
		}
		if _, err := tablesOf(t, d, rowsOf); err == nil ||
			!strings.Contains(err.Error(), "lessons is not attacked") {
			t.Errorf("after %s: %v", migration, err)
		}
	}
}
