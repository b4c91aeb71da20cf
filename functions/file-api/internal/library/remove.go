package library

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/library/db"
	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/objectkey"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// processingWait is how long a client is told to wait for a verdict.
const processingWait = 10 * time.Second

// Delete moves a file to the trash, from where Restore takes it; it keeps its space in the quota
// until it is purged. A pending file's upload is cancelled: its space is released at once, and only
// its records in the access log stay. Deleting again changes nothing.
func (l *Library) Delete(ctx context.Context, tx pgx.Tx, by tenant.Caller,
	id uuid.UUID) (File, error) {
	r := l.begin(tx, by)
	file, upload, err := r.lock(ctx, id)
	if err != nil {
		return File{}, err
	}
	if err := checkRemovable(by, file); err != nil {
		return File{}, err
	}
	if file.Status == storedfile.Deleted {
		return r.file(ctx, id)
	}
	if upload != nil { // no bytes have come: there is nothing to restore, and nothing is kept
		was := file.Status
		file.Status, file.StatusBefore, file.DeletedAt, file.UpdatedAt = storedfile.Deleted, was,
			&r.now, r.now
		return file, r.cancel(ctx, file, upload)
	}
	key := db.SoftDeleteFileParams{OrganizationID: r.organization, ID: id, Now: &r.now,
		DeletedBy: &by.User}
	if err := r.q.SoftDeleteFile(ctx, key); err != nil {
		return File{}, fmt.Errorf("delete file %s: %w", id, err)
	}
	if err := r.logAndEnqueue(ctx, id, ActionDelete, map[string]any{"was": file.Status},
		storedfile.DeletedNotification(id, file.UploadedBy, file.Status, false)); err != nil {
		return File{}, err
	}
	return r.file(ctx, id)
}

// Removed is what came of one file: as it is now, or why it is not removed.
type Removed struct {
	File File
	Err  error // a fault
}

// DeleteAll is Delete of each file, or Purge where permanent is set. It locks them in the order of
// their ids and before the quota, so that two of them cannot wait for each other.
func (l *Library) DeleteAll(ctx context.Context, tx pgx.Tx, by tenant.Caller, ids []uuid.UUID,
	permanent bool) ([]Removed, error) {
	r := l.begin(tx, by)
	for _, id := range slices.SortedFunc(slices.Values(ids),
		func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }) {
		if _, _, err := r.unitOfWork.lock(ctx, id); err != nil &&
			fault.KindOf(err) != fault.NotFound {
			return nil, err
		}
	}
	results := make([]Removed, len(ids))
	for i, id := range ids {
		var err error
		if permanent {
			err = l.Purge(ctx, tx, by, id)
		} else {
			results[i].File, err = l.Delete(ctx, tx, by, id)
		}
		if err != nil && fault.KindOf(err) == fault.Internal {
			return nil, err
		}
		results[i].Err = err
	}
	return results, nil
}

// Restore takes a file out of the trash, into the state that it had: what was quarantined is
// quarantined again.
func (l *Library) Restore(ctx context.Context, tx pgx.Tx, by tenant.Caller,
	id uuid.UUID) (File, error) {
	r := l.begin(tx, by)
	file, _, err := r.lock(ctx, id)
	if err != nil {
		return File{}, err
	}
	if err := checkRemovable(by, file); err != nil {
		return File{}, err
	}
	if file.Status != storedfile.Deleted {
		return File{}, fault.New(fault.Conflict, "not-deleted",
			"This file is not in the trash, so there is nothing to restore.")
	}
	key := db.RestoreFileParams{OrganizationID: r.organization, ID: id, Now: r.now,
		UpdatedBy: &by.User}
	if err := r.q.RestoreFile(ctx, key); err != nil {
		return File{}, fmt.Errorf("restore file %s: %w", id, err)
	}
	if err := r.logAndEnqueue(ctx, id, ActionRestore, map[string]any{"to": file.StatusBefore},
		storedfile.RestoredNotification(id, file.UploadedBy, file.StatusBefore)); err != nil {
		return File{}, err
	}
	return r.file(ctx, id)
}

