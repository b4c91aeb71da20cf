package library

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/library/db"
	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/mediatype"
	"github.com/toolboxai-solutions/satchel/shared/objectkey"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// firstVersion is the version that POST /v1/files makes.
const firstVersion = 1

// maxOpenUploads is how many reservations one user may hold at a time.
const maxOpenUploads = 10

// uploadWait is how long a client is told to wait for one of its uploads to end.
const uploadWait = 30 * time.Second

// Reserve takes room for a file and returns the form to upload it with. The reservation ends with
// the verdict, with Delete, or by maintenance when the upload does not come.
func (l *Library) Reserve(ctx context.Context, tx pgx.Tx, by tenant.Caller,
	n NewFile) (File, Upload, error) {
	filename, contentType, err := l.Limits.admit(n)
	if err != nil {
		return File{}, Upload{}, err
	}
	d := l.desk(tx, by)
	if err := d.reserve(ctx, contentType, n.Size); err != nil {
		return File{}, Upload{}, err
	}
	id := uuid.New()
	if err := d.insert(ctx, id, filename, contentType, n, l.Buckets.Incoming); err != nil {
		return File{}, Upload{}, err
	}
	if err := d.log(ctx, id, "create", map[string]any{"size": n.Size}); err != nil {
		return File{}, Upload{}, err
	}
	file, err := d.file(ctx, id)
	if err != nil {
		return File{}, Upload{}, err
	}
	upload, err := l.sign(ctx, file, d.now)
	return file, upload, err
}

// Resume returns the file of an earlier Reserve, for a client that did not hear the answer. While
// the upload is still awaited it comes with a new form, good for the full time again; otherwise the
// upload is nil.
func (l *Library) Resume(ctx context.Context, tx pgx.Tx, by tenant.Caller,
	id uuid.UUID) (File, *Upload, error) {
	d := l.desk(tx, by)
	_, open, err := d.lock(ctx, id)
	if err != nil {
		return File{}, nil, err
	}
	file, err := d.file(ctx, id)
	if err != nil || open == nil || file.Status != Pending {
		return file, nil, err
	}
	upload, err := l.sign(ctx, file, d.now)
	if err != nil {
		return File{}, nil, err
	}
	key := db.ExtendUploadParams{OrganizationID: d.organization, FileID: id,
		ExpiresAt: upload.ExpiresAt}
	if _, err := d.q.ExtendUpload(ctx, key); err != nil {
		return File{}, nil, fmt.Errorf("extend upload of file %s: %w", id, err)
	}
	return file, &upload, nil
}

func (l *Library) sign(ctx context.Context, f File, now time.Time) (Upload, error) {
	fields, url, err := l.Signer.form(ctx, f.bucket, f.key, f.ContentType, f.Size)
	return Upload{URL: url, Fields: fields, ExpiresAt: now.Add(FormTime)}, err
}

// reserve adds to the quota's reservation. The update is conditional, so that no number of clients
// at once gets past the total, and the lock that it takes on the organization's row puts the user's
// other reservations in line too.
func (d desk) reserve(ctx context.Context, contentType mediatype.Type, size int64) error {
	if err := d.q.EnsureQuota(ctx, d.organization); err != nil {
		return fmt.Errorf("ensure quota: %w", err)
	}
	quota, err := d.q.ReserveQuota(ctx,
		db.ReserveQuotaParams{OrganizationID: d.organization, Size: size, Now: d.now})
	if errors.Is(err, pgx.ErrNoRows) {
		return d.overQuota(ctx, contentType, size)
	}
	if err != nil {
		return fmt.Errorf("reserve %d bytes: %w", size, err)
	}
	if err := withinKind(quota, contentType, size); err != nil {
		return err
	}
	open, err := d.q.OpenUploads(ctx,
		db.OpenUploadsParams{OrganizationID: d.organization, UploadedBy: d.actor.User})
	if err != nil {
		return fmt.Errorf("count open uploads: %w", err)
	}
	return fairShare(open, quota, size)
}

// fairShare keeps one user from reserving all that is left. The share counts from the second open
// upload on, so that a single file may always use what is free.
func fairShare(open db.OpenUploadsRow, quota db.StorageQuota, size int64) error {
	if open.Uploads >= maxOpenUploads {
		return fault.New(fault.Limited, "too-many-uploads",
			fmt.Sprintf("You have %d uploads open, which is the most at a time. Finish "+
				"or delete one of them first.", open.Uploads)).After(uploadWait)
	}
	if share := (quota.TotalBytes - quota.UsedBytes) / 4; open.Uploads > 0 &&
		open.Bytes+size > share {
		return fault.New(fault.Limited, "upload-share-exceeded",
			fmt.Sprintf("Your open uploads and this file come to %d bytes, and together they may "+
				"reserve a quarter of the free room, %d bytes. Finish or delete one of them first.",
				open.Bytes+size, share)).After(uploadWait)
	}
	return nil
}

