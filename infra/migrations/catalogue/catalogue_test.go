package catalogue

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/infra/pgtest"
)

func TestMigratedDatabaseKeepsEveryRule(t *testing.T) {
	t.Parallel()
	undone(t, pgtest.New(t), func(tx pgx.Tx) {
		var version string
		if err := tx.QueryRow(t.Context(), `SHOW server_version`).Scan(&version); err != nil {
			t.Fatal(err)
		}
		t.Logf("PostgreSQL %s, %d rules", version, len(Rules()))
		for _, f := range check(t, tx) {
			t.Error(f)
		}
	})
}

// soundDatabase is for the tests that break a rule on purpose: of a database that breaks one
// already they would only repeat what TestMigratedDatabaseKeepsEveryRule says.
func soundDatabase(t *testing.T) *pgtest.Database {
	t.Helper()
	d := pgtest.New(t)
	undone(t, d, func(tx pgx.Tx) {
		if n := len(check(t, tx)); n > 0 {
			t.Fatalf("%d findings in the migrated database: see TestMigratedDatabaseKeepsEveryRule",
				n)
		}
	})
	return d
}

// undone runs fn as the superuser in a transaction that is rolled back: roles belong to the
// cluster, which other tests use as well.
func undone(t *testing.T, d *pgtest.Database, fn func(pgx.Tx)) {
	t.Helper()
	tx, err := d.Superuser.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	fn(tx)
}

func check(t *testing.T, tx pgx.Tx) []Finding {
	t.Helper()
	found, err := Check(t.Context(), tx)
	if err != nil {
		t.Fatal(err)
	}
	return found
}
