package tenantdb_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/infra/migrations"
	"github.com/toolboxai-solutions/satchel/infra/pgtest"
	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

const http = "file-api/http"

func seen(t *testing.T, query func() error) {
	t.Helper()
	if err := query(); err != nil {
		t.Fatal(err)
	}
}

func count(t *testing.T, tx pgx.Tx, table string) int {
	t.Helper()
	var n int
	if err := tx.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestATenantSeesItsOwnRowsOnly(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	a, b := d.Organization(t, "a"), d.Organization(t, "b")
	db := d.DB(t, http)
	for _, organization := range []uuid.UUID{a, b} {
		seen(t, func() error {
			return db.InTenant(t.Context(), organization, func(tx pgx.Tx) error {
				var id uuid.UUID
				if err := tx.QueryRow(t.Context(),
					"SELECT id FROM organizations").Scan(&id); err != nil {
					return err
				}
				if id != organization {
					t.Errorf("sees %s as %s", id, organization)
				}
				return nil
			})
		})
	}
}

func TestWithNoOrganizationEveryTableIsEmpty(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	d.Organization(t, "a")
	db := d.DB(t, http)
	look := func(when string) {
		seen(t, func() error {
			return db.AcrossTenants(t.Context(), func(tx pgx.Tx) error {
				if n := count(t, tx, "organizations"); n != 0 {
					t.Errorf("%s: sees %d organizations", when, n)
				}
				return nil
			})
		})
	}
	look("a new connection")
	seen(t, func() error {
		return db.InTenant(t.Context(), d.Organization(t, "b"),
			func(tx pgx.Tx) error { count(t, tx, "organizations"); return nil })
	})
	look("a connection that a tenant used")
}

// What one user of a connection left in its session must not reach the next: a setting, or a
// temporary table under the name of ours.
func TestASessionIsNotTakenOver(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	a, b := d.Organization(t, "a"), d.Organization(t, "b")
	db := d.DB(t, http)
	seen(t, func() error {
		return db.InTenant(t.Context(), a, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), fmt.Sprintf(`SELECT set_config('app.current_organization_id', '%s', false);
				CREATE TEMP TABLE organizations AS SELECT '%s'::uuid AS id
					FROM generate_series(1, 5)`, a, a))
			return err
		})
	})
	for range 4 { // both connections of the pool
		seen(t, func() error {
			return db.AcrossTenants(t.Context(), func(tx pgx.Tx) error {
				if n := count(t, tx, "organizations"); n != 0 {
					t.Errorf("a transaction without organization sees %d", n)
				}
				return nil
			})
		})
		seen(t, func() error {
			return db.InTenant(t.Context(), b, func(tx pgx.Tx) error {
				if n := count(t, tx, "organizations"); n != 1 {
					t.Errorf("organization b sees %d organizations", n)
				}
				return nil
			})
		})
	}
}

func TestTheNilOrganizationIsRefused(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t).DB(t, http)
	err := db.InTenant(t.Context(), uuid.Nil, func(pgx.Tx) error { t.Error("it ran"); return nil })
	if err == nil {
		t.Error("no error")
	}
}

