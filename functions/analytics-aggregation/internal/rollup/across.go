package rollup

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/analytics-aggregation/internal/rollup/db"
)

// across is a transaction over all organizations. A bucket is computed for all of them in one
// statement; the role of the run may read executions and agents so, and write metrics. Everything
// else, usage above all, goes through one organization's door at a time.
func (a *Aggregator) across(ctx context.Context, fn func(q *db.Queries) error) error {
	return a.DB.AcrossTenants(ctx, func(tx pgx.Tx) error { return fn(db.New(tx)) })
}
