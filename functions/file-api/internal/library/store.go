package library

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/library/db"
	"github.com/toolboxai-solutions/satchel/shared/mediatype"
	"github.com/toolboxai-solutions/satchel/shared/outbox"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

// desk is one transaction's work for one organization.
type desk struct {
	tx           pgx.Tx
	q            *db.Queries
	organization uuid.UUID
	now          time.Time
	actor        *tenant.Caller // nil: maintenance
}

func (l *Library) desk(tx pgx.Tx, by tenant.Caller) desk {
	return desk{tx: tx, q: db.New(tx), organization: by.Organization, now: l.now(), actor: &by}
}

// file reads a file that the actor sees.
func (d desk) file(ctx context.Context, id uuid.UUID) (File, error) {
	row, err := d.q.File(ctx, db.FileParams{OrganizationID: d.organization, ID: id})
	if errors.Is(err, pgx.ErrNoRows) {
		return File{}, notFound()
	}
	if err != nil {
		return File{}, fmt.Errorf("read file %s: %w", id, err)
	}
	file, err := fileOf(row.File, consentOf(row.GivenBy, row.Basis, row.RecordedBy, row.RecordedAt))
	if err != nil {
		return File{}, err
	}
	if d.actor != nil && !canSee(*d.actor, file) {
		return File{}, notFound()
	}
	return file, nil
}

// lock takes the file's locks in the house's order. The upload is nil when there is none any more.
func (d desk) lock(ctx context.Context, id uuid.UUID) (File, *db.FileUpload, error) {
	upload, err := d.q.LockUpload(ctx,
		db.LockUploadParams{OrganizationID: d.organization, FileID: id})
	open := &upload
	if errors.Is(err, pgx.ErrNoRows) {
		open, err = nil, nil
	}
	if err != nil {
		return File{}, nil, fmt.Errorf("lock upload of file %s: %w", id, err)
	}
	row, err := d.q.LockFile(ctx, db.LockFileParams{OrganizationID: d.organization, ID: id})
	if errors.Is(err, pgx.ErrNoRows) {
		return File{}, nil, notFound()
	}
	if err != nil {
		return File{}, nil, fmt.Errorf("lock file %s: %w", id, err)
	}
	file, err := fileOf(row, nil)
	if err != nil {
		return File{}, nil, err
	}
	if d.actor != nil && !canSee(*d.actor, file) {
		return File{}, nil, notFound()
	}
	return file, open, nil
}

// log appends to the access log. Details hold ids, states and numbers, no names and no free text.
func (d desk) log(ctx context.Context, file uuid.UUID, action string,
	details map[string]any) error {
	line, err := d.line(file, action, details)
	if err != nil {
		return err
	}
	if err := d.q.AppendAccess(ctx, line); err != nil {
		return fmt.Errorf("append %s of file %s to access log: %w", action, file, err)
	}
	return nil
}

// logAndTell is log, and in the same round trip promises word of it to the uploader and the
// organization's listeners. payload gets the file's id.
func (d desk) logAndTell(ctx context.Context, f File, action string, details map[string]any,
	topic string, payload map[string]any) error {
	line, err := d.line(f.ID, action, details)
	if err != nil {
		return err
	}
	payload["file_id"] = f.ID
	batch := &pgx.Batch{}
	err = errors.Join(
		db.New(tenantdb.Queue{Batch: batch}).AppendAccess(ctx, line),
		outbox.Queue(batch, d.organization,
			outbox.Notification{Topic: topic, Subject: f.ID, User: f.UploadedBy, Payload: payload}),
	)
	if err != nil {
		return err
	}
	if err := d.tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("log and tell %s of file %s: %w", action, f.ID, err)
	}
	return nil
}

func (d desk) line(file uuid.UUID, action string,
	details map[string]any) (db.AppendAccessParams, error) {
	encoded, err := json.Marshal(details)
	if err != nil {
		return db.AppendAccessParams{}, fmt.Errorf("encode access log: %w", err)
	}
	line := db.AppendAccessParams{
		OrganizationID: d.organization, ID: uuid.New(), FileID: file, Action: action,
		Details: encoded, OccurredAt: d.now,
	}
	if d.actor != nil {
		line.UserID = &d.actor.User
		line.IpAddress = d.actor.IP
		line.UserAgent = optional(d.actor.UserAgent, "")
		line.RequestID = optional(d.actor.RequestID, "")
	}
	return line, nil
}

