// Package migrations brings a database to the schema that the functions expect, and makes the roles
// that they sign in as.
//
// The owner that runs them needs no superuser: CREATEROLE and a database of its own are enough, as
// on managed PostgreSQL, from version 15 on. It must reach the server itself or a session pooler: a
// transaction pooler loses the lock that keeps two runs apart.
package migrations

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

//go:embed *.sql
var files embed.FS

// Goose's own table has a schema to itself, on which nobody but the owner has a grant: no entry can
// see or change what was migrated.
const (
	ownSchema    = "satchel_migrations"
	versionTable = ownSchema + ".goose_db_version"
)

// A run waits this many seconds for another one to finish.
const lockPatience = 300

// Migration is one step of the schema.
type Migration struct {
	Version   int64         `json:"version"`
	Name      string        `json:"name"`
	AppliedAt time.Time     `json:"applied_at,omitzero"` // zero while it is pending
	Took      time.Duration `json:"took_ns,omitzero"`    // of this run
}

// Up makes the roles of all entries and applies what is pending, and returns that. Each migration
// is a transaction of its own, so a failing one leaves those before it applied. Several runs at
// once are safe, of one database or of several of one cluster.
func Up(ctx context.Context, ownerURL string, passwords Passwords) ([]Migration, error) {
	return up(ctx, ownerURL, passwords, files)
}

// Down takes back every migration after version to, newest first, with the data that it holds.
// Roles stay: they belong to the cluster, and another of its databases may use them.
func Down(ctx context.Context, ownerURL string, to int64) ([]Migration, error) {
	return down(ctx, ownerURL, to, files)
}

// Status is every migration that there is, oldest first.
func Status(ctx context.Context, ownerURL string) ([]Migration, error) {
	var all []Migration
	err := with(ctx, ownerURL, files, func(p *goose.Provider) error {
		found, err := p.Status(ctx)
		for _, m := range found {
			all = append(all, Migration{Version: m.Source.Version, Name: path.Base(m.Source.Path),
				AppliedAt: m.AppliedAt})
		}
		return err
	})
	return all, err
}

// Hash names the schema that Up ends with: the same migrations, the same hash.
func Hash() (string, error) {
	var all bytes.Buffer
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := files.ReadFile(name)
		fmt.Fprintf(&all, "%s %d\n%s", name, len(content), content)
		return err
	})
	for _, e := range Roles() {
		fmt.Fprintln(&all, e.Name, e.Role)
	}
	sum := sha256.Sum256(all.Bytes())
	return hex.EncodeToString(sum[:]), err
}

func up(ctx context.Context, ownerURL string, passwords Passwords,
	files fs.FS) ([]Migration, error) {
	if err := makeRoles(ctx, ownerURL, passwords); err != nil {
		return nil, err
	}
	var done []Migration
	err := with(ctx, ownerURL, files, func(p *goose.Provider) error {
		return betweenOthers(ctx, func() error {
			results, err := p.Up(ctx)
			done = append(done, steps(results, err, time.Now())...)
			return err
		})
	})
	return done, err
}

func down(ctx context.Context, ownerURL string, to int64, files fs.FS) ([]Migration, error) {
	var done []Migration
	err := with(ctx, ownerURL, files, func(p *goose.Provider) error {
		return betweenOthers(ctx, func() error {
			results, err := p.DownTo(ctx, to)
			done = append(done, steps(results, err, time.Time{})...)
			return err
		})
	})
	return done, err
}

// steps are those that were taken, also when a later one failed.
func steps(results []*goose.MigrationResult, err error, at time.Time) []Migration {
	var partial *goose.PartialError
	if errors.As(err, &partial) {
		results = partial.Applied
	}
	var done []Migration
	for _, r := range results {
		done = append(done, Migration{Version: r.Source.Version, Name: path.Base(r.Source.Path),
			AppliedAt: at, Took: r.Duration})
	}
	return done
}

// with runs fn with a provider whose every run holds the session lock.
func with(ctx context.Context, ownerURL string, files fs.FS, fn func(*goose.Provider) error) error {
	config, err := parse(ownerURL)
	if err != nil {
		return err
	}
	db := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(limitLocks))
	defer func() { _ = db.Close() }()
	if err := makeSchema(ctx, db); err != nil {
		return err
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, lockPatience))
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db,
		files, goose.WithTableName(versionTable),
		goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true), goose.WithSlog(
			slog.New(slog.DiscardHandler)))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	return fn(provider)
}

func makeSchema(ctx context.Context, db *sql.DB) error {
	err := retryRaces(ctx, func() error {
		_, err := db.ExecContext(ctx, "CREATE SCHEMA IF NOT EXISTS "+ownSchema)
		return err
	})
	if err != nil {
		return fmt.Errorf("make schema %s: %w", ownSchema, err)
	}
	return nil
}

// Connect opens one connection as the owner, for what is done beside migrations.
func Connect(ctx context.Context, ownerURL string) (*pgx.Conn, error) {
	config, err := parse(ownerURL)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect as the owner: %w", err)
	}
	return conn, limitLocks(ctx, conn)
}

func parse(ownerURL string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(ownerURL)
	if err != nil {
		// the cause would quote it
		return nil, errors.New(
			"the owner's URL cannot be read: want postgres://owner:password@host:port/database")
	}
	config.ConnectTimeout = cmp.Or(config.ConnectTimeout, 10*time.Second)
	return config, tenantdb.TrustRDS(&config.Config)
}
