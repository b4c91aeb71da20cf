package library

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/library/db"
	"github.com/toolboxai-solutions/satchel/shared/fault"
)

// purgeFiles is the step of one run. Files that cannot be purged stay the oldest that are due, so
// it steps over them: one organization's broken figures must not keep another's files.
func (u *Maintenance) purgeFiles() func(context.Context, *Summary) (bool, error) {
	stuck := 0
	return func(ctx context.Context, done *Summary) (bool, error) {
		files, err := u.filesToPurge(ctx, stuck)
		if err != nil {
			return false, err
		}
		failed := done.Failed
		each(ctx, u, done, files,
			func(due db.FilesToPurgeRow) error { return u.purgeFile(ctx, done, due) },
			func(due db.FilesToPurgeRow) []any {
				return []any{"organization_id", due.OrganizationID, "file_id", due.ID}
			})
		stuck += done.Failed - failed
		return len(files) == page, nil
	}
}

func (u *Maintenance) purgeFile(ctx context.Context, done *Summary, due db.FilesToPurgeRow) error {
	purged := false
	err := u.DB.InTenant(ctx, due.OrganizationID, func(tx pgx.Tx) error {
		d := u.desk(tx, due.OrganizationID)
		file, upload, err := d.lock(ctx, due.ID)
		if fault.KindOf(err) == fault.NotFound {
			return nil // someone was faster
		}
		if err != nil {
			return err
		}
		cause := dueBecause(file, d.now)
		if cause == "" || file.Status == Processing {
			return nil // restored, kept for longer, or being processed since it was looked up
		}
		purged = true
		return d.purge(ctx, u.Buckets, file, upload, cause)
	})
	if err == nil && purged {
		done.Purged++
		u.Log.InfoContext(ctx, "file purged", "organization_id", due.OrganizationID, "file_id",
			due.ID)
	}
	return err
}

// dueBecause says why a file is to be purged, or "".
func dueBecause(f File, now time.Time) string {
	switch {
	case f.DeletionDate != nil && f.DeletionDate.Before(now):
		return "retention"
	case f.DeletedAt != nil && f.DeletedAt.Add(BinTime).Before(now):
		return "bin"
	}
	return ""
}
