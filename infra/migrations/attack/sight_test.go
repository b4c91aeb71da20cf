package attack

import (
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/infra/migrations"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

// Every column that an entry can read, of every table: in one organization it shows that
// organization's row, without one it shows none, and in both cases everybody's where
// migrations.Across lists it. However narrow a grant is, it is tried.
func TestEachEntrySeesWhatIsListed(t *testing.T) {
	t.Parallel()
	w := newFixture(t, "")
	for _, e := range migrations.Entries() {
		db, _ := w.open(t, e.Name)
		tried := 0
		for _, tb := range w.tables {
			for _, column := range w.readable(t, e.Role, tb) {
				tried++
				within, without := w.seen(t, db, tb, column)
				switch {
				case shownUnset(e.Name, tb.name):
					if within > 1 || without != 2 {
						t.Errorf("%s sees %s of %s in %d rows in an organization and, without "+
							"one, in %d, want 1 and 2", e.Name, column, tb.name, within, without)
					}
				case shown(e.Name, tb.name) && (within != 2 || without != 2):
					t.Errorf("%s is listed to see every %s of %s, and sees %d and, without an "+
						"organization, %d of 2 rows", e.Name, column, tb.name, within, without)
				case !shown(e.Name, tb.name) && (within > 1 || without != 0):
					t.Errorf("%s sees %s of %s in %d rows where it has one, and in %d without "+
						"an organization: list it in migrations.Across, or close it",
						e.Name, column, tb.name, within, without)
				}
			}
		}
		if tried == 0 {
			t.Errorf("%s can read nothing", e.Name)
		}
		t.Logf("%s: %d columns", e.Name, tried)
	}
}

// readable lists the columns that a role can read.
func (w fixture) readable(t *testing.T, role string, tb table) []string {
	t.Helper()
	rows, err := w.Superuser.Query(t.Context(), `
		SELECT column_name FROM unnest($3::text[]) column_name
		WHERE has_column_privilege($1, $2, column_name, 'SELECT')`, role, tb.name, tb.columns)
	if err != nil {
		t.Fatal(err)
	}
	columns, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return columns
}

// seen counts the rows of a column in the attacker's organization and without one.
func (w fixture) seen(t *testing.T, db *tenantdb.DB, tb table,
	column string) (within, without int64) {
	t.Helper()
	sql := fmt.Sprintf(`SELECT %s FROM %s`, column, tb.name)
	in, err := try(t.Context(), db, w.attacker, attack{}, []string{sql}, true)
	if err != nil || in.code != "" {
		t.Errorf("%s: %v, %v", sql, in, err)
	}
	return in.rows, acrossTenants(t, db, sql).rows
}

// What is listed can be read, and no other column of such a table.
func TestEachEntryReadsTheColumnsThatAreListed(t *testing.T) {
	t.Parallel()
	w := newFixture(t, "")
	for _, s := range migrations.Across() {
		i := slices.IndexFunc(w.tables, func(tb table) bool { return tb.name == s.Table })
		if i < 0 {
			t.Errorf("%s is listed for %s, and does not exist", s.Table, s.Entry)
			continue
		}
		want := slices.Clone(s.Columns)
		if slices.Equal(want, migrations.AllColumns()) {
			want = slices.Clone(w.tables[i].columns)
		}
		got := w.readable(t, migrations.RoleOf(s.Entry), w.tables[i])
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s can read %v of %s across organizations, and %v is listed: grant the "+
				"columns that it needs", s.Entry, got, s.Table, want)
		}
	}
}