// overQuota says which limit is in the way.
func (d desk) overQuota(ctx context.Context, contentType mediatype.Type, size int64) error {
	quota, err := d.q.Quota(ctx, d.organization)
	if err != nil {
		return fmt.Errorf("read quota: %w", err)
	}
	if err := withinKind(quota, contentType, size); err != nil {
		return err
	}
	if quota.FileCount >= quota.MaxFiles {
		return fault.New(fault.TooLarge, "quota-exceeded",
			fmt.Sprintf("Your organization has %d of at most %d files. Delete some for "+
				"good, or ask for a larger quota.", quota.FileCount, quota.MaxFiles))
	}
	return fault.New(fault.TooLarge, "quota-exceeded",
		fmt.Sprintf("The file needs %d bytes, and %d of your organization's %d bytes are "+
			"free (%d used, %d reserved). Delete files for good, or ask for a larger quota.",
			size, max(0, quota.TotalBytes-quota.UsedBytes-quota.ReservedBytes), quota.TotalBytes,
			quota.UsedBytes, quota.ReservedBytes))
}

func withinKind(quota db.StorageQuota, contentType mediatype.Type, size int64) error {
	kind, limit := "document", quota.MaxDocumentBytes
	switch contentType.Family() {
	case "image":
		kind, limit = "picture", quota.MaxImageBytes
	case "video":
		kind, limit = "video", quota.MaxVideoBytes
	case "audio":
		kind, limit = "sound file", quota.MaxAudioBytes
	}
	if limit != nil && size > *limit {
		return tooLarge(kind, *limit, size)
	}
	return nil
}

func (d desk) insert(ctx context.Context, id uuid.UUID, filename string, contentType mediatype.Type,
	n NewFile, bucket string) error {
	category := cmp.Or(n.Category, defaultCategory)
	deletion, err := d.deletionDate(ctx, category, n.RetentionDays, d.now)
	if err != nil {
		return err
	}
	metadata, err := encodeMetadata(n.Metadata)
	if err != nil {
		return err
	}
	err = d.q.InsertFile(ctx, db.InsertFileParams{
		OrganizationID: d.organization, ID: id, Filename: filename, OriginalFilename: n.Filename,
		FileExtension: extensionOf(filename),
		FileSize:      n.Size, MimeType: string(contentType), BucketName: bucket,
		StoragePath: objectkey.Incoming(d.organization, id, firstVersion),
		Checksum:    n.SHA256, Category: string(category), ContainsPii: n.ContainsPII,
		RequiresConsent: n.RequiresConsent,
		RetentionDays:   number[int32](n.RetentionDays), DeletionDate: &deletion, Title: n.Title,
		Description: n.Description,
		Tags:        orEmpty(n.Tags), Metadata: metadata, UploadedBy: d.actor.User,
		CreatedAt: d.now,
	})
	if err != nil {
		return fmt.Errorf("insert file: %w", err)
	}
	err = d.q.InsertUpload(ctx, db.InsertUploadParams{
		OrganizationID: d.organization, FileID: id, Version: firstVersion, UploadedBy: d.actor.User,
		ReservedBytes: n.Size, ExpiresAt: d.now.Add(FormTime), CreatedAt: d.now,
	})
	if err != nil {
		return fmt.Errorf("insert upload: %w", err)
	}
	return nil
}

func (d desk) deletionDate(ctx context.Context, c Category, asked *int,
	created time.Time) (time.Time, error) {
	longest, err := d.q.LongestRetention(ctx, d.organization)
	if err != nil {
		return time.Time{}, fmt.Errorf("read the organization's retention: %w", err)
	}
	return deletionDate(c, asked, number[int](longest), created, d.now)
}

func encodeMetadata(m map[string]any) ([]byte, error) {
	if m == nil {
		return []byte("{}"), nil
	}
	encoded, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode metadata: %w", err)
	}
	return encoded, nil
}

func orEmpty(tags []string) []string {
	if tags == nil {
		return []string{}
	}
	return tags
}
