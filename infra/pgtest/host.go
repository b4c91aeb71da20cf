package pgtest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/toolboxai-solutions/satchel/infra/local/postgres"
	"github.com/toolboxai-solutions/satchel/infra/migrations"
)

// maxHosts bounds the search for a free cluster: far more than test processes
// that any machine runs at once.
const maxHosts = 256

// host is a cluster that this process has to itself.
type host struct {
	cluster  *postgres.Cluster
	admin    *pgxpool.Pool
	template string
	made     atomic.Int64
}

// takeHost starts the first of the kept clusters that no process uses.
func takeHost(ctx context.Context) (*host, error) {
	scratch, err := postgres.ScratchDir()
	if err != nil {
		return nil, err
	}
	for n := range maxHosts {
		cluster, err := postgres.Start(ctx, postgres.Options{
			Dir:       filepath.Join(scratch, "pgtest", strconv.Itoa(n)),
			Throwaway: true,
			Settings: map[string]string{
				// a worker in a database would hold up copying and dropping it
				"autovacuum": "off",
				// the least that there is: clusters are kept, maybe in memory
				"min_wal_size": "32MB",
				"max_wal_size": "64MB",
			},
		})
		if errors.Is(err, postgres.ErrInUse) {
			continue
		}
		if err != nil {
			return nil, err
		}
		h := &host{cluster: cluster}
		if h.admin, err = pgxpool.New(ctx, cluster.SuperuserURL()); err == nil {
			err = h.prepare(ctx)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("prepare the test cluster: %w", err),
				cluster.Stop(ctx))
		}
		return h, nil
	}
	return nil, fmt.Errorf("all %d test clusters are in use", maxHosts)
}

// prepare drops what killed tests left and makes the template, unless the
// cluster has that of these very migrations.
func (h *host) prepare(ctx context.Context) error {
	hash, err := migrations.Hash()
	if err != nil {
		return err
	}
	h.template = "template_" + hash[:16]
	rows, err := h.admin.Query(ctx, `SELECT datname FROM pg_database
		WHERE datname NOT IN ('postgres', 'template0', 'template1')`)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	migrated := false
	for _, name := range names {
		if name == h.template {
			migrated = true
		} else if err := h.drop(ctx, name); err != nil {
			return err
		}
	}
	if migrated {
		return nil
	}
	return h.makeTemplate(ctx)
}

// makeTemplate migrates a draft and renames it when it is whole. No session
// may be in a template while it is copied, so nobody is let in.
func (h *host) makeTemplate(ctx context.Context) error {
	const draft = "draft"
	owner, err := h.cluster.Database(ctx, draft, Owner)
	if err != nil {
		return err
	}
	passwords := migrations.Passwords{}
	for _, e := range migrations.Roles() {
		passwords[e.Name] = h.cluster.Password(e.Role)
	}
	if _, err := migrations.Up(ctx, owner, passwords); err != nil {
		return err
	}
	for _, statement := range []string{
		"ALTER DATABASE " + draft + " ALLOW_CONNECTIONS false",
		"ALTER DATABASE " + draft + " RENAME TO " + h.template,
	} {
		if _, err := h.admin.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

func (h *host) drop(ctx context.Context, name string) error {
	_, err := h.admin.Exec(ctx,
		"DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)")
	return err
}

// database copies the template for one test.
func (h *host) database(t testing.TB) *Database {
	t.Helper()
	name := "test_" + strconv.FormatInt(h.made.Add(1), 10)
	// FILE_COPY: half the time of the default, which logs every page.
	if _, err := h.admin.Exec(t.Context(),
		"CREATE DATABASE "+name+" TEMPLATE "+h.template+" OWNER "+Owner+" STRATEGY file_copy"); err != nil {
		t.Fatalf("copy the template database: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := cleanupContext()
		defer cancel()
		// What cannot be dropped (a crashed server) goes when the cluster is next taken.
		if err := h.drop(ctx, name); err != nil {
			t.Logf("drop the test's database: %v", err)
		}
	})
	superuser, err := pgx.ParseConfig(h.cluster.SuperuserURL())
	if err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.New(t.Context(), h.cluster.URL(name, superuser.User, superuser.Password))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return &Database{
		OwnerURL:  h.cluster.URL(name, Owner, h.cluster.Password(Owner)),
		Superuser: pool,
		Cluster:   h.cluster,
		name:      name,
	}
}
