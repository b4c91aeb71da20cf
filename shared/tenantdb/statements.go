package tenantdb

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// scope is what the statements of Once and Read are preceded by, in the same round trip: what
// InTenant sets in its BEGIN. Postgres runs all that is sent up to one Sync as one transaction, so
// the settings end with the statements after them.
func (db *DB) scope() string {
	return `select set_config('app.current_organization_id', $1, true),
		set_config('search_path', 'public, pg_temp', true)` + db.limits
}

var errNoOrganization = errors.New("a tenant's transaction needs an organization")

// Once runs the statements of batch in one transaction that sees one organization's rows, and in
// one round trip where InTenant needs three. It is for work that no later statement depends on.
func (db *DB) Once(ctx context.Context, organization uuid.UUID, batch *pgx.Batch) error {
	if organization == uuid.Nil {
		return errNoOrganization
	}
	return db.ended(db.pool.SendBatch(ctx, db.scoped(organization, batch)).Close())
}

func (db *DB) scoped(organization uuid.UUID, batch *pgx.Batch) *pgx.Batch {
	whole := &pgx.Batch{}
	whole.Queue(db.scope(), organization.String())
	whole.QueuedQueries = append(whole.QueuedQueries, batch.QueuedQueries...)
	return whole
}

// Read runs fn for one organization with each statement a transaction of its own, in one round
// trip and not three. At READ COMMITTED each statement has a snapshot of its own anyway; what fn
// gives up is locks that last and undoing more than one statement, so it may not change anything.
func (db *DB) Read(ctx context.Context, organization uuid.UUID, fn func(tx pgx.Tx) error) error {
	if organization == uuid.Nil {
		return errNoOrganization
	}
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return classify(err)
	}
	defer conn.Release()
	return db.ended(fn(reader{db, conn, organization}))
}

// reader stands for the transaction in Read.
type reader struct {
	db           *DB
	conn         *pgxpool.Conn
	organization uuid.UUID
}

var errReads = errors.New("a read has no transaction of its own")

func (r reader) SendBatch(ctx context.Context, batch *pgx.Batch) pgx.BatchResults {
	results := r.conn.SendBatch(ctx, r.db.scoped(r.organization, batch))
	_, _ = results.Exec() // the scope's own row; an error stays with the results
	return results
}

func (r reader) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	batch := &pgx.Batch{}
	batch.Queue(sql, args...)
	results := r.SendBatch(ctx, batch)
	tag, err := results.Exec()
	return tag, errors.Join(err, results.Close())
}

func (r reader) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	batch := &pgx.Batch{}
	batch.Queue(sql, args...)
	results := r.SendBatch(ctx, batch)
	rows, err := results.Query()
	if err != nil {
		_ = results.Close() // the same error
		return rows, err
	}
	return &lastRows{rows, results}, nil
}

func (r reader) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	rows, err := r.Query(ctx, sql, args...)
	return oneRow{rows, err}
}

func (reader) Begin(context.Context) (pgx.Tx, error) { return nil, errReads }
func (reader) Commit(context.Context) error          { return errReads }
func (reader) Rollback(context.Context) error        { return errReads }
func (reader) LargeObjects() pgx.LargeObjects        { return pgx.LargeObjects{} }
func (r reader) Conn() *pgx.Conn                     { return r.conn.Conn() }

func (reader) CopyFrom(context.Context, pgx.Identifier, []string,
	pgx.CopyFromSource) (int64, error) {
	return 0, errReads
}

func (reader) Prepare(context.Context, string, string) (*pgconn.StatementDescription, error) {
	return nil, errReads
}

// lastRows gives the connection back with the last row.
type lastRows struct {
	pgx.Rows
	results pgx.BatchResults
}

func (r *lastRows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

func (r *lastRows) Close() {
	r.Rows.Close()
	_ = r.results.Close() // Err has it
}

type oneRow struct {
	rows pgx.Rows
	err  error
}

func (r oneRow) Scan(into ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return pgx.ErrNoRows
	}
	if err := r.rows.Scan(into...); err != nil {
		return err
	}
	r.rows.Close()
	return r.rows.Err()
}
