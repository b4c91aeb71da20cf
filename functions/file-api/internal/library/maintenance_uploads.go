package library

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/library/db"
	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/objectkey"
)

const (
	// quietTime is how long an upload is left alone between two looks, and after POST: at most one
	// event in that time for one file.
	quietTime = 5 * time.Minute
	// leaseGrace is for a worker's clock, and for the queue to deliver a message again by itself.
	leaseGrace = 2 * time.Minute
)

// followUp is what to do about an upload that went quiet.
type followUp string

const (
	wait       followUp = "wait"
	requeue    followUp = "requeue"
	giveUpLate followUp = followUp(UploadExpired)
	giveUpLost followUp = followUp(ObjectMissing)
)

// objectVersion is a stored version of an upload's key.
type objectVersion struct {
	id   string
	etag string
	size int64
}

// decide says what to do, given the versions of the key from the oldest to the newest. The version
// that was claimed first is the only one that can win; without a claim the oldest is the one whose
// event should have come first.
func decide(upload db.FileUpload, stored []objectVersion, now time.Time) (followUp, objectVersion) {
	for _, version := range stored {
		if upload.ObjectVersion == nil || version.id == *upload.ObjectVersion {
			return requeue, version
		}
	}
	switch {
	case upload.ObjectVersion != nil:
		return giveUpLost, objectVersion{}
	case now.After(upload.ExpiresAt.Add(formGrace)):
		return giveUpLate, objectVersion{}
	}
	return wait, objectVersion{}
}

func (u *Maintenance) checkUploads(ctx context.Context, done *Summary) (bool, error) {
	uploads, err := u.quietUploads(ctx)
	if err != nil {
		return false, err
	}
	return each(ctx, u, done, uploads,
		func(quiet db.UploadsToCheckRow) error { return u.checkUpload(ctx, done, quiet) },
		func(quiet db.UploadsToCheckRow) []any {
			return []any{"organization_id", quiet.OrganizationID, "file_id", quiet.FileID}
		}), nil
}

func (u *Maintenance) checkUpload(ctx context.Context, done *Summary,
	quiet db.UploadsToCheckRow) error {
	upload, err := u.take(ctx, quiet)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // it ended, or another run has it
	}
	if err != nil {
		return err
	}
	key := objectkey.Incoming(upload.OrganizationID, upload.FileID, int(upload.Version))
	stored, err := u.versions(ctx, u.Buckets.Incoming, key)
	if err != nil {
		return err
	}
	what, version := decide(upload, stored, u.now())
	switch what {
	case requeue:
		if err := u.announce(ctx, key, version); err != nil {
			return err
		}
		done.Requeued++
	case giveUpLate, giveUpLost:
		rejected, err := u.reject(ctx, upload, Reason(what))
		if err != nil || !rejected {
			return err
		}
		if what == giveUpLate {
			done.Expired++
		} else {
			done.Missing++
		}
	}
	if what != wait {
		u.Log.InfoContext(ctx, "upload followed up", "organization_id", upload.OrganizationID,
			"file_id", upload.FileID, "outcome", what, "attempts", upload.Attempts)
	}
	return nil
}

// take marks the upload as looked at before anything is done about it, so that a crash costs one
// quietTime and no flood of events.
func (u *Maintenance) take(ctx context.Context,
	quiet db.UploadsToCheckRow) (upload db.FileUpload, err error) {
	err = u.DB.InTenant(ctx, quiet.OrganizationID, func(tx pgx.Tx) error {
		now := u.now()
		upload, err = db.New(tx).TakeUploadToCheck(ctx, db.TakeUploadToCheckParams{
			OrganizationID: quiet.OrganizationID, FileID: quiet.FileID, Now: &now,
			Seen: quiet.CheckedAt,
		})
		return err
	})
	return upload, err
}

// reject ends an upload that cannot become a file any more, unless something happened to it since
// it was looked at.
func (u *Maintenance) reject(ctx context.Context, seen db.FileUpload,
	reason Reason) (rejected bool, err error) {
	err = u.DB.InTenant(ctx, seen.OrganizationID, func(tx pgx.Tx) error {
		d := u.desk(tx, seen.OrganizationID)
		file, upload, err := d.lock(ctx, seen.FileID)
		if fault.KindOf(err) == fault.NotFound {
			return nil
		}
		if err != nil {
			return err
		}
		if upload == nil || upload.Fence != seen.Fence || !upload.ExpiresAt.Equal(seen.ExpiresAt) {
			return nil
		}
		rejected = true
		return d.reject(ctx, u.Buckets, file, upload, reason)
	})
	return rejected && err == nil, err
}

func (d desk) reject(ctx context.Context, buckets Buckets, f File, upload *db.FileUpload,
	reason Reason) error {
	if err := d.giveUp(ctx, upload); err != nil {
		return err
	}
	key := db.RejectFileParams{OrganizationID: d.organization, ID: upload.FileID,
		Reason: string(reason), Now: d.now}
	if err := d.q.RejectFile(ctx, key); err != nil {
		return err
	}
	if err := d.forgetIncoming(ctx, buckets, upload.FileID); err != nil {
		return err
	}
	return d.logAndTell(ctx, f, "process", map[string]any{"status": Failed, "reason": reason},
		"file.rejected", map[string]any{"status": Failed, "reason": reason})
}

func (u *Maintenance) desk(tx pgx.Tx, organization uuid.UUID) desk {
	return desk{tx: tx, q: db.New(tx), organization: organization, now: u.now()}
}
