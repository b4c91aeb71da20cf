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
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// quietTime is how long maintenance leaves a new upload to its event.
const quietTime = 5 * time.Minute

// firstVersion is the version that POST /v1/files makes.
const firstVersion = 1

// maxOpenUploads is how many reservations one user may hold at a time.
const maxOpenUploads = 10

// uploadWait is how long a client is told to wait for one of its uploads to end.
const uploadWait = 30 * time.Second

// Reserve reserves space for a file and returns the form to upload it with. The reservation ends
// with the verdict, with Delete, or by maintenance when the upload does not come.
func (l *Library) Reserve(ctx context.Context, tx pgx.Tx, by tenant.Caller,
	n NewFile) (File, Upload, error) {
	filename, contentType, err := l.Limits.check(n)
	if err != nil {
		return File{}, Upload{}, err
	}
	r := l.begin(tx, by)
	if err := r.reserveQuota(ctx, contentType, n.Size); err != nil {
		return File{}, Upload{}, err
	}
	id := uuid.New()
	if err := r.insert(ctx, id, filename, contentType, n); err != nil {
		return File{}, Upload{}, err
	}
	if err := r.log(ctx, id, ActionCreate, map[string]any{"size": n.Size}); err != nil {
		return File{}, Upload{}, err
	}
	file, err := r.file(ctx, id)
	if err != nil {
		return File{}, Upload{}, err
	}
	upload, err := l.Signer.form(ctx, file, r.now)
	return file, upload, err
}

// Resume returns the file of an earlier Reserve, for a client that did not get the answer. While
// its upload is pending it comes with a new form, valid for the full time again; otherwise the
// upload is nil.
func (l *Library) Resume(ctx context.Context, tx pgx.Tx, by tenant.Caller,
	id uuid.UUID) (File, *Upload, error) {
	r := l.begin(tx, by)
	_, open, err := r.lock(ctx, id)
	if err != nil {
		return File{}, nil, err
	}
	file, err := r.file(ctx, id)
	if err != nil || open == nil || file.Status != storedfile.Pending {
		return file, nil, err
	}
	upload, err := l.Signer.form(ctx, file, r.now)
	if err != nil {
		return File{}, nil, err
	}
	key := db.ExtendUploadParams{OrganizationID: r.organization, FileID: id,
		ExpiresAt: upload.ExpiresAt}
	if _, err := r.q.ExtendUpload(ctx, key); err != nil {
		return File{}, nil, fmt.Errorf("extend upload of file %s: %w", id, err)
	}
	return file, &upload, nil
}

// reserveQuota reserves space in the quota. The update is conditional, so that no number of
// concurrent clients exceeds the total, and the lock that it takes on the organization's row also
// serializes the user's other reservations.
func (r request) reserveQuota(ctx context.Context, contentType mediatype.Type, size int64) error {
	if err := r.q.EnsureQuota(ctx, r.organization); err != nil {
		return fmt.Errorf("ensure quota: %w", err)
	}
	quota, err := r.q.ReserveQuota(ctx,
		db.ReserveQuotaParams{OrganizationID: r.organization, Size: size, Now: r.now})
	if errors.Is(err, pgx.ErrNoRows) {
		return r.overQuota(ctx, contentType, size)
	}
	if err != nil {
		return fmt.Errorf("reserve %d bytes: %w", size, err)
	}
	if err := withinKind(quota, contentType, size); err != nil {
		return err
	}
	open, err := r.q.OpenUploads(ctx,
		db.OpenUploadsParams{OrganizationID: r.organization, UploadedBy: r.by.User})
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
			fmt.Sprintf("You have %d open uploads, which is the limit. Finish or delete one of "+
				"them first.", open.Uploads)).After(uploadWait)
	}
	if share := (quota.TotalBytes - quota.UsedBytes) / 4; open.Uploads > 0 &&
		open.Bytes+size > share {
		return fault.New(fault.Limited, "upload-share-exceeded",
			fmt.Sprintf("Your open uploads and this file need %d bytes, but together they can "+
				"reserve only a quarter of the free space, %d bytes. Finish or delete one first.",
				open.Bytes+size, share)).After(uploadWait)
	}
	return nil
}

