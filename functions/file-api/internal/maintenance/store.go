package maintenance

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/library"
	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/maintenance/db"
)

// What maintenance looks for in every organization. Its database role may read files, uploads and
// the deletion queue across organizations, and remove idempotency keys and rate limits that are
// over; it writes anything else in one organization at a time.

func (m *Runner) uploadsDue(ctx context.Context) ([]db.UploadsDueRow, error) {
	return across(ctx, m, "find uploads that are due",
		func(q *db.Queries) ([]db.UploadsDueRow, error) {
			return q.UploadsDue(ctx, db.UploadsDueParams{Now: m.now(), Share: uploadShare,
				Page: page})
		})
}

func (m *Runner) filesPastDeletion(ctx context.Context, after dueFile) ([]dueFile, error) {
	now := m.now()
	rows, err := across(ctx, m, "find files past their deletion date",
		func(q *db.Queries) ([]db.FilesPastDeletionRow, error) {
			return q.FilesPastDeletion(ctx, db.FilesPastDeletionParams{Now: &now, After: after.due,
				AfterOrganization: after.organization, AfterID: after.id, Page: page})
		})
	var due []dueFile
	for _, r := range rows {
		due = append(due, dueFile{r.OrganizationID, r.ID, *r.Due})
	}
	return due, err
}

func (m *Runner) filesInTrash(ctx context.Context, after dueFile) ([]dueFile, error) {
	trashed := m.now().Add(-library.TrashTime)
	rows, err := across(ctx, m, "find files in the trash",
		func(q *db.Queries) ([]db.FilesInTrashRow, error) {
			return q.FilesInTrash(ctx, db.FilesInTrashParams{DeletedBefore: &trashed,
				After:             after.due,
				AfterOrganization: after.organization, AfterID: after.id, Page: page})
		})
	var due []dueFile
	for _, r := range rows {
		due = append(due, dueFile{r.OrganizationID, r.ID, *r.Due})
	}
	return due, err
}

func (m *Runner) deletionsDue(ctx context.Context) ([]db.DeletionsDueRow, error) {
	return across(ctx, m, "find objects to delete",
		func(q *db.Queries) ([]db.DeletionsDueRow, error) {
			return q.DeletionsDue(ctx, db.DeletionsDueParams{Now: m.now(), Page: page})
		})
}

func (m *Runner) expireKeys(ctx context.Context, _ slice) (Summary, bool, error) {
	n, err := across(ctx, m, "delete expired idempotency keys", func(q *db.Queries) (int64, error) {
		return q.DeleteExpiredKeys(ctx, db.DeleteExpiredKeysParams{Now: m.now(), Page: keysPage})
	})
	return Summary{Keys: n}, n >= keysPage, err
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
