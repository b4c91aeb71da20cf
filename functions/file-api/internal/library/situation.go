package library

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/library/db"
	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/mediatype"
)

// situation is what a reservation is decided by.
type situation struct {
	longestRetention *int32 // days; nil: as the category says
	quota            db.StorageQuota
	open             int   // the user's uploads that have not arrived
	openBytes        int64 // reserved by them
	firstExpiry      *time.Time
	newest           *time.Time
}

// An upload has arrived once processing has claimed it: file_uploads.object_version, which the
// claim writes anyway, says so without a request to the store. The lock makes one user's
// reservations come one after the other, so that their number is exact; the users of a school do
// not wait for each other.
const (
	lockUser = `SELECT pg_advisory_xact_lock(hashtextextended('uploads ' || $1::uuid || ' '
		|| $2::uuid, 0))`
	ensureQuota = `INSERT INTO storage_quotas (organization_id) VALUES ($1) ON CONFLICT DO NOTHING`
	findRoom    = `
SELECT o.data_retention_days, q.total_bytes, q.used_bytes, q.reserved_bytes, q.max_files,
	q.file_count,
	q.max_image_bytes, q.max_video_bytes, q.max_audio_bytes, q.max_document_bytes,
	u.open, u.bytes, u.first_expiry, u.newest
FROM organizations o
JOIN storage_quotas q ON q.organization_id = o.id
CROSS JOIN LATERAL (
	SELECT count(*) AS open, coalesce(sum(reserved_bytes), 0)::bigint AS bytes,
		min(expires_at) AS first_expiry, max(created_at) AS newest
	FROM file_uploads
	WHERE organization_id = $1 AND uploaded_by = $2 AND object_version IS NULL
) u
WHERE o.id = $1`
	takeRoom = `
UPDATE storage_quotas SET reserved_bytes = reserved_bytes + $2::bigint,
	file_count = file_count + $3::integer, updated_at = $4
WHERE organization_id = $1 AND used_bytes + reserved_bytes + $2::bigint <= total_bytes
	AND file_count + $3::integer <= max_files`
)

// situation reads it in one round trip.
func (r request) situation(ctx context.Context) (*situation, error) {
	s := &situation{}
	batch := &pgx.Batch{}
	batch.Queue(lockUser, r.organization, r.by.User)
	batch.Queue(ensureQuota, r.organization)
	batch.Queue(findRoom, r.organization, r.by.User).QueryRow(func(row pgx.Row) error {
		q := &s.quota
		return row.Scan(&s.longestRetention, &q.TotalBytes, &q.UsedBytes, &q.ReservedBytes,
			&q.MaxFiles, &q.FileCount,
			&q.MaxImageBytes, &q.MaxVideoBytes, &q.MaxAudioBytes, &q.MaxDocumentBytes,
			&s.open, &s.openBytes, &s.firstExpiry, &s.newest)
	})
	if err := r.tx.SendBatch(ctx, batch).Close(); err != nil {
		return nil, fmt.Errorf("read what is free and open: %w", err)
	}
	return s, nil
}

var errNoRoom = errors.New("the quota was used up meanwhile")

// write sends what was queued, and takes the room last: the update is conditional, so that no
// number of concurrent clients exceeds the total, and its lock is held for no more than the commit.
func (r request) write(ctx context.Context, batch *pgx.Batch, bytes int64, files int32) error {
	if files > 0 {
		batch.Queue(takeRoom, r.organization, bytes, files,
			r.now).Exec(func(tag pgconn.CommandTag) error {
			if tag.RowsAffected() == 0 {
				return errNoRoom
			}
			return nil
		})
	}
	err := r.tx.SendBatch(ctx, batch).Close()
	if !errors.Is(err, errNoRoom) {
		if err != nil {
			return fmt.Errorf("write reservations: %w", err)
		}
		return nil
	}
	s, err := r.situation(ctx)
	if err != nil {
		return err
	}
	if err := s.room(bytes, files); err != nil {
		return err
	}
	return fault.Wrap(errNoRoom, fault.Temporary, "busy",
		"Another change was in the way. Try again.").After(time.Second)
}

// judge says which limit is in the way of one more file. The user's share counts from the second
// open upload on, so that a single file may always use what is free.
func (s *situation) judge(contentType mediatype.Type, size int64, most int, now time.Time) error {
	if err := withinKind(s.quota, contentType, size); err != nil {
		return err
	}
	if err := s.room(size, 1); err != nil {
		return err
	}
	if s.open >= most {
		return fault.New(fault.Limited, "too-many-uploads",
			fmt.Sprintf("You have %d open uploads, which is the limit. Finish or delete one of "+
				"them first.", s.open)).
			After(s.wait(now))
	}
	if share := (s.quota.TotalBytes - s.quota.UsedBytes) / 4; s.open > 0 &&
		s.openBytes+size > share {
		return fault.New(fault.Limited, "upload-share-exceeded",
			fmt.Sprintf("Your open uploads and this file need %d bytes, but together they can "+
				"reserve only a quarter "+
				"of the free space, %d bytes. Finish or delete one first.", s.openBytes+size,
				share)).
			After(s.wait(now))
	}
	return nil
}

// stalled is when an upload that has not arrived is not expected to: a client sends the form that
// it was given at once, and processing claims what came within a second.
const stalled = time.Minute

// wait is when a place is expected: in a second while uploads are under way, and else when the
// first form expires.
func (s *situation) wait(now time.Time) time.Duration {
	if s.newest == nil || s.firstExpiry == nil || now.Sub(*s.newest) < stalled {
		return time.Second
	}
	return max(time.Second, s.firstExpiry.Sub(now))
}

// take counts a file that is reserved with this request.
func (s *situation) take(size int64) {
	s.open, s.openBytes = s.open+1, s.openBytes+size
	s.quota.ReservedBytes, s.quota.FileCount = s.quota.ReservedBytes+size, s.quota.FileCount+1
}

// room says what is in the way of bytes in so many files.
func (s *situation) room(bytes int64, files int32) error {
	q := s.quota
	if q.FileCount+files > q.MaxFiles {
		return fault.New(fault.TooLarge, "quota-exceeded",
			fmt.Sprintf("Your organization has %d files, and its limit is %d. Delete some "+
				"permanently, or ask for a larger quota.", q.FileCount, q.MaxFiles))
	}
	if free := q.TotalBytes - q.UsedBytes - q.ReservedBytes; bytes > free {
		return fault.New(fault.TooLarge, "quota-exceeded",
			fmt.Sprintf("The file needs %d bytes, but only %d of your organization's %d bytes "+
				"are free (%d used, %d reserved). "+
				"Delete files permanently, or ask for a larger quota.",
				bytes, max(0, free), q.TotalBytes, q.UsedBytes, q.ReservedBytes))
	}
	return nil
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
