package library

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/library/db"
	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
)

// System does to files what nobody asked for and time demands. It checks no permission, and the
// access log names no user: it is for maintenance, never for a request.
type System struct {
	Buckets storedfile.Buckets
	Now     func() time.Time
}

func (s System) begin(tx pgx.Tx, organization uuid.UUID) unitOfWork {
	return unitOfWork{tx: tx, q: db.New(tx), organization: organization, buckets: s.Buckets,
		now: timestamp(s.Now)}
}

// PurgeDue purges a file whose time has come, and reports whether it did: not one that is gone, was
// restored or kept for longer since it was found, or is being processed.
func (s System) PurgeDue(ctx context.Context, tx pgx.Tx, organization, id uuid.UUID) (bool, error) {
	u := s.begin(tx, organization)
	file, upload, err := u.lockDue(ctx, id)
	if fault.KindOf(err) == fault.NotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	cause := dueBecause(file, u.now)
	if cause == "" || file.Status == storedfile.Processing {
		return false, nil
	}
	return true, u.purge(ctx, file, upload, cause)
}

// dueBecause says why a file is to be purged, or "".
func dueBecause(f File, now time.Time) string {
	switch {
	case f.DeletionDate != nil && f.DeletionDate.Before(now):
		return "retention"
	case f.DeletedAt != nil && f.DeletedAt.Add(TrashTime).Before(now):
		return "trash"
	}
	return ""
}

// OpenUpload is an upload as it was when somebody looked at it.
type OpenUpload struct {
	Organization, File uuid.UUID
	Fence              int64
	ExpiresAt          time.Time
}

// Reject ends an upload that can no longer become a file, and reports whether it did: not one to
// which something has happened since it was seen.
func (s System) Reject(ctx context.Context, tx pgx.Tx, seen OpenUpload,
	reason storedfile.Reason) (bool, error) {
	u := s.begin(tx, seen.Organization)
	file, upload, err := u.lockDue(ctx, seen.File)
	if fault.KindOf(err) == fault.NotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if upload == nil || upload.Fence != seen.Fence || !upload.ExpiresAt.Equal(seen.ExpiresAt) {
		return false, nil
	}
	if err := u.endUpload(ctx, upload); err != nil {
		return false, err
	}
	if err := u.q.RejectFile(ctx, db.RejectFileParams{OrganizationID: u.organization, ID: file.ID,
		Status: string(reason.Status()), Reason: string(reason),
		DeletionDate: new(u.now.Add(storedfile.RejectedTime)), Now: u.now}); err != nil {
		return false, fmt.Errorf("reject file %s: %w", file.ID, err)
	}
	if err := u.enqueueIncomingDeletion(ctx, file.ID); err != nil {
		return false, err
	}
	verdict := storedfile.Verdict{Version: int(upload.Version), Reason: reason}
	return true, u.logAndEnqueue(ctx, file.ID, ActionProcess,
		map[string]any{"status": reason.Status(), "reason": reason},
		verdict.Notification(file.ID, file.UploadedBy))
}
