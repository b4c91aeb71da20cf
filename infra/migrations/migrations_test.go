package migrations

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/toolboxai-solutions/satchel/infra/local/postgres"
)

func TestUpDownUpEndsInTheSameCatalogue(t *testing.T) {
	t.Parallel()
	_, owner := database(t)
	// makes goose's own table, and nothing else
	if _, err := Down(t.Context(), owner, 0); err != nil {
		t.Fatal(err)
	}
	empty := catalogue(t, owner)
	applied, err := Up(t.Context(), owner, nil)
	if err != nil {
		t.Fatal(err)
	}
	full := catalogue(t, owner)
	if len(full) == len(empty) {
		t.Fatal("the migrations made nothing, or the catalogue's dump sees nothing")
	}
	undone, err := Down(t.Context(), owner, 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(undone) != len(applied) || undone[0].Version != applied[len(applied)-1].Version {
		t.Errorf("applied %v, then undid %v", applied, undone)
	}
	compare(t, "after going down to nothing", catalogue(t, owner), empty)
	if _, err := Up(t.Context(), owner, nil); err != nil {
		t.Fatal(err)
	}
	compare(t, "after going up again", catalogue(t, owner), full)
}

func TestEachMigrationTakesBackWhatItDid(t *testing.T) {
	t.Parallel()
	_, owner := database(t)
	all, err := Status(t.Context(), owner)
	if err != nil {
		t.Fatal(err)
	}
	before := make([][]string, len(all))
	sofar := fstest.MapFS{}
	for n, m := range all {
		before[n] = catalogue(t, owner)
		content, err := files.ReadFile(m.Name)
		if err != nil {
			t.Fatal(err)
		}
		sofar[m.Name] = &fstest.MapFile{Data: content}
		if _, err := up(t.Context(), owner, nil, sofar); err != nil {
			t.Fatal(err)
		}
	}
	for n, m := range slices.Backward(all) {
		if _, err := Down(t.Context(), owner, m.Version-1); err != nil {
			t.Fatalf("%s: %v", m.Name, err)
		}
		compare(t, "after taking back "+m.Name, catalogue(t, owner), before[n])
	}
}

func TestStatusTellsWhatIsPending(t *testing.T) {
	t.Parallel()
	_, owner := database(t)
	pending := func() (n int) {
		all, err := Status(t.Context(), owner)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range all {
			if m.AppliedAt.IsZero() {
				n++
			}
		}
		return n
	}
	before := pending()
	if before == 0 {
		t.Error("nothing is pending in an empty database")
	}
	applied, err := Up(t.Context(), owner, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(applied) != before || pending() != 0 {
		t.Errorf("%d were pending, %d were applied, %d are pending now", before, len(applied),
			pending())
	}
	if applied, err = Up(t.Context(), owner, nil); err != nil || len(applied) != 0 {
		t.Errorf("a second run applied %v, %v", applied, err)
	}
}

// Runs at once: of two databases of one cluster, where only the roles are
// contended, and twice of each, where all is.
func TestConcurrentRuns(t *testing.T) {
	t.Parallel()
	c := cluster(t, postgres.Options{Throwaway: true})
	passwords := Passwords{}
	for _, e := range Entries() {
		passwords[e.Name] = c.Password(e.Role)
	}
	var runs errgroup.Group
	var owners []string
	for n := range 3 {
		owner, err := c.Database(t.Context(), "house_"+strconv.Itoa(n), "house_owner")
		if err != nil {
			t.Fatal(err)
		}
		owners = append(owners, owner, owner)
	}
	applied := make([]int, len(owners))
	for n, owner := range owners {
		runs.Go(func() error {
			done, err := Up(t.Context(), owner, passwords)
			applied[n] = len(done)
			return err
		})
	}
	if err := runs.Wait(); err != nil {
		t.Fatal(err)
	}
	all, err := Status(t.Context(), owners[0])
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(owners); n += 2 {
		if applied[n]+applied[n+1] != len(all) {
			t.Errorf("two runs of one database applied %d and %d of %d migrations", applied[n],
				applied[n+1], len(all))
		}
	}
	for _, e := range Entries() {
		ask[int](t, c.URL("house_0", e.Role, passwords[e.Name]), `SELECT 1`)
	}
}

func TestFailingMigrationLeavesThoseBeforeIt(t *testing.T) {
	t.Parallel()
	_, owner := database(t)
	broken := fstest.MapFS{
		"0001_good.sql": {Data: []byte(
			"-- +goose Up\nCREATE TABLE good ();\n-- +goose Down\nDROP TABLE good;\n")},
		"0002_bad.sql": {Data: []byte("-- +goose Up\nCREATE TABLE half ();\nSELECT 1/0;\n-- " +
			"+goose Down\nDROP TABLE half;\n")},
	}
	applied, err := up(t.Context(), owner, nil, broken)
	if err == nil || !strings.Contains(err.Error(), "division by zero") {
		t.Errorf("up = %v, want the error of the statement", err)
	}
	if len(applied) != 1 || applied[0].Name != "0001_good.sql" {
		t.Errorf("up applied %v, want the first alone", applied)
	}
	if !ask[bool](t,
		owner, `SELECT to_regclass('good') IS NOT NULL AND to_regclass('half') IS NULL`) {
		t.Error("the good one is gone, or half of the bad one is there")
	}
}

func TestEntriesCannotSeeWhatWasMigrated(t *testing.T) {
	t.Parallel()
	_, owner := database(t)
	if _, err := Up(t.Context(), owner, nil); err != nil {
		t.Fatal(err)
	}
	for _, e := range Entries() {
		if ask[bool](t, owner, `SELECT has_schema_privilege('`+e.Role+`', '`+ownSchema+
			`', 'USAGE') OR has_table_privilege('`+e.Role+`', '`+versionTable+`', 'SELECT')`) {
			t.Errorf("%s can read %s", e.Role, versionTable)
		}
	}
	if got := ask[int](t, owner,
		`SELECT count(*)::int FROM pg_tables WHERE schemaname = 'public'
			AND tablename LIKE 'goose%'`); got != 0 {
		t.Error("goose's table is among the functions' tables")
	}
}

func TestOwnerURLIsNotQuoted(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"postgres://someone:hunter2@[broken",
		"postgres://someone:hunter2@127.0.0.1:1/x"} {
		if _, err := Up(t.Context(), url, nil); err == nil ||
			strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Up = %v, want an error without the password", err)
		}
	}
}

