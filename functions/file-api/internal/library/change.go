package library

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/library/db"
	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

// Patch is a change of one field as JSON merge patch (RFC 7396) has it: absent leaves it alone,
// null clears it.
type Patch[T any] struct {
	Set   bool
	Value *T // nil: cleared
}

// Change is what PATCH may change. What cannot be empty (filename, category, the two flags) goes
// back to its default when cleared, except the filename, which is refused.
type Change struct {
	Filename        Patch[string]
	Title           Patch[string]
	Description     Patch[string]
	Tags            Patch[[]string]
	Metadata        Patch[map[string]any]
	Category        Patch[Category]
	RetentionDays   Patch[int]
	ContainsPII     Patch[bool]
	RequiresConsent Patch[bool]
}

// Change applies a patch and returns the changed file. The name that the client gave first stays on
// record.
func (l *Library) Change(ctx context.Context, tx pgx.Tx, by tenant.Caller, id uuid.UUID,
	c Change) (File, error) {
	r := l.begin(tx, by)
	file, longest, err := r.lockForChange(ctx, id)
	if err != nil {
		return File{}, err
	}
	if err := c.checkAllowed(by, file); err != nil {
		return File{}, err
	}
	changed, err := c.apply(by, &file)
	if err != nil || len(changed) == 0 {
		return file, err
	}
	if slices.Contains(changed, "category") || slices.Contains(changed, "retention_days") {
		date, err := deletionDate(file.Category, file.RetentionDays, number[int](longest),
			file.CreatedAt, r.now)
		if err != nil {
			return File{}, err
		}
		if file.Status == storedfile.Available || file.DeletionDate == nil ||
			date.Before(*file.DeletionDate) {
			file.DeletionDate = &date // what was not accepted is not kept for longer
		}
	}
	file.UpdatedAt = r.now
	return file, r.save(ctx, file, changed)
}

func (r request) lockForChange(ctx context.Context, id uuid.UUID) (File, *int32, error) {
	row, err := r.q.LockFileForChange(ctx,
		db.LockFileForChangeParams{OrganizationID: r.organization, ID: id})
	if errors.Is(err, pgx.ErrNoRows) {
		return File{}, nil, notFound()
	}
	if err != nil {
		return File{}, nil, fmt.Errorf("lock file %s: %w", id, err)
	}
	file, err := fileOf(row.File, consentOf(row.GivenBy, row.Basis, row.RecordedBy, row.RecordedAt),
		downloads{row.DownloadCount, row.LastAccessedAt})
	if err == nil && !canSee(r.by, file) {
		err = notFound()
	}
	return file, row.DataRetentionDays, err
}

// onlyConsent reports whether the patch says nothing but whether consent is needed, which is for
// staff to decide about any file.
func (c Change) onlyConsent() bool {
	set := c.RequiresConsent.Set
	return set && !c.Filename.Set && !c.Title.Set && !c.Description.Set && !c.Tags.Set &&
		!c.Metadata.Set &&
		!c.Category.Set && !c.RetentionDays.Set && !c.ContainsPII.Set
}

func (c Change) checkAllowed(by tenant.Caller, f File) error {
	if !canChange(by, f) && !(c.onlyConsent() && canManageConsent(by)) {
		return notAllowed(
			"Only the person who uploaded this file or an admin can change it. Ask one of them.")
	}
	if f.Status == storedfile.Deleted {
		return fault.New(fault.Conflict, "file-deleted",
			"This file is in the trash. Restore it first.")
	}
	return nil
}

// apply changes f and names the fields that the patch sets.
func (c Change) apply(by tenant.Caller, f *File) ([]string, error) {
	var changed []string
	set := func(name string, is bool) bool {
		if is {
			changed = append(changed, name)
		}
		return is
	}
	if set("filename", c.Filename.Set) {
		if err := f.rename(value(c.Filename.Value)); err != nil {
			return nil, err
		}
	}
	if set("title", c.Title.Set) {
		f.Title = c.Title.Value
	}
	if set("description", c.Description.Set) {
		f.Description = c.Description.Value
	}
	if set("tags", c.Tags.Set) {
		f.Tags = orEmpty(value(c.Tags.Value))
	}
	if set("metadata", c.Metadata.Set) {
		if f.Metadata = value(c.Metadata.Value); checkMetadata(f.Metadata) != nil {
			return nil, checkMetadata(f.Metadata)
		}
		if f.Metadata == nil {
			f.Metadata = map[string]any{} // as it is stored and read
		}
	}
	if set("category", c.Category.Set) {
		f.Category = cmp.Or(value(c.Category.Value), defaultCategory)
	}
	if set("retention_days", c.RetentionDays.Set) {
		f.RetentionDays = c.RetentionDays.Value
	}
	if set("contains_pii", c.ContainsPII.Set) {
		f.ContainsPII = value(c.ContainsPII.Value)
	}
	if set("requires_consent", c.RequiresConsent.Set) {
		needs := value(c.RequiresConsent.Value)
		if f.RequiresConsent && !needs && !canManageConsent(by) {
			return nil, notAllowed(
				"Only staff can remove the consent requirement. Ask a teacher.")
		}
		f.RequiresConsent = needs
	}
	return changed, nil
}

func (f *File) rename(to string) error {
	filename, err := cleanFilename(to)
	if err != nil {
		return err
	}
	if err := checkExtension(filename, f.ContentType); err != nil {
		return err
	}
	f.Filename = filename
	return nil
}

// save writes the change and its record in one round trip.
func (r request) save(ctx context.Context, f File, changed []string) error {
	metadata, err := encodeMetadata(f.Metadata)
	if err != nil {
		return err
	}
	record, err := r.accessRecord(f.ID, ActionUpdate, map[string]any{"fields": changed})
	if err != nil {
		return err
	}
	batch := &pgx.Batch{}
	q := db.New(tenantdb.Queue{Batch: batch})
	err = errors.Join(q.ChangeFile(ctx, db.ChangeFileParams{
		OrganizationID: r.organization, ID: f.ID, Filename: f.Filename,
		FileExtension: extensionOf(f.Filename), Category: string(f.Category),
		Title: f.Title, Description: f.Description, Tags: f.Tags, Metadata: metadata,
		ContainsPii: f.ContainsPII, RequiresConsent: f.RequiresConsent,
		RetentionDays: number[int32](f.RetentionDays), DeletionDate: f.DeletionDate, Now: r.now,
		UpdatedBy: &r.by.User,
	}), q.AppendAccess(ctx, record))
	if err != nil {
		return err
	}
	if err := r.tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("change file %s: %w", f.ID, err)
	}
	return nil
}
