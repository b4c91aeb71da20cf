package library

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/library/db"
	"github.com/toolboxai-solutions/satchel/shared/mediatype"
	"github.com/toolboxai-solutions/satchel/shared/outbox"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

// unitOfWork is one transaction's work for one organization. It checks no permission.
type unitOfWork struct {
	tx           pgx.Tx
	q            *db.Queries
	organization uuid.UUID
	buckets      storedfile.Buckets
	now          time.Time
	logged       attribution
}

// attribution is whom the access log names; the zero value is the system itself.
type attribution struct {
	user                 *uuid.UUID
	ip                   *netip.Addr
	userAgent, requestID *string
}

// request is a unit of work for a caller, for whom a file that they may not see does not exist.
type request struct {
	unitOfWork
	by tenant.Caller
}

func (l *Library) begin(tx pgx.Tx, by tenant.Caller) request {
	return request{by: by, unitOfWork: unitOfWork{
		tx: tx, q: db.New(tx), organization: by.Organization, buckets: l.Buckets,
		now: timestamp(l.Now),
		logged: attribution{user: &by.User, ip: by.IP, userAgent: optional(by.UserAgent, ""),
			requestID: optional(by.RequestID, "")},
	}}
}

// file reads a file that the caller may see.
func (r request) file(ctx context.Context, id uuid.UUID) (File, error) {
	row, err := r.q.File(ctx, db.FileParams{OrganizationID: r.organization, ID: id})
	if errors.Is(err, pgx.ErrNoRows) {
		return File{}, notFound()
	}
	if err != nil {
		return File{}, fmt.Errorf("read file %s: %w", id, err)
	}
	file, err := fileOf(row.File, consentOf(row.GivenBy, row.Basis, row.RecordedBy, row.RecordedAt),
		downloads{row.DownloadCount, row.LastAccessedAt})
	if err == nil && !canSee(r.by, file) {
		err = notFound()
	}
	return file, err
}

// lock is the unit of work's, for a file that the caller may see.
func (r request) lock(ctx context.Context, id uuid.UUID) (File, *db.FileUpload, error) {
	file, upload, err := r.unitOfWork.lock(ctx, id)
	if err == nil && !canSee(r.by, file) {
		err = notFound()
	}
	return file, upload, err
}

// lock takes the file's locks in the order that every transaction keeps. The upload is nil when it
// has ended.
func (u unitOfWork) lock(ctx context.Context, id uuid.UUID) (File, *db.FileUpload, error) {
	upload, err := u.lockUpload(ctx, id)
	if err != nil {
		return File{}, nil, err
	}
	row, err := u.q.LockFile(ctx, db.LockFileParams{OrganizationID: u.organization, ID: id})
	if err != nil {
		return File{}, nil, lockFault(id, err)
	}
	file, err := fileOf(row, nil, downloads{})
	return file, upload, err
}

// lockDue is lock for what time demands: of the file it knows id, status, dates, uploader and what
// it holds of the quota.
func (u unitOfWork) lockDue(ctx context.Context, id uuid.UUID) (File, *db.FileUpload, error) {
	upload, err := u.lockUpload(ctx, id)
	if err != nil {
		return File{}, nil, err
	}
	row, err := u.q.LockDueFile(ctx, db.LockDueFileParams{OrganizationID: u.organization, ID: id})
	if err != nil {
		return File{}, nil, lockFault(id, err)
	}
	return File{Organization: u.organization, ID: row.ID, Status: storedfile.Status(row.Status),
		DeletionDate: row.DeletionDate, DeletedAt: row.DeletedAt, UploadedBy: row.UploadedBy,
		quotaBytes: row.QuotaBytes}, upload, nil
}

func (u unitOfWork) lockUpload(ctx context.Context, id uuid.UUID) (*db.FileUpload, error) {
	upload, err := u.q.LockUpload(ctx,
		db.LockUploadParams{OrganizationID: u.organization, FileID: id})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("lock upload of file %s: %w", id, err)
	}
	return &upload, nil
}

func lockFault(id uuid.UUID, err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return notFound()
	}
	return fmt.Errorf("lock file %s: %w", id, err)
}

// log appends to the access log. Details hold ids, states and numbers, no names and no free text.
func (u unitOfWork) log(ctx context.Context, file uuid.UUID, action Action,
	details map[string]any) error {
	record, err := u.accessRecord(file, action, details)
	if err != nil {
		return err
	}
	if err := u.q.AppendAccess(ctx, record); err != nil {
		return fmt.Errorf("append %s of file %s to access log: %w", action, file, err)
	}
	return nil
}

