package maintenance

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/library"
	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/maintenance/db"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
)

const (
	// quietTime is how long an upload is left alone between two looks, and after POST.
	quietTime = 5 * time.Minute
	// longestWait is between two events for a file that nothing comes of: the wait doubles up to
	// it.
	longestWait = time.Hour
	// uploadShare is how many of one organization a page may have, and uploadPages how many pages a
	// run may send: at most 2,000 events of all and 200 of one.
	uploadShare = 20
	uploadPages = 10
	// uploadsAtOnce is how many are looked for in storage at a time.
	uploadsAtOnce = 8
	// requestTime bounds one request to storage or to the queue, so that one that hangs does not
	// take the run along.
	requestTime = 20 * time.Second
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

// checkUploads is the page of one run.
func (m *Runner) checkUploads() func(context.Context, slice) (Summary, bool, error) {
	pages := 0
	return func(ctx context.Context, s slice) (Summary, bool, error) {
		uploads, err := m.uploadsDue(ctx)
		if err != nil || len(uploads) == 0 {
			return Summary{}, false, err
		}
		pages++
		done, _ := each(ctx, m, s, uploadsAtOnce, uploads,
			func(due db.UploadsDueRow) (Summary, error) { return m.checkUpload(ctx, due) },
			func(due db.UploadsDueRow) []any {
				return []any{"organization_id", due.OrganizationID, "file_id", due.FileID}
			})
		return done, pages < uploadPages, nil
	}
}

func (m *Runner) checkUpload(ctx context.Context, due db.UploadsDueRow) (done Summary, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*requestTime)
	defer cancel()
	upload, place, err := m.take(ctx, due)
	if errors.Is(err, pgx.ErrNoRows) {
		return done, nil // it ended, or another run has it
	}
	if err != nil {
		return done, err
	}
	stored, err := m.versions(ctx, place.BucketName, place.StoragePath)
	if err != nil {
		return done, err
	}
	what, version := nextAction(upload, stored, m.now())
	switch what {
	case requeue:
		if err := m.requeue(ctx, place.BucketName, place.StoragePath, version); err != nil {
			return done, err
		}
		done.Requeued++
		if err := m.waitLonger(ctx, upload); err != nil {
			return done, err
		}
	case rejectLate, rejectGone:
		rejected, err := m.reject(ctx, upload, storedfile.Reason(what))
		if err != nil || !rejected {
			return done, err
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
	return done, nil
}

// take says when the upload is looked at next before anything is done about it, so that a crash
// costs one quietTime and no flood of events.
func (m *Runner) take(ctx context.Context,
	due db.UploadsDueRow) (upload db.FileUpload, place db.UploadPlaceRow, err error) {
	err = m.DB.InTenant(ctx, due.OrganizationID, func(tx pgx.Tx) error {
		q := db.New(tx)
		upload, err = q.TakeUpload(ctx, db.TakeUploadParams{
			OrganizationID: due.OrganizationID, FileID: due.FileID, Next: m.now().Add(quietTime),
			Seen: due.CheckAt,
		})
		if err != nil {
			return err
		}
		place, err = q.UploadPlace(ctx, db.UploadPlaceParams{OrganizationID: due.OrganizationID,
			FileID: due.FileID})
		return err
	})
	return upload, place, err
}

// waitLonger doubles the time until the next event: five minutes, ten, twenty, up to an hour.
func (m *Runner) waitLonger(ctx context.Context, upload db.FileUpload) error {
	pause := min(quietTime<<min(upload.Retries, 8), longestWait)
	return m.DB.InTenant(ctx, upload.OrganizationID, func(tx pgx.Tx) error {
		return db.New(tx).WaitLonger(ctx, db.WaitLongerParams{
			OrganizationID: upload.OrganizationID, FileID: upload.FileID, Fence: upload.Fence,
			Seen: upload.CheckAt, Next: m.now().Add(pause),
		})
	})
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
