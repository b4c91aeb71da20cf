package tenantdb

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Queue stands for a transaction where statements that return nothing are to share one round trip:
// each is added to Batch, and runs when the caller sends that.
type Queue struct{ Batch *pgx.Batch }

var errQueueReads = errors.New("a queued statement has no rows to return")

// Exec adds the statement. The tag is empty and the error nil: both come with the batch's results.
func (q Queue) Exec(_ context.Context, sql string, arguments ...any) (pgconn.CommandTag, error) {
	q.Batch.Queue(sql, arguments...)
	return pgconn.CommandTag{}, nil
}

// Query refuses.
func (q Queue) Query(context.Context, string,
	...any) (pgx.Rows, error) {
	return nil, errQueueReads
}

// QueryRow refuses.
func (q Queue) QueryRow(context.Context, string, ...any) pgx.Row { return noRow{} }

type noRow struct{}

func (noRow) Scan(...any) error { return errQueueReads }