// logAndEnqueue is log, and enqueues the event in the same round trip.
func (u unitOfWork) logAndEnqueue(ctx context.Context, file uuid.UUID, action Action,
	details map[string]any, event outbox.Notification) error {
	record, err := u.accessRecord(file, action, details)
	if err != nil {
		return err
	}
	batch := &pgx.Batch{}
	err = errors.Join(
		db.New(tenantdb.Queue{Batch: batch}).AppendAccess(ctx, record),
		outbox.Queue(batch, u.organization, event),
	)
	if err != nil {
		return err
	}
	if err := u.tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("log %s of file %s and enqueue %s: %w", action, file, event.Topic, err)
	}
	return nil
}

func (u unitOfWork) accessRecord(file uuid.UUID, action Action,
	details map[string]any) (db.AppendAccessParams, error) {
	encoded, err := json.Marshal(details)
	if err != nil {
		return db.AppendAccessParams{}, fmt.Errorf("encode access log: %w", err)
	}
	return db.AppendAccessParams{
		OrganizationID: u.organization, ID: uuid.New(), FileID: file, Action: string(action),
		Details: encoded, OccurredAt: u.now, UserID: u.logged.user, IpAddress: u.logged.ip,
		UserAgent: u.logged.userAgent, RequestID: u.logged.requestID,
	}, nil
}

// enqueueDeletion has maintenance delete every object below prefix once due has come.
func (u unitOfWork) enqueueDeletion(ctx context.Context, bucket, prefix string,
	due time.Time) error {
	err := u.q.EnqueueDeletion(ctx, db.EnqueueDeletionParams{
		OrganizationID: u.organization, ID: uuid.New(), BucketName: bucket, Prefix: prefix,
		DueAt: due, CreatedAt: u.now,
	})
	if err != nil {
		return fmt.Errorf("enqueue deletion of %s: %w", prefix, err)
	}
	return nil
}

// endUpload ends a reservation and releases its space.
func (u unitOfWork) endUpload(ctx context.Context, upload *db.FileUpload) error {
	key := db.DeleteUploadParams{OrganizationID: u.organization, FileID: upload.FileID}
	if _, err := u.q.DeleteUpload(ctx, key); err != nil {
		return fmt.Errorf("end upload of file %s: %w", upload.FileID, err)
	}
	return u.releaseQuota(ctx, upload.ReservedBytes)
}

// releaseQuota gives the space that one upload reserved back.
func (u unitOfWork) releaseQuota(ctx context.Context, reserved int64) error {
	err := u.q.ReleaseQuota(ctx, db.ReleaseQuotaParams{OrganizationID: u.organization,
		Reserved: reserved, Now: u.now})
	if err != nil {
		return fmt.Errorf("release quota: %w", err)
	}
	return nil
}

// downloads are what is counted of a file beside its row.
type downloads struct {
	count int64
	last  *time.Time
}

func fileOf(row db.File, consent *Consent, d downloads) (File, error) {
	f := File{
		Organization: row.OrganizationID, ID: row.ID, Filename: row.Filename,
		OriginalFilename: row.OriginalFilename,
		ContentType:      mediatype.Type(row.MimeType), Size: row.FileSize, SHA256: row.Checksum,
		Status:       storedfile.Status(row.Status),
		StatusBefore: storedfile.Status(value(row.StatusBeforeDeletion)),
		Reason:       storedfile.Reason(value(row.StatusReason)),
		Category:     Category(row.Category), Title: row.Title, Description: row.Description,
		Tags:         row.Tags,
		VirusScanned: row.VirusScanned, VirusScanResult: row.VirusScanResult,
		LastScannedAt: row.LastScannedAt,
		ContainsPII:   row.ContainsPii, RequiresConsent: row.RequiresConsent, Consent: consent,
		RetentionDays: number[int](row.RetentionDays), DeletionDate: row.DeletionDate,
		UploadedBy: row.UploadedBy,
		Width:      number[int](row.Width), Height: number[int](row.Height),
		DownloadCount: d.count, LastAccessedAt: d.last,
		CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt, DeletedAt: row.DeletedAt,
		bucket: row.BucketName, key: row.StoragePath, version: int(row.CurrentVersion),
		fence:      row.CurrentFence,
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
