package library

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/infra/pgtest"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// errExplained ends a call after its plan was taken.
var errExplained = errors.New("explained")

// explained is a transaction in which every query is only planned: as the role, under the policies
// and with the arguments that it would have run with.
type explained struct {
	pgx.Tx
	plan *string
}

func (e explained) Query(ctx context.Context, query string, arguments ...any) (pgx.Rows, error) {
	rows, err := e.Tx.Query(ctx, "EXPLAIN "+query, arguments...)
	if err != nil {
		return nil, err
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	*e.plan = strings.Join(lines, "\n")
	return nil, errExplained
}

// fill makes many files of a few organizations, with what is looked for being rare.
func fill(t *testing.T, d *pgtest.Database, by tenant.Caller, rare uuid.UUID) {
	t.Helper()
	for _, slug := range []string{"north", "south", "east"} {
		d.Organization(t, slug)
	}
	_, err := d.Superuser.Exec(t.Context(), `
		INSERT INTO files (organization_id, filename, original_filename, file_size, mime_type,
			bucket_name, storage_path,
			status, category, uploaded_by, created_by, created_at)
		SELECT o.id, named.name, named.name, 1, 'text/plain', 'b', 'k',
			CASE WHEN n % 100 = 0 THEN 'error' ELSE 'available' END, CASE WHEN n % 100 = 1
				THEN 'report' ELSE 'assessment' END,
			CASE WHEN n % 100 = 2 THEN $1::uuid
				ELSE $2::uuid END, $2, now() - n * interval '1 minute'
		FROM generate_series(1, 3000) n, organizations o,
			LATERAL (SELECT md5(n::text) || '.txt' AS name) named
		ORDER BY n, o.id`, rare, by.User)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Superuser.Exec(t.Context(), `ANALYZE files`); err != nil {
		t.Fatal(err)
	}
}

// An index that a filter cannot use under row-level security (an operator that is not leakproof,
// another collation) is only a cost, and nobody notices before the table is large.
func TestFiltersUseTheirIndexes(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	by := d.Member(t, d.Organization(t, "school"), tenant.Staff).Caller
	rare := uuid.New()
	fill(t, d, by, rare)
	db := d.DB(t, "file-api/http")
	library := &Library{Now: time.Now}
	organization := "organization_id = '" + by.Organization.String() + "'"

	for name, c := range map[string]struct {
		filter           Filter
		index, condition string
		ordered          bool // more than a page: the index has to give it in order
	}{
		"none": {Filter{}, "files_newest", "", true},
		"later page": {Filter{After: &Position{Time: time.Now().Add(-40 * time.Hour), ID: rare}},
			"files_newest", "ROW(created_at, id) < ROW(", true},
		"status": {Filter{Status: "error"}, "files_by_status", "status = 'error'", false},
		"later status": {Filter{Status: "error", After: &Position{Time: time.Now(), ID: rare}},
			"files_by_status", "ROW(created_at, id) < ROW(", false},
		"category": {Filter{Category: "report"}, "files_by_category", "category = 'report'",
			false},
		"uploader": {Filter{UploadedBy: rare}, "files_by_uploader",
			"uploaded_by = '" + rare.String(), false},
		"name prefix": {Filter{Name: "abc"}, "files_by_name", "filename >= 'abc'", false},
	} {
		t.Run(name, func(t *testing.T) {
			c.filter.Limit = 51
			plan := ""
			err := db.InTenant(t.Context(), by.Organization, func(tx pgx.Tx) error {
				_, err := library.List(t.Context(), explained{tx, &plan}, by, c.filter)
				return err
			})
			if !errors.Is(err, errExplained) {
				t.Fatal(err)
			}
			// with "on files" or, for a bitmap, alone
			_, after, found := strings.Cut(plan, c.index+" ")
			if !found {
				t.Fatalf("the plan does not use %s:\n%s", c.index, plan)
			}
			_, after, _ = strings.Cut(after, "Index Cond: ")
			condition, _, _ := strings.Cut(after, "\n")
			if !strings.Contains(flat(condition), c.condition) ||
				!strings.Contains(condition, organization) {
				t.Errorf("the index is asked for %s\nwant %s and %s in\n%s", condition,
					organization, c.condition, plan)
			}
			if c.ordered && strings.Contains(plan, "Sort Key") {
				t.Errorf("all files are sorted for one page:\n%s", plan)
			}
		})
	}
}

// flat takes a condition's casts and brackets of names away.
func flat(condition string) string {
	return strings.NewReplacer("::text", "", "(status)", "status", "(category)", "category",
		"(filename)", "filename").Replace(condition)
}
