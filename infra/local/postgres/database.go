package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Database makes an ordinary owner and a database of its own, where they are
// missing, and returns the owner's address. The owner is what a managed
// database gives its customers: no superuser, but allowed to make roles.
//
// On a server named by Options.URL nothing is made: the database is the one
// that the URL names, and its owner is whoever the URL signs in as.
func (c *Cluster) Database(ctx context.Context, name, owner string) (ownerURL string, err error) {
	if c.external {
		return c.base.String(), nil
	}
	conn, err := pgx.Connect(ctx, c.SuperuserURL())
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close(ctx) }()
	var hasOwner, hasDatabase bool
	err = conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1),
		EXISTS (SELECT FROM pg_database WHERE datname = $2)`,
		owner, name).Scan(&hasOwner, &hasDatabase)
	if err != nil {
		return "", fmt.Errorf("look for database %s: %w", name, err)
	}
	if !hasOwner {
		if err := execf(ctx, conn, `CREATE ROLE %I NOSUPERUSER NOBYPASSRLS NOCREATEDB CREATEROLE`,
			owner); err != nil {
			return "", fmt.Errorf("make role %s: %w", owner, err)
		}
	}
	if err := execf(ctx, conn, `ALTER ROLE %I LOGIN PASSWORD %L`, owner,
		c.Password(owner)); err != nil {
		return "", fmt.Errorf("let role %s sign in: %w", owner, err)
	}
	if !hasDatabase {
		if err := execf(ctx, conn, `CREATE DATABASE %I OWNER %I`, name, owner); err != nil {
			return "", fmt.Errorf("make database %s: %w", name, err)
		}
	}
	return c.URL(name, owner, c.Password(owner)), nil
}

// execf has the server quote what statements of this kind take no parameters for.
func execf(ctx context.Context, conn *pgx.Conn, format string, args ...string) error {
	var statement string
	if err := conn.QueryRow(ctx, `SELECT format($1,
		VARIADIC $2::text[])`, format, args).Scan(&statement); err != nil {
		return err
	}
	_, err := conn.Exec(ctx, statement)
	return err
}