// forget queues every object below prefix for deletion.
func (d desk) forget(ctx context.Context, bucket, prefix string, due time.Time) error {
	err := d.q.EnqueueDeletion(ctx, db.EnqueueDeletionParams{
		OrganizationID: d.organization, ID: uuid.New(), BucketName: bucket, Prefix: prefix,
		DueAt: due, CreatedAt: d.now,
	})
	if err != nil {
		return fmt.Errorf("queue deletion of %s: %w", prefix, err)
	}
	return nil
}

// giveUp ends a reservation and gives its room back.
func (d desk) giveUp(ctx context.Context, upload *db.FileUpload) error {
	key := db.DeleteUploadParams{OrganizationID: d.organization, FileID: upload.FileID}
	if _, err := d.q.DeleteUpload(ctx, key); err != nil {
		return fmt.Errorf("end upload of file %s: %w", upload.FileID, err)
	}
	return d.release(ctx, 0, upload.ReservedBytes)
}

// release gives the room of one file back to the quota.
func (d desk) release(ctx context.Context, used, reserved int64) error {
	err := d.q.ReleaseQuota(ctx, db.ReleaseQuotaParams{OrganizationID: d.organization, Used: used,
		Reserved: reserved, Files: 1, Now: d.now})
	if err != nil {
		return fmt.Errorf("release quota: %w", err)
	}
	return nil
}

func fileOf(row db.File, consent *Consent) (File, error) {
	f := File{
		Organization: row.OrganizationID, ID: row.ID, Filename: row.Filename,
		OriginalFilename: row.OriginalFilename,
		ContentType:      mediatype.Type(row.MimeType), Size: row.FileSize, SHA256: row.Checksum,
		Status: Status(row.Status), StatusBefore: Status(value(row.StatusBeforeDeletion)),
		Reason:   Reason(value(row.StatusReason)),
		Category: Category(row.Category), Title: row.Title, Description: row.Description,
		Tags:         row.Tags,
		VirusScanned: row.VirusScanned, VirusScanResult: row.VirusScanResult,
		LastScannedAt: row.LastScannedAt,
		ContainsPII:   row.ContainsPii, RequiresConsent: row.RequiresConsent, Consent: consent,
		RetentionDays: number[int](row.RetentionDays), DeletionDate: row.DeletionDate,
		UploadedBy: row.UploadedBy,
		Width:      number[int](row.Width), Height: number[int](row.Height),
		DownloadCount: row.DownloadCount, LastAccessedAt: row.LastAccessedAt,
		CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt, DeletedAt: row.DeletedAt,
		bucket: row.BucketName, key: row.StoragePath, version: int(row.CurrentVersion),
		quotaBytes: row.QuotaBytes,
	}
	if err := json.Unmarshal(row.Variants, &f.Variants); err != nil {
		return File{}, fmt.Errorf("read variants of file %s: %w", f.ID, err)
	}
	metadata := json.NewDecoder(bytes.NewReader(row.Metadata))
	metadata.UseNumber() // what is not ours to read is not ours to round
	if err := metadata.Decode(&f.Metadata); err != nil {
		return File{}, fmt.Errorf("read metadata of file %s: %w", f.ID, err)
	}
	return f, nil
}

func consentOf(givenBy, basis *string, recordedBy *uuid.UUID, recordedAt *time.Time) *Consent {
	if givenBy == nil || basis == nil || recordedBy == nil || recordedAt == nil {
		return nil
	}
	return &Consent{GivenBy: *givenBy, Basis: *basis, RecordedBy: *recordedBy,
		RecordedAt: *recordedAt}
}

// optional is nil for the value that means none.
func optional[T comparable](v, none T) *T {
	if v == none {
		return nil
	}
	return &v
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func number[To, From ~int | ~int32](p *From) *To {
	if p == nil {
		return nil
	}
	n := To(*p)
	return &n
}
