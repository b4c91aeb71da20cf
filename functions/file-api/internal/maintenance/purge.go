package maintenance

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// purgesAtOnce is how many connections there are.
const purgesAtOnce = 2

// dueFile is a file whose time came at due.
type dueFile struct {
	organization, id uuid.UUID
	due              time.Time
}

// purgeFiles is the page of one run. It goes on from the last file that it saw: those that cannot
// be purged stay the oldest that are due, and must not keep the others'.
func (m *Runner) purgeFiles(
	find func(ctx context.Context, after dueFile) ([]dueFile, error),
) func(context.Context, slice) (Summary, bool, error) {
	var last dueFile
	return func(ctx context.Context, s slice) (Summary, bool, error) {
		files, err := find(ctx, last)
		if err != nil || len(files) == 0 {
			return Summary{}, false, err
		}
		last = files[len(files)-1]
		done, _ := each(ctx, m, s, purgesAtOnce, files,
			func(f dueFile) (Summary, error) { return m.purgeFile(ctx, f) },
			func(f dueFile) []any {
				return []any{"organization_id", f.organization, "file_id", f.id}
			})
		return done, len(files) == page, nil
	}
}

func (m *Runner) purgeFile(ctx context.Context, f dueFile) (done Summary, err error) {
	var purged bool
	err = m.DB.InTenant(ctx, f.organization, func(tx pgx.Tx) (err error) {
		purged, err = m.System.PurgeDue(ctx, tx, f.organization, f.id)
		return err
	})
	if err == nil && purged {
		done.Purged = 1
		m.Log.InfoContext(ctx, "file purged", "organization_id", f.organization, "file_id", f.id)
	}
	return done, err
}