// Purge deletes a file permanently, with every version of its objects. Only its records in the
// access log stay.
func (l *Library) Purge(ctx context.Context, tx pgx.Tx, by tenant.Caller, id uuid.UUID) error {
	r := l.begin(tx, by)
	file, upload, err := r.lock(ctx, id)
	if err != nil {
		return err
	}
	if err := checkRemovable(by, file); err != nil {
		return err
	}
	return r.purge(ctx, file, upload, "request")
}

func checkRemovable(by tenant.Caller, f File) error {
	if !canChange(by, f) {
		return notAllowed("Only the person who uploaded this file or an admin can delete or " +
			"restore it. Ask one of them.")
	}
	if f.Status == storedfile.Processing {
		return fault.New(fault.Conflict, "still-processing",
			"This file is still being checked. Try again in a few seconds.").After(processingWait)
	}
	return nil
}

// cancel ends an upload of which nothing has come.
func (u unitOfWork) cancel(ctx context.Context, f File, upload *db.FileUpload) error {
	if err := u.enqueueIncomingDeletion(ctx, f.ID); err != nil {
		return err
	}
	if err := u.q.DeleteFile(ctx,
		db.DeleteFileParams{OrganizationID: u.organization, ID: f.ID}); err != nil {
		return fmt.Errorf("cancel upload of file %s: %w", f.ID, err)
	}
	if err := u.logAndEnqueue(ctx, f.ID, ActionDelete, map[string]any{"was": f.StatusBefore},
		storedfile.DeletedNotification(f.ID, f.UploadedBy, f.StatusBefore, false)); err != nil {
		return err
	}
	return u.releaseQuota(ctx, upload.ReservedBytes) // the upload's row went with the file's
}

// purge removes a locked file that is not in processing. Its objects go through the deletion queue,
// so that a crash loses track of none of them.
func (u unitOfWork) purge(ctx context.Context, f File, upload *db.FileUpload, cause string) error {
	if upload != nil {
		if err := u.endUpload(ctx, upload); err != nil {
			return err
		}
	}
	if f.quotaBytes > 0 {
		if err := u.q.RemoveStored(ctx, db.RemoveStoredParams{
			OrganizationID: u.organization, FileID: f.ID, Used: f.quotaBytes, Now: u.now,
		}); err != nil {
			return fmt.Errorf("release the space of file %s: %w", f.ID, err)
		}
	}
	if err := u.enqueueIncomingDeletion(ctx, f.ID); err != nil {
		return err
	}
	_, original, variant, quarantine := objectkey.Prefixes(u.organization, f.ID)
	for _, at := range []struct{ bucket, prefix string }{
		{u.buckets.Files, original}, {u.buckets.Files, variant}, {u.buckets.Quarantine, quarantine},
	} {
		if err := u.enqueueDeletion(ctx, at.bucket, at.prefix, u.now); err != nil {
			return err
		}
	}
	if err := u.q.DeleteFile(ctx,
		db.DeleteFileParams{OrganizationID: u.organization, ID: f.ID}); err != nil {
		return fmt.Errorf("purge file %s: %w", f.ID, err)
	}
	return u.logAndEnqueue(ctx, f.ID, ActionPurge, map[string]any{"was": f.Status, "cause": cause},
		storedfile.DeletedNotification(f.ID, f.UploadedBy, f.Status, true))
}

// enqueueIncomingDeletion waits until no form that was signed until now can bring another version.
func (u unitOfWork) enqueueIncomingDeletion(ctx context.Context, id uuid.UUID) error {
	incoming, _, _, _ := objectkey.Prefixes(u.organization, id)
	return u.enqueueDeletion(ctx, u.buckets.Incoming, incoming,
		u.now.Add(FormTime+storedfile.FormGrace))
}
