package maintenance

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/library"
	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/maintenance/db"
)

// What maintenance looks for in every organization. Its database role may read files, uploads and
// the deletion queue across organizations, and remove idempotency keys that have expired; it writes
// anything else in one organization at a time.

func (m *Runner) quietUploads(ctx context.Context) ([]db.UploadsToCheckRow, error) {
	quiet, leased := m.now().Add(-quietTime), m.now().Add(-leaseGrace)
	return across(ctx, m, "find quiet uploads",
		func(q *db.Queries) ([]db.UploadsToCheckRow, error) {
			return q.UploadsToCheck(ctx,
				db.UploadsToCheckParams{CheckedBefore: &quiet, LeaseBefore: &leased, Page: page})
		})
}

// filesToPurge steps over the first ones, which are stuck.
func (m *Runner) filesToPurge(ctx context.Context, stuck int) ([]db.FilesToPurgeRow, error) {
	now := m.now()
	trashed := now.Add(-library.TrashTime)
	return across(ctx, m, "find files to purge", func(q *db.Queries) ([]db.FilesToPurgeRow, error) {
		return q.FilesToPurge(ctx, db.FilesToPurgeParams{Now: &now, DeletedBefore: &trashed,
			Page: page, Stuck: int32(stuck)})
	})
}

func (m *Runner) deletionsDue(ctx context.Context) ([]db.DeletionsDueRow, error) {
	return across(ctx, m, "find objects to delete",
		func(q *db.Queries) ([]db.DeletionsDueRow, error) {
			return q.DeletionsDue(ctx, db.DeletionsDueParams{Now: m.now(), Page: page})
		})
}

func (m *Runner) expireKeys(ctx context.Context, done *Summary) (bool, error) {
	n, err := across(ctx, m, "delete expired idempotency keys", func(q *db.Queries) (int64, error) {
		return q.DeleteExpiredKeys(ctx, db.DeleteExpiredKeysParams{Now: m.now(), Page: keysPage})
	})
	done.Keys += n
	return n >= keysPage, err
}

// keysPage bounds one statement's row locks and WAL.
const keysPage = 5000

func across[T any](ctx context.Context, m *Runner, what string,
	query func(*db.Queries) (T, error)) (found T, err error) {
	err = m.DB.AcrossTenants(ctx, func(tx pgx.Tx) error {
		found, err = query(db.New(tx))
		return err
	})
	if err != nil {
		return found, fmt.Errorf("%s: %w", what, err)
	}
	return found, nil
}
