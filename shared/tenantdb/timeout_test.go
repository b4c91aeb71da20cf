package tenantdb_test

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/infra/pgtest"
	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

// A row that somebody else holds, and a statement that does not end, give the caller an answer with
// a time to come back, and not the function's death.
func TestNothingIsWaitedForWithoutEnd(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	organization := d.Organization(t, "a")
	config := tenantdb.Config{URL: d.URL(http), LockTimeout: 20 * time.Millisecond,
		StatementTimeout: 2 * time.Second}
	db, err := tenantdb.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := d.Superuser.Exec(t.Context(), `INSERT INTO storage_quotas (organization_id)
		VALUES ($1) ON CONFLICT DO NOTHING`, organization); err != nil {
		t.Fatal(err)
	}
	holder, err := d.Superuser.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = holder.Rollback(t.Context()) }()
	if _, err := holder.Exec(t.Context(), `SELECT FROM storage_quotas WHERE organization_id = $1
		FOR UPDATE`, organization); err != nil {
		t.Fatal(err)
	}
	for query, code := range map[string]string{
		`UPDATE storage_quotas SET organization_id = organization_id
			WHERE organization_id = (SELECT current_organization_id())`: "busy",
		`SELECT pg_sleep(3600)`: "out-of-time",
	} {
		err := db.InTenant(t.Context(), organization, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), query)
			return err
		})
		classified, ok := errors.AsType[*fault.Error](err)
		if !ok || classified.Kind != fault.Temporary || classified.Code != code ||
			classified.RetryAfter <= 0 {
			t.Errorf("%s gives %v, want %s with a time to come back", query, err, code)
		}
	}
}

func TestTimeoutsThatWouldNeverApplyAreRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		lock, statement time.Duration
		good            bool
	}{
		"good":         {3 * time.Second, 10 * time.Second, true},
		"none":         {0, 0, false},
		"no lock's":    {0, time.Second, false},
		"below a unit": {time.Microsecond, time.Second, false},
		"equal":        {time.Second, time.Second, false},
		"reversed":     {2 * time.Second, time.Second, false},
	} {
		if err := (tenantdb.Config{LockTimeout: tc.lock,
			StatementTimeout: tc.statement}).Validate(); (err == nil) != tc.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}
