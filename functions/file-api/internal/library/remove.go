package library

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/library/db"
	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/objectkey"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// formGrace is for an upload that began just before its form expired.
const formGrace = 5 * time.Minute

// processingWait is how long a client is told to wait for a verdict.
const processingWait = 10 * time.Second

// Delete puts a file in the bin, from where Restore takes it; it keeps its room in the quota until
// it is purged. A pending file's upload is cancelled, and its room comes back at once. Deleting
// again changes nothing.
func (l *Library) Delete(ctx context.Context, tx pgx.Tx, by tenant.Caller, id uuid.UUID) (File, error) {
	d := l.desk(tx, by)
	file, upload, err := d.lock(ctx, id)
	if err != nil {
		return File{}, err
	}
	if err := mayRemove(by, file); err != nil {
		return File{}, err
	}
	if file.Status == Deleted {
		return d.file(ctx, id)
	}
	if upload != nil {
		if err := d.giveUp(ctx, upload); err != nil {
			return File{}, err
		}
		if err := d.forgetIncoming(ctx, l.Buckets, id); err != nil {
			return File{}, err
		}
	}
	key := db.SoftDeleteFileParams{OrganizationID: d.organization, ID: id, Now: &d.now,
		DeletedBy: &by.User}
	if err := d.q.SoftDeleteFile(ctx, key); err != nil {
		return File{}, fmt.Errorf("delete file %s: %w", id, err)
	}
	told := map[string]any{"status": Deleted, "was": file.Status, "permanent": false}
	if err := d.logAndTell(ctx, file, "delete", map[string]any{"was": file.Status}, "file.deleted",
		told); err != nil {
		return File{}, err
	}
	return d.file(ctx, id)
}

// Restore takes a file out of the bin, into the state that it had: what was quarantined is
// quarantined again.
func (l *Library) Restore(ctx context.Context, tx pgx.Tx, by tenant.Caller, id uuid.UUID) (File, error) {
	d := l.desk(tx, by)
	file, _, err := d.lock(ctx, id)
	if err != nil {
		return File{}, err
	}
	if err := mayRemove(by, file); err != nil {
		return File{}, err
	}
	switch {
	case file.Status != Deleted:
		return File{}, fault.New(fault.Conflict, "not-deleted",
			"The file is not deleted, so there is nothing to restore.")
	case file.StatusBefore == Pending:
		return File{}, fault.New(fault.Conflict, "upload-cancelled",
			"The file was deleted before it was uploaded. Start a new upload.")
	}
	key := db.RestoreFileParams{OrganizationID: d.organization, ID: id, Now: d.now,
		UpdatedBy: &by.User}
	if err := d.q.RestoreFile(ctx, key); err != nil {
		return File{}, fmt.Errorf("restore file %s: %w", id, err)
	}
	told := map[string]any{"status": file.StatusBefore}
	if err := d.logAndTell(ctx, file, "restore", map[string]any{"to": file.StatusBefore},
		"file.restored", told); err != nil {
		return File{}, err
	}
	return d.file(ctx, id)
}

// Purge removes a file for good, with every version of its objects. Only its lines in the access
// log stay.
func (l *Library) Purge(ctx context.Context, tx pgx.Tx, by tenant.Caller, id uuid.UUID) error {
	d := l.desk(tx, by)
	file, upload, err := d.lock(ctx, id)
	if err != nil {
		return err
	}
	if err := mayRemove(by, file); err != nil {
		return err
	}
	return d.purge(ctx, l.Buckets, file, upload, "request")
}

func mayRemove(by tenant.Caller, f File) error {
	if !canChange(by, f) {
		return notYours(
			"Only its uploader and admins may delete or restore this file. Ask one of them.")
	}
	if f.Status == Processing {
		return fault.New(fault.Conflict, "still-processing",
			"The file is being checked. Try again in a few seconds.").After(processingWait)
	}
	return nil
}

// purge removes a locked file that is not in processing. Its objects go by the deletion queue, so
// that a crash forgets none of them.
func (d desk) purge(ctx context.Context, buckets Buckets, f File, upload *db.FileUpload,
	cause string) error {
	if upload != nil {
		if err := d.giveUp(ctx, upload); err != nil {
			return err
		}
	}
	if f.quotaBytes > 0 {
		if err := d.release(ctx, f.quotaBytes, 0); err != nil {
			return err
		}
	}
	if err := d.forgetIncoming(ctx, buckets, f.ID); err != nil {
		return err
	}
	_, original, variant, quarantine := objectkey.Prefixes(d.organization, f.ID)
	for _, at := range []struct{ bucket, prefix string }{
		{buckets.Files, original}, {buckets.Files, variant}, {buckets.Quarantine, quarantine},
	} {
		if err := d.forget(ctx, at.bucket, at.prefix, d.now); err != nil {
			return err
		}
	}
	if err := d.q.DeleteFile(ctx,
		db.DeleteFileParams{OrganizationID: d.organization, ID: f.ID}); err != nil {
		return fmt.Errorf("purge file %s: %w", f.ID, err)
	}
	told := map[string]any{"status": Deleted, "was": f.Status, "permanent": true}
	return d.logAndTell(ctx, f, "purge", map[string]any{"was": f.Status, "cause": cause},
		"file.deleted", told)
}

// forgetIncoming waits until no form that was signed until now can bring another version.
func (d desk) forgetIncoming(ctx context.Context, buckets Buckets, id uuid.UUID) error {
	incoming, _, _, _ := objectkey.Prefixes(d.organization, id)
	return d.forget(ctx, buckets.Incoming, incoming, d.now.Add(FormTime+formGrace))
}