// overQuota says which limit is in the way.
func (r request) overQuota(ctx context.Context, contentType mediatype.Type, size int64) error {
	quota, err := r.q.Quota(ctx, r.organization)
	if err != nil {
		return fmt.Errorf("read quota: %w", err)
	}
	if err := withinKind(quota, contentType, size); err != nil {
		return err
	}
	if quota.FileCount >= quota.MaxFiles {
		return fault.New(fault.TooLarge, "quota-exceeded",
			fmt.Sprintf("Your organization has %d files, and its limit is %d. Delete some "+
				"permanently, or ask for a larger quota.", quota.FileCount, quota.MaxFiles))
	}
	return fault.New(fault.TooLarge, "quota-exceeded",
		fmt.Sprintf("The file needs %d bytes, but only %d of your organization's %d bytes are "+
			"free (%d used, %d reserved). Delete files permanently, or ask for a larger quota.",
			size, max(0, quota.TotalBytes-quota.UsedBytes-quota.ReservedBytes), quota.TotalBytes,
			quota.UsedBytes, quota.ReservedBytes))
}

func withinKind(quota db.StorageQuota, contentType mediatype.Type, size int64) error {
	kind, limit := "a document", quota.MaxDocumentBytes
	switch contentType.Family() {
	case "image":
		kind, limit = "an image", quota.MaxImageBytes
	case "video":
		kind, limit = "a video", quota.MaxVideoBytes
	case "audio":
		kind, limit = "an audio file", quota.MaxAudioBytes
	}
	if limit != nil && size > *limit {
		return tooLarge(kind, *limit, size)
	}
	return nil
}

func (r request) insert(ctx context.Context, id uuid.UUID, filename string,
	contentType mediatype.Type,
	n NewFile) error {
	category := cmp.Or(n.Category, defaultCategory)
	deletion, err := r.deletionDate(ctx, category, n.RetentionDays, r.now)
	if err != nil {
		return err
	}
	metadata, err := encodeMetadata(n.Metadata)
	if err != nil {
		return err
	}
	err = r.q.InsertFile(ctx, db.InsertFileParams{
		OrganizationID: r.organization, ID: id, Filename: filename, OriginalFilename: n.Filename,
		FileExtension: extensionOf(filename),
		FileSize:      n.Size, MimeType: string(contentType), BucketName: r.buckets.Incoming,
		StoragePath: objectkey.Incoming(r.organization, id, firstVersion),
		Checksum:    n.SHA256, Category: string(category), ContainsPii: n.ContainsPII,
		RequiresConsent: n.RequiresConsent,
		RetentionDays:   number[int32](n.RetentionDays), DeletionDate: &deletion, Title: n.Title,
		Description: n.Description,
		Tags:        orEmpty(n.Tags), Metadata: metadata, UploadedBy: r.by.User,
		CreatedAt: r.now,
	})
	if err != nil {
		return fmt.Errorf("insert file: %w", err)
	}
	err = r.q.InsertUpload(ctx, db.InsertUploadParams{
		OrganizationID: r.organization, FileID: id, Version: firstVersion, UploadedBy: r.by.User,
		ReservedBytes: n.Size, ExpiresAt: r.now.Add(FormTime), CreatedAt: r.now, CheckAt: r.now.Add(quietTime),
	})
	if err != nil {
		return fmt.Errorf("insert upload: %w", err)
	}
	return nil
}

func (r request) deletionDate(ctx context.Context, c Category, asked *int,
	created time.Time) (time.Time, error) {
	longest, err := r.q.LongestRetention(ctx, r.organization)
	if err != nil {
		return time.Time{}, fmt.Errorf("read the organization's retention: %w", err)
	}
	return deletionDate(c, asked, number[int](longest), created, r.now)
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
