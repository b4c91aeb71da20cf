package maintenance

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/library"
	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/maintenance/db"
	"github.com/toolboxai-solutions/satchel/shared/objectkey"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
)

const (
	// quietTime is how long an upload is left alone between two looks, and after POST: at most one
	// event in that time for one file.
	quietTime = 5 * time.Minute
	// leaseGrace is for a worker's clock, and for the queue to deliver a message again by itself.
	leaseGrace = 2 * time.Minute
)

// action is what to do about an upload that has gone quiet.
type action string

const (
	wait       action = "wait"
	requeue    action = "requeue"
	rejectLate action = action(storedfile.UploadExpired)
	rejectGone action = action(storedfile.ObjectMissing)
)

// objectVersion is a stored version of an upload's key.
type objectVersion struct {
	id   string
	etag string
	size int64
}

// nextAction says what to do, given the versions of the key from the oldest to the newest. The
// version that was claimed first is the only one that can win; without a claim the oldest is the
// one whose event should have come first.
func nextAction(upload db.FileUpload, stored []objectVersion,
	now time.Time) (action, objectVersion) {
	for _, version := range stored {
		if upload.ObjectVersion == nil || version.id == *upload.ObjectVersion {
			return requeue, version
		}
	}
	switch {
	case upload.ObjectVersion != nil:
		return rejectGone, objectVersion{}
	case now.After(upload.ExpiresAt.Add(storedfile.FormGrace)):
		return rejectLate, objectVersion{}
	}
	return wait, objectVersion{}
}

func (m *Runner) checkUploads(ctx context.Context, done *Summary) (bool, error) {
	uploads, err := m.quietUploads(ctx)
	if err != nil {
		return false, err
	}
	return each(ctx, m, done, uploads,
		func(quiet db.UploadsToCheckRow) error { return m.checkUpload(ctx, done, quiet) },
		func(quiet db.UploadsToCheckRow) []any {
			return []any{"organization_id", quiet.OrganizationID, "file_id", quiet.FileID}
		}), nil
}

func (m *Runner) checkUpload(ctx context.Context, done *Summary,
	quiet db.UploadsToCheckRow) error {
	upload, err := m.take(ctx, quiet)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // it ended, or another run has it
	}
	if err != nil {
		return err
	}
	key := objectkey.Incoming(upload.OrganizationID, upload.FileID, int(upload.Version))
	stored, err := m.versions(ctx, m.System.Buckets.Incoming, key)
	if err != nil {
		return err
	}
	what, version := nextAction(upload, stored, m.now())
	switch what {
	case requeue:
		if err := m.requeue(ctx, key, version); err != nil {
			return err
		}
		done.Requeued++
	case rejectLate, rejectGone:
		rejected, err := m.reject(ctx, upload, storedfile.Reason(what))
		if err != nil || !rejected {
			return err
		}
		if what == rejectLate {
			done.Expired++
		} else {
			done.Missing++
		}
	}
	if what != wait {
		m.Log.InfoContext(ctx, "upload followed up", "organization_id", upload.OrganizationID,
			"file_id", upload.FileID, "outcome", what, "attempts", upload.Attempts)
	}
	return nil
}

// take marks the upload as looked at before anything is done about it, so that a crash costs one
// quietTime and no flood of events.
func (m *Runner) take(ctx context.Context,
	quiet db.UploadsToCheckRow) (upload db.FileUpload, err error) {
	err = m.DB.InTenant(ctx, quiet.OrganizationID, func(tx pgx.Tx) error {
		now := m.now()
		upload, err = db.New(tx).TakeUploadToCheck(ctx, db.TakeUploadToCheckParams{
			OrganizationID: quiet.OrganizationID, FileID: quiet.FileID, Now: &now,
			Seen: quiet.CheckedAt,
		})
		return err
	})
	return upload, err
}

// reject ends an upload that can no longer become a file.
func (m *Runner) reject(ctx context.Context, seen db.FileUpload,
	reason storedfile.Reason) (rejected bool, err error) {
	err = m.DB.InTenant(ctx, seen.OrganizationID, func(tx pgx.Tx) (err error) {
		rejected, err = m.System.Reject(ctx, tx, library.OpenUpload{
			Organization: seen.OrganizationID, File: seen.FileID, Fence: seen.Fence,
			ExpiresAt: seen.ExpiresAt,
		}, reason)
		return err
	})
	return rejected && err == nil, err
}
