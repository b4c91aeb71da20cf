package main

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	policyRounds = 40
	// bypass is a role like that of the entry, but for the policies. It lives as long as the
	// bench's own server.
	bypass = "satchel_bench_bypass"
)

// policy compares queries under row-level security with the same ones by a role that it does not
// bind.
func policy(ctx context.Context, w *fixture) (section, error) {
	s := section{
		title: "What row-level security costs on files",
		method: fmt.Sprintf(`%d organizations with %d files each, their rows among each other's. Bound is the role of file-api/http: policy and
organization_id = $1, as every query is written. Unbound is a role with BYPASSRLS and the same text, so organization_id = $1 alone. One
session each with the setting made at its start, no BEGIN, milliseconds a query with its planning, which is where a policy costs.`,
			organizations, filesEach),
	}
	bound, err := connect(ctx, w.Ready.Roles[entry], w.tenant.listed)
	if err != nil {
		return s, err
	}
	defer bound.Close()
	unbound, err := w.unbound(ctx)
	if err != nil {
		return s, err
	}
	defer unbound.Close()

	t := table{head: []string{"query", "bound", "unbound", "difference, µs", "bound ÷ unbound"}}
	const columns = `SELECT id, filename, status, category, file_size, mime_type, uploaded_by,
		variants, created_at FROM files WHERE organization_id = $1 `
	for _, q := range []struct {
		what        string
		times, rows int
		text        string
		arguments   []any
	}{
		{"point, by id", 250, 1, pointQuery, []any{w.tenant.file}},
		{"newest 50", 120, 50, columns +
			`AND status <> $2 ORDER BY created_at DESC, id DESC LIMIT 50`, []any{"deleted"}},
		{"newest 20 of a status", 120, 20, columns +
			`AND status = $2 ORDER BY created_at DESC, id DESC LIMIT 50`, []any{"error"}},
		{"name prefix, 11 rows", 120, 11, columns +
			`AND filename COLLATE "C" ^@ $2 ORDER BY created_at DESC, id DESC LIMIT 50`,
			[]any{"lesson 77"}},
		{"sum over 1000 rows", 40, 1, `SELECT sum(file_size) FROM files
			WHERE organization_id = $1`, nil},
	} {
		arguments := append([]any{w.tenant.listed}, q.arguments...)
		side := func(db *pgxpool.Pool) func() (float64, error) {
			return timed(q.times, func() error {
				return fetch(ctx, db, q.rows, q.text,
					arguments...)
			})
		}
		if _, err := alternate(2, side(bound), side(unbound)); err != nil {
			return s, err
		}
		figures, err := alternate(policyRounds, side(bound), side(unbound))
		if err != nil {
			return s, err
		}
		t.add(q.what, ms(median(figures[0])), ms(median(figures[1])),
			fmt.Sprintf("%.0f", 1000*median(minus(figures[0], figures[1]))),
			ratioOf(figures[0], figures[1]).String())
	}
	s.tables = []table{t}
	s.notes = []string{"That each filter of GET /v1/files uses its index under the policy is a " +
		"test, not a timing: TestFiltersUseTheirIndexes in functions/file-api/internal/library."}
	return s, nil
}

// unbound makes the role that policies do not bind.
func (w *fixture) unbound(ctx context.Context) (*pgxpool.Pool, error) {
	password := rand.Text()
	_, err := w.superuser.Exec(ctx,
		`CREATE ROLE `+bypass+` LOGIN BYPASSRLS PASSWORD '`+password+`'; GRANT SELECT ON files TO `+bypass)
	if err != nil {
		return nil, fmt.Errorf("make the role without policies: %w", err)
	}
	name := w.superuser.Config().ConnConfig.Database
	return connect(ctx, w.Postgres.URL(name, bypass, password), uuid.Nil)
}