func compare(t *testing.T, when string, got, want []string) {
	t.Helper()
	for _, fact := range got {
		if !slices.Contains(want, fact) {
			t.Errorf("%s there is more: %s", when, fact)
		}
	}
	for _, fact := range want {
		if !slices.Contains(got, fact) {
			t.Errorf("%s this is missing: %s", when, fact)
		}
	}
}

// catalogue is every fact about the database that a migration can change, one
// a line and without the numbers that each CREATE gives anew.
func catalogue(t *testing.T, owner string) []string {
	t.Helper()
	query, err := os.ReadFile(filepath.Join("testdata", "catalogue.sql"))
	if err != nil {
		t.Fatal(err)
	}
	conn := connect(t, owner)
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), string(query))
	if err != nil {
		t.Fatal(err)
	}
	facts, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return facts
}

// database is an empty one of a cluster of its own, with an owner that is no
// superuser.
func database(t *testing.T) (*postgres.Cluster, string) {
	t.Helper()
	c := cluster(t, postgres.Options{Throwaway: true})
	owner, err := c.Database(t.Context(), "house", "house_owner")
	if err != nil {
		t.Fatal(err)
	}
	return c, owner
}

// cluster is a new one: roles belong to a cluster, and outlive a database.
func cluster(t *testing.T, o postgres.Options) *postgres.Cluster {
	t.Helper()
	scratch, err := postgres.ScratchDir()
	if err != nil {
		t.Fatal(err)
	}
	// testing's own cannot be entered by the server's account when root runs the test
	dir, err := os.MkdirTemp(scratch, "test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	o.Dir = filepath.Join(dir, "cluster")
	c, err := postgres.Start(t.Context(), o)
	if errors.Is(err, postgres.ErrNotFound) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		if err := c.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return c
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func ask[T any](t *testing.T, url, sql string) (answer T) {
	t.Helper()
	conn := connect(t, url)
	defer conn.Close(t.Context())
	if err := conn.QueryRow(t.Context(), sql).Scan(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func execute(t *testing.T, url, sql string) {
	t.Helper()
	conn := connect(t, url)
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}
