package library

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/library/db"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// Get returns one file that the caller sees, a deleted one too.
func (l *Library) Get(ctx context.Context, tx pgx.Tx, by tenant.Caller,
	id uuid.UUID) (File, error) {
	return l.begin(tx, by).file(ctx, id)
}

// Filter narrows a list; a zero field does not. storedfile.Deleted files are listed only when
// Status says so.
type Filter struct {
	Status      storedfile.Status
	Category    Category
	ContentType string // a prefix: "image/"
	Name        string // a prefix of the filename, case-sensitive
	UploadedBy  uuid.UUID
	After       *Position // what the page before ended with
	Limit       int
}

// List returns files that the caller sees, newest first.
func (l *Library) List(ctx context.Context, tx pgx.Tx, by tenant.Caller, f Filter) ([]File, error) {
	before, beforeID := f.After.parts()
	rows, err := db.New(tx).ListFiles(ctx, db.ListFilesParams{
		OrganizationID: by.Organization,
		Status:         optional(string(f.Status), ""),
		Category:       optional(string(f.Category), ""),
		ContentType:    optional(f.ContentType, ""),
		Name:           optional(f.Name, ""),
		UploadedBy:     optional(f.UploadedBy, uuid.Nil),
		SeesAll:        by.Role.AtLeast(tenant.Staff),
		Caller:         by.User,
		Before:         before,
		BeforeID:       beforeID,
		Page:           int32(f.Limit),
	})
	if err != nil {
		return nil, fmt.Errorf("list files: %w", err)
	}
	files := make([]File, len(rows))
	for i, row := range rows {
		if files[i], err = fileOf(row.File,
			consentOf(row.GivenBy, row.Basis, row.RecordedBy, row.RecordedAt),
			downloads{row.DownloadCount, row.LastAccessedAt}); err != nil {
			return nil, err
		}
	}
	return files, nil
}

func (p *Position) parts() (*time.Time, *uuid.UUID) {
	if p == nil {
		return nil, nil
	}
	return &p.Time, &p.ID
}
