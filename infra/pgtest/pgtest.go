// Package pgtest gives each test a real database of its own, migrated, in a
// few dozen milliseconds.
//
// A test process takes a cluster of its own from a small set that is kept (see
// postgres.ScratchDir), so that only the first runs on a machine pay for initdb
// and for the migrations; a test's database is then a copy of a template. The
// cluster ends with the process, however that ends: panic, time limit, kill.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/toolboxai-solutions/satchel/infra/local/postgres"
	"github.com/toolboxai-solutions/satchel/infra/migrations"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

// Owner is the role that migrated every database and owns its tables. It is
// no superuser: what works here works on a managed server.
const Owner = "satchel_owner"

// Database is a migrated database that nobody else uses.
type Database struct {
	// OwnerURL signs in as Owner, which row-level security binds as well.
	OwnerURL string
	// Superuser sees and changes everything, past every policy: for arranging
	// and for looking at the result, never for the code under test.
	Superuser *pgxpool.Pool
	// Cluster is the server. Only that of an isolated database may be crashed.
	Cluster *postgres.Cluster

	name string
}

// New returns a fresh database of a server that the tests of this process
// share. It is gone when the test ends.
//
// Where there is no PostgreSQL the test fails if CI=true, and is skipped
// elsewhere.
func New(t testing.TB) *Database {
	t.Helper()
	h, err := shared()
	require(t, err)
	return h.database(t)
}

// NewIsolated is New on a server that no other test uses, so that the test
// may crash it, stop it and start it again.
func NewIsolated(t testing.TB) *Database {
	t.Helper()
	h, err := takeHost(t.Context())
	require(t, err)
	t.Cleanup(func() {
		h.admin.Close()
		ctx, cancel := cleanupContext()
		defer cancel()
		if err := h.cluster.Stop(ctx); err != nil {
			t.Errorf("stop the isolated server: %v", err)
		}
	})
	return h.database(t)
}

// URL is the address for an entry's role, for example "file-api/http", or for
// that of the "platform".
func (d *Database) URL(entry string) string {
	for _, e := range migrations.Roles() {
		if e.Name == entry {
			return d.Cluster.URL(d.name, e.Role, d.Cluster.Password(e.Role))
		}
	}
	panic(fmt.Sprintf("pgtest: there is no entry %q", entry))
}

// DB opens the database as an entry does. It is closed when the test ends.
func (d *Database) DB(t testing.TB, entry string) *tenantdb.DB {
	t.Helper()
	db, err := tenantdb.Open(t.Context(), d.config(entry))
	if err != nil {
		t.Fatalf("open the database as %s: %v", entry, err)
	}
	t.Cleanup(db.Close)
	return db
}

func (d *Database) config(entry string) tenantdb.Config {
	return tenantdb.Config{URL: d.URL(entry), StatementTimeout: time.Minute,
		LockTimeout: 30 * time.Second}
}

// shared is the one thing of a process: tests of one package run side by side
// and have no other place to meet.
var shared = sync.OnceValues(func() (*host, error) { return takeHost(context.Background()) })

func require(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, postgres.ErrNotFound) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func cleanupContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 20*time.Second)
}
