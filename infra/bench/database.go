package main

import (
	"context"
	"fmt"
	"net/url"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const entry = "file-api/http" // whose role the measured queries have

// connect opens a pool like that of package tenantdb: as many connections, the same way to send a
// query. With an organization, every session of it has the setting from its start.
func connect(ctx context.Context, address string, organization uuid.UUID) (*pgxpool.Pool, error) {
	c, err := pgxpool.ParseConfig(address)
	if err != nil {
		return nil, err
	}
	c.MaxConns = 2
	c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	if organization != uuid.Nil {
		c.ConnConfig.RuntimeParams["app.current_organization_id"] = organization.String()
	}
	return pgxpool.NewWithConfig(ctx, c)
}

// at is a database's address by way of another host.
func at(address, host string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", fmt.Errorf("read the database's address: %w", err)
	}
	u.Host = host
	return u.String(), nil
}

// fetch runs a query and reads every row to its end.
func fetch(ctx context.Context, db interface {
	Query(context.Context, string, ...any) (pgx.Rows, error)
}, want int, query string, arguments ...any) error {
	rows, err := db.Query(ctx, query, arguments...)
	if err != nil {
		return err
	}
	n := 0
	for rows.Next() {
		if _, err := rows.Values(); err != nil {
			rows.Close()
			return err
		}
		n++
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if n != want {
		return fmt.Errorf("%d rows, want %d: %s", n, want, query)
	}
	return nil
}
