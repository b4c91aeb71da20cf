package attack

import (
	"errors"
	"maps"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

const maintenance = "file-api/maintenance"

// What has expired means nothing to anybody: maintenance deletes it everywhere, and nothing else.
func TestMaintenanceDeletesWhatHasExpired(t *testing.T) {
	t.Parallel()
	w := newFixture(t, "")
	db, _ := w.open(t, maintenance)
	if _, err := w.Superuser.Exec(t.Context(), `
		INSERT INTO idempotency_keys
			(organization_id, user_id, route, key, request_hash, resource_id, expires_at)
		VALUES ($1, gen_random_uuid(), 'create-file', 'old', sha256(''), gen_random_uuid(),
			now() - interval '1 second')`, w.victim); err != nil {
		t.Fatal(err)
	}
	for sql, want := range map[string]outcome{
		`SELECT 1 FROM idempotency_keys WHERE expires_at IS NOT NULL`: {rows: 1, returned: "1\n"},
		`UPDATE files SET status = status`:                            {},
		`UPDATE object_deletions SET attempts = attempts`:             {},
		`UPDATE file_uploads SET check_at = now()`:                    {},
		`DELETE FROM files`:                                           {},
		`DELETE FROM file_uploads`:                                    {},
		`DELETE FROM object_deletions`:                                {},
		`SELECT 1 FROM files FOR UPDATE`:                              {},
		`INSERT INTO object_deletions (organization_id, bucket_name, prefix)
			SELECT organization_id, bucket_name, prefix FROM object_deletions`: {code: "42501"},
	} {
		if o := acrossTenants(t, db, sql); o != want {
			t.Errorf("%s: %v, want %v", sql, o, want)
		}
	}
	before := w.traces(t, w.attacker)
	if o := acrossTenants(t, db,
		`DELETE FROM idempotency_keys WHERE expires_at IS NOT NULL`); o.rows != 1 {
		t.Errorf("expired keys: %v, want the one", o)
	}
	if after := w.traces(t, w.attacker); !maps.Equal(before, after) {
		t.Errorf("rows were %v and are %v", before, after)
	}
}

// In one organization it sees the others' rows, as its policies say, and writes none of them.
func TestMaintenanceWritesOneOrganizationAtATime(t *testing.T) {
	t.Parallel()
	w := newFixture(t, "")
	db, _ := w.open(t, maintenance)
	before := w.traces(t, w.victim)
	for _, table := range []string{"public.files", "public.file_uploads",
		"public.object_deletions"} {
		for sql, rows := range map[string]int64{
			`SELECT 1 FROM ` + table:                              2,
			`SELECT 1 FROM ` + table + ` FOR UPDATE`:              1,
			`DELETE FROM ` + table + ` RETURNING organization_id`: 1,
		} {
			if o, err := try(t.Context(), db, w.attacker, attack{}, []string{sql},
				true); err != nil || o.rows != rows {
				t.Errorf("%s: %v, %v, want %d rows", sql, o, err, rows)
			}
		}
	}
	if after := w.traces(t, w.victim); !maps.Equal(before, after) {
		t.Errorf("the victim's rows were %v and are %v", before, after)
	}
}

func acrossTenants(t *testing.T, db *tenantdb.DB, sql string) (o outcome) {
	t.Helper()
	err := db.AcrossTenants(t.Context(), func(tx pgx.Tx) (err error) {
		o, err = perform(t.Context(), tx, false, sql)
		return err
	})
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return outcome{code: pg.Code}
	}
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return o
}
