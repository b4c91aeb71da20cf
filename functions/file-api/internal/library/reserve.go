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
	"github.com/toolboxai-solutions/satchel/shared/objectkey"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

// quietTime is how long maintenance leaves a new upload to its event.
const quietTime = 5 * time.Minute

// firstVersion is the version that POST /v1/files makes.
const firstVersion = 1

// Reserved is what came of one file: the form to upload it with, or why there is none.
type Reserved struct {
	File   File
	Upload Upload
	Err    error // a fault
}

// Reserve is ReserveAll of one file, whose fault is the request's.
func (l *Library) Reserve(ctx context.Context, tx pgx.Tx, by tenant.Caller, file NewFile,
	id uuid.UUID, also func(*pgx.Batch) error) (Reserved, error) {
	// Without a place in a queue or a look at the database for what can be refused without.
	if _, _, err := l.Limits.check(file); err != nil {
		return Reserved{}, err
	}
	made, err := l.ReserveAll(ctx, tx, by, []NewFile{file}, []uuid.UUID{id}, also)
	if err != nil {
		return Reserved{}, err
	}
	return made[0], made[0].Err
}

// ReserveAll reserves space for files and returns a form to upload each with, or why there is none.
// The files get the ids given. A reservation ends with the verdict, with Delete, or by maintenance
// when the upload does not come.
//
// It takes two round trips whatever the number: what is needed to decide, then all that is written.
// The quota's row, through which all uploads of an organization go, is the last to be locked. also
// adds the caller's own statements to the second; it may be nil.
func (l *Library) ReserveAll(ctx context.Context, tx pgx.Tx, by tenant.Caller, files []NewFile,
	ids []uuid.UUID, also func(*pgx.Batch) error) ([]Reserved, error) {
	r := l.begin(tx, by)
	s, err := r.situation(ctx)
	if err != nil {
		return nil, err
	}
	results := make([]Reserved, len(files))
	batch := &pgx.Batch{}
	var bytes int64
	var count int32
	for i, n := range files {
		row, err := l.admit(r, s, n, ids[i])
		if err == nil {
			results[i], err = r.insert(ctx, batch, row, l.Signer)
		}
		if fault.KindOf(err) == fault.Internal && err != nil {
			return nil, err
		}
		if results[i].Err = err; err == nil {
			s.take(n.Size)
			bytes, count = bytes+n.Size, count+1
		}
	}
	if also != nil {
		if err := also(batch); err != nil {
			return nil, err
		}
	}
	return results, r.write(ctx, batch, bytes, count)
}

// admit decides about one file by what was read before, and says what to store of it.
func (l *Library) admit(r request, s *situation, n NewFile, id uuid.UUID) (db.File, error) {
	filename, contentType, err := l.Limits.check(n)
	if err != nil {
		return db.File{}, err
	}
	if err := s.judge(contentType, n.Size, l.Limits.openUploads(), r.now); err != nil {
		return db.File{}, err
	}
	category := cmp.Or(n.Category, defaultCategory)
	deletion, err := deletionDate(category, n.RetentionDays, number[int](s.longestRetention), r.now,
		r.now)
	if err != nil {
		return db.File{}, err
	}
	metadata, err := encodeMetadata(n.Metadata)
	if err != nil {
		return db.File{}, err
	}
	return db.File{
		OrganizationID: r.organization, ID: id, Filename: filename, OriginalFilename: n.Filename,
		FileExtension: extensionOf(filename), FileSize: n.Size, MimeType: string(contentType),
		BucketName: r.buckets.Incoming, StoragePath: objectkey.Incoming(r.organization, id,
			firstVersion),
		CurrentVersion: firstVersion, Checksum: n.SHA256, Status: string(storedfile.Pending),
		Category: string(category), ContainsPii: n.ContainsPII, RequiresConsent: n.RequiresConsent,
		RetentionDays: number[int32](n.RetentionDays), DeletionDate: &deletion, Title: n.Title,
		Description: n.Description, Tags: orEmpty(n.Tags), Metadata: metadata,
		Variants:   []byte("[]"),
		UploadedBy: r.by.User, CreatedBy: r.by.User, CreatedAt: r.now, UpdatedAt: r.now,
	}, nil
}

// insert queues the rows of one file.
func (r request) insert(ctx context.Context, batch *pgx.Batch, row db.File,
	signer Signer) (Reserved, error) {
	file, err := fileOf(row, nil, downloads{})
	if err != nil {
		return Reserved{}, err
	}
	upload, err := signer.form(ctx, file, r.now)
	if err != nil {
		return Reserved{}, err
	}
	record, err := r.accessRecord(row.ID, ActionCreate, map[string]any{"size": row.FileSize})
	if err != nil {
		return Reserved{}, err
	}
	q := db.New(tenantdb.Queue{Batch: batch})
	return Reserved{File: file, Upload: upload}, errors.Join(
		q.InsertFile(ctx, db.InsertFileParams{
			OrganizationID: row.OrganizationID, ID: row.ID, Filename: row.Filename,
			OriginalFilename: row.OriginalFilename, FileExtension: row.FileExtension,
			FileSize: row.FileSize, MimeType: row.MimeType, BucketName: row.BucketName,
			StoragePath: row.StoragePath, Checksum: row.Checksum, Category: row.Category,
			ContainsPii: row.ContainsPii, RequiresConsent: row.RequiresConsent,
			RetentionDays: row.RetentionDays, DeletionDate: row.DeletionDate, Title: row.Title,
			Description: row.Description, Tags: row.Tags, Metadata: row.Metadata,
			UploadedBy: row.UploadedBy, CreatedAt: row.CreatedAt,
		}),
		q.InsertUpload(ctx, db.InsertUploadParams{
			OrganizationID: row.OrganizationID, FileID: row.ID, Version: firstVersion,
			UploadedBy: row.UploadedBy, ReservedBytes: row.FileSize,
			ExpiresAt: upload.ExpiresAt, CreatedAt: row.CreatedAt,
			CheckAt: row.CreatedAt.Add(quietTime),
		}),
		q.AppendAccess(ctx, record),
	)
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
