package maintenance

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/maintenance/db"
)

// purgeFiles is the step of one run. Files that cannot be purged stay the oldest that are due, so
// it steps over them: one organization's broken figures must not keep another's files.
func (m *Runner) purgeFiles() func(context.Context, *Summary) (bool, error) {
	stuck := 0
	return func(ctx context.Context, done *Summary) (bool, error) {
		files, err := m.filesToPurge(ctx, stuck)
		if err != nil {
			return false, err
		}
		failed := done.Failed
		each(ctx, m, done, files,
			func(due db.FilesToPurgeRow) error { return m.purgeFile(ctx, done, due) },
			func(due db.FilesToPurgeRow) []any {
				return []any{"organization_id", due.OrganizationID, "file_id", due.ID}
			})
		stuck += done.Failed - failed
		return len(files) == page, nil
	}
}

func (m *Runner) purgeFile(ctx context.Context, done *Summary, due db.FilesToPurgeRow) error {
	var purged bool
	err := m.DB.InTenant(ctx, due.OrganizationID, func(tx pgx.Tx) (err error) {
		purged, err = m.System.PurgeDue(ctx, tx, due.OrganizationID, due.ID)
		return err
	})
	if err == nil && purged {
		done.Purged++
		m.Log.InfoContext(ctx, "file purged", "organization_id", due.OrganizationID, "file_id",
			due.ID)
	}
	return err
}