// Many tenants through two connections: the setting of one must never be seen by the next, also
// after errors, rollbacks and cancelled contexts.
func TestThePoolCarriesNoTenantOver(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db := d.DB(t, http)
	organizations := make([]uuid.UUID, 8)
	for i := range organizations {
		organizations[i] = d.Organization(t, fmt.Sprintf("o%d", i))
	}
	failed := errors.New("on purpose")
	var wg sync.WaitGroup
	for i, organization := range organizations {
		wg.Go(func() {
			for round := range 50 {
				ctx, cancel := context.WithCancel(t.Context())
				err := db.InTenant(ctx, organization, func(tx pgx.Tx) error {
					var id uuid.UUID
					if err := tx.QueryRow(ctx,
						"SELECT id FROM organizations").Scan(&id); err != nil {
						return err
					}
					if id != organization {
						t.Errorf("sees %s as %s", id, organization)
					}
					switch (round + i) % 3 {
					case 1:
						return failed
					case 2:
						cancel()
					}
					return nil
				})
				if err != nil && !errors.Is(err, failed) && !errors.Is(err, context.Canceled) {
					t.Errorf("round %d: %v", round, err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
}

// What binds a transaction ends with it: whoever gets the session next finds no organization in it,
// also by a way that is none of the doors.
func TestNoOrganizationStaysWithASession(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	organization := d.Organization(t, "a")
	db := d.DB(t, http)
	look := func(door string, conn *pgx.Conn) {
		var left string
		err := conn.QueryRow(t.Context(),
			`SELECT coalesce(current_setting('app.current_organization_id', true), '')`).Scan(&left)
		if err != nil || left != "" {
			t.Errorf("%s leaves %q, %v", door, left, err)
		}
	}
	err := db.InTenant(t.Context(), organization, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "COMMIT")
		look("InTenant", tx.Conn())
		return err
	})
	if err != nil {
		t.Error(err)
	}
	err = db.Read(t.Context(), organization, func(tx pgx.Tx) error {
		var id uuid.UUID
		err := tx.QueryRow(t.Context(), "SELECT id FROM organizations").Scan(&id)
		look("Read", tx.Conn())
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// role makes a login role that lasts as long as the test, and returns its name and URL.
func role(t *testing.T, d *pgtest.Database, attributes string) (name, url string) {
	t.Helper()
	name, password := "r"+strings.ReplaceAll(uuid.NewString(), "-", ""), "not-a-real-secret"
	var database string
	if err := d.Superuser.QueryRow(t.Context(),
		"SELECT current_database()").Scan(&database); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Superuser.Exec(t.Context(),
		fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s' %s", name, password,
			attributes)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := d.Superuser.Exec(context.WithoutCancel(t.Context()),
			"DROP ROLE "+name); err != nil {
			t.Error(err)
		}
	})
	return name, d.Cluster.URL(database, name, password)
}

func TestOpenRefusesARoleThatPoliciesDoNotBind(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	bypasser, bypassURL := role(t, d, "BYPASSRLS")
	_, ownersFriend := role(t, d, "NOINHERIT IN ROLE "+pgtest.Owner)
	_, bypassersFriend := role(t, d, "NOINHERIT IN ROLE "+bypasser)
	for name, url := range map[string]string{
		"superuser":               d.Superuser.Config().ConnString(),
		"owner":                   d.OwnerURL,
		"bypassrls":               bypassURL,
		"could become the owner":  ownersFriend,
		"could become a bypasser": bypassersFriend,
	} {
		db, err := tenantdb.Open(t.Context(), tenantdb.Config{URL: url})
		if !errors.Is(err, tenantdb.ErrPowerfulRole) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			db.Close()
		}
	}
	_, ordinary := role(t, d, "")
	db, err := tenantdb.Open(t.Context(), tenantdb.Config{URL: ordinary})
	if err != nil {
		t.Fatalf("an ordinary role is refused: %v", err)
	}
	db.Close()
}

// A role that was ordinary at the start and is powerful later is found by the next connection.
func TestEachNewConnectionIsChecked(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	name, url := role(t, d, "")
	db, err := tenantdb.Open(t.Context(), tenantdb.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := d.Superuser.Exec(t.Context(), "ALTER ROLE "+name+" BYPASSRLS"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Superuser.Exec(t.Context(),
		"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = $1",
		name); err != nil {
		t.Fatal(err)
	}
	for range 3 { // the first try may still meet the ended connection
		err = db.AcrossTenants(t.Context(), func(pgx.Tx) error { return nil })
		if errors.Is(err, tenantdb.ErrPowerfulRole) {
			return
		}
	}
	t.Errorf("got %v", err)
}

func TestFailuresAreClassified(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	organization := d.Organization(t, "a")
	db := d.DB(t, http)
	for query, want := range map[string]fault.Kind{
		"SELECT 1/0":            fault.Internal,
		"SELECT * FROM nowhere": fault.Internal,
		// not granted: our fault, not the client's
		"DELETE FROM memberships":                    fault.Internal,
		"DO $$ BEGIN RAISE SQLSTATE '40001'; END $$": fault.Temporary,
		"DO $$ BEGIN RAISE SQLSTATE '57P01'; END $$": fault.Temporary,
		"INSERT INTO storage_quotas (organization_id) VALUES ($1::uuid), " +
			"($1::uuid)": fault.Conflict,
	} {
		err := db.InTenant(t.Context(), organization, func(tx pgx.Tx) error {
			var err error
			if strings.Contains(query, "$1") {
				_, err = tx.Exec(t.Context(), query, organization)
			} else {
				_, err = tx.Exec(t.Context(), query)
			}
			return err
		})
		if err == nil || fault.KindOf(err) != want {
			t.Errorf("%s: %s, want %s (%v)", query, fault.KindOf(err), want, err)
		}
	}
}

// What a worker locked before it went silent, without a word to its connection, is free again
// before long.
func TestASilentTransactionEnds(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	db := d.DB(t, http)
	err := db.InTenant(t.Context(), d.Organization(t, "a"), func(tx pgx.Tx) error {
		var pid, timeout int
		if err := tx.QueryRow(t.Context(), `SELECT pg_backend_pid(), setting::int FROM pg_settings
			WHERE name = 'idle_in_transaction_session_timeout'`).Scan(&pid, &timeout); err != nil {
			return err
		}
		if timeout < 1_000 || timeout > 60_000 {
			t.Errorf("a silent transaction ends after %d ms", timeout)
		}
		if _, err := tx.Exec(t.Context(),
			`SET LOCAL idle_in_transaction_session_timeout = 1`); err != nil {
			return err
		}
		for gone := false; !gone; {
			if err := d.Superuser.QueryRow(t.Context(), `SELECT NOT EXISTS (SELECT
				FROM pg_stat_activity WHERE pid = $1)`, pid).Scan(&gone); err != nil {
				return err
			}
		}
		_, err := tx.Exec(t.Context(), `SELECT 1`)
		return err
	})
	if fault.KindOf(err) != fault.Temporary {
		t.Errorf("a transaction that was ended gives %v", err)
	}
}

func TestARestartOfPostgresIsTemporary(t *testing.T) {
	t.Parallel()
	d := pgtest.NewIsolated(t)
	organization := d.Organization(t, "a")
	db := d.DB(t, http)
	look := func() error {
		return db.InTenant(t.Context(), organization, func(tx pgx.Tx) error {
			var n int
			return tx.QueryRow(t.Context(), "SELECT count(*) FROM organizations").Scan(&n)
		})
	}
	seen(t, look)
	err := db.InTenant(t.Context(), organization, func(tx pgx.Tx) error {
		if err := d.Cluster.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		var n int
		return tx.QueryRow(t.Context(), "SELECT count(*) FROM organizations").Scan(&n)
	})
	if fault.KindOf(err) != fault.Temporary {
		t.Errorf("a transaction that the restart cut: %v", err)
	}
	for range 3 {
		if err = look(); err == nil {
			return
		}
		if fault.KindOf(err) != fault.Temporary {
			t.Errorf("while it restarts: %v", err)
		}
	}
	t.Errorf("does not recover: %v", err)
}

// What whoever operates the database does to it, and takes back, is no fault of a request.
func TestADatabaseThatRefusesIsTemporary(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ refuse, allow string }{
		"read-only": {"ALTER ROLE ROLE_ SET default_transaction_read_only = on",
			"ALTER ROLE ROLE_ RESET default_transaction_read_only"},
		"another password": {"ALTER ROLE ROLE_ PASSWORD 'rotated'",
			"ALTER ROLE ROLE_ PASSWORD 'PASSWORD_'"},
		"no connection left": {"ALTER ROLE ROLE_ CONNECTION LIMIT 0",
			"ALTER ROLE ROLE_ CONNECTION LIMIT -1"},
		"no sign-in": {"ALTER ROLE ROLE_ NOLOGIN", "ALTER ROLE ROLE_ LOGIN"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := pgtest.New(t)
			organization := d.Organization(t, "a")
			login, address := role(t, d, "")
			at, err := url.Parse(address)
			if err != nil {
				t.Fatal(err)
			}
			password, _ := at.User.Password()
			operate := func(sql string) {
				sql = strings.NewReplacer("ROLE_", login, "PASSWORD_", password).Replace(sql)
				if _, err := d.Superuser.Exec(t.Context(), sql); err != nil {
					t.Fatal(err)
				}
			}
			operate("GRANT " + migrations.RoleOf(http) + " TO ROLE_")
			write := func() error {
				db, err := tenantdb.Open(t.Context(), tenantdb.Config{URL: address})
				if err != nil {
					return err
				}
				defer db.Close()
				return db.InTenant(t.Context(), organization, func(tx pgx.Tx) error {
					_, err := tx.Exec(t.Context(), `INSERT INTO rate_limits (organization_id,
						bucket, tat) VALUES ($1, gen_random_uuid(), now())`, organization)
					return err
				})
			}
			operate(c.refuse)
			if err := write(); fault.KindOf(err) != fault.Temporary ||
				strings.Contains(err.Error(), password) {
				t.Errorf("refused: %s: %v", fault.KindOf(err), err)
			}
			operate(c.allow)
			if err := write(); err != nil {
				t.Errorf("allowed again: %v", err)
			}
		})
	}
}

// The sessions of a writer that became a reader stay as they are: when writes are possible again
// elsewhere, the pool must not go on with them.
func TestASessionThatOnlyReadsIsNotKept(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(*tenantdb.DB, uuid.UUID, *pgx.Batch) error{
		"InTenant": func(db *tenantdb.DB, organization uuid.UUID, batch *pgx.Batch) error {
			return db.InTenant(t.Context(), organization, func(tx pgx.Tx) error {
				return tx.SendBatch(t.Context(), batch).Close()
			})
		},
		"Once": func(db *tenantdb.DB, organization uuid.UUID, batch *pgx.Batch) error {
			return db.Once(t.Context(), organization, batch)
		},
		"Read": func(db *tenantdb.DB, organization uuid.UUID, batch *pgx.Batch) error {
			return db.Read(t.Context(), organization, func(tx pgx.Tx) error {
				return tx.SendBatch(t.Context(), batch).Close()
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := pgtest.New(t)
			organization := d.Organization(t, "a")
			login, address := role(t, d, "")
			operate := func(sql string) {
				if _, err := d.Superuser.Exec(t.Context(), fmt.Sprintf(sql, login)); err != nil {
					t.Fatal(err)
				}
			}
			operate("GRANT " + migrations.RoleOf(http) + " TO %s")
			operate("ALTER ROLE %s SET default_transaction_read_only = on")
			db, err := tenantdb.Open(t.Context(), tenantdb.Config{URL: address})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			write := func() error {
				batch := &pgx.Batch{}
				batch.Queue(`INSERT INTO rate_limits (organization_id, bucket, tat)
					VALUES ($1, gen_random_uuid(), now())`, organization)
				return do(db, organization, batch)
			}
			if err := write(); fault.KindOf(err) != fault.Temporary {
				t.Fatalf("refused: %v", err)
			}
			operate("ALTER ROLE %s RESET default_transaction_read_only")
			if err := write(); err != nil {
				t.Errorf("allowed again: %v", err)
			}
		})
	}
}

func TestAnUnreachableDatabaseDoesNotStopTheStart(t *testing.T) {
	t.Parallel()
	db, err := tenantdb.Open(t.Context(),
		tenantdb.Config{URL: "postgres://nobody@127.0.0.1:1/none?connect_timeout=1"})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.AcrossTenants(t.Context(), func(pgx.Tx) error { return nil })
	if fault.KindOf(err) != fault.Temporary {
		t.Errorf("got %v", err)
	}
}

func TestABadURLIsRefusedWithoutRepeatingIt(t *testing.T) {
	t.Parallel()
	_, err := tenantdb.Open(t.Context(),
		tenantdb.Config{URL: "postgres://user:not-a-real-secret@host:port/db"})
	if err == nil || strings.Contains(err.Error(), "not-a-real-secret") {
		t.Errorf("got %v", err)
	}
}
