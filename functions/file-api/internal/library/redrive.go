package library

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/library/db"
	"github.com/toolboxai-solutions/satchel/shared/objectkey"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// GivenUp is a file that ended without a verdict, and where its bytes were found.
type GivenUp struct {
	Organization, File   uuid.UUID
	Bucket, Key, Version string
	Size                 int64 // bytes
}

// Refusal says why a file is not processed again.
type Refusal string

// The refusals. None is no refusal.
const (
	NoRefusal        Refusal = ""
	RefusedChanged   Refusal = "changed" // since it was found
	RefusedMissing   Refusal = "object_missing"
	RefusedQuota     Refusal = "quota_exceeded"
	RefusedRetention Refusal = "retention_over"
	RefusedSuspended Refusal = "organization_suspended"
)

// Redrive has a file processed again that ended without a verdict, from where its bytes are kept.
// It takes room in the quota as when it was uploaded, and is kept for as long as its category says.
func (s System) Redrive(ctx context.Context, tx pgx.Tx, g GivenUp) (Refusal, error) {
	u := s.begin(tx, g.Organization)
	upload, err := u.lockUpload(ctx, g.File)
	if err != nil || upload != nil {
		return RefusedChanged, err
	}
	row, err := u.q.LockGivenUp(ctx, db.LockGivenUpParams{OrganizationID: g.Organization,
		ID: g.File})
	if errors.Is(err, pgx.ErrNoRows) {
		return RefusedChanged, nil
	}
	if err != nil {
		return NoRefusal, fmt.Errorf("lock file %s: %w", g.File, err)
	}
	reason := storedfile.Reason(value(row.StatusReason))
	key, err := s.keyOf(g)
	switch {
	case !reason.Redrivable() || row.BucketName != g.Bucket || row.StoragePath != g.Key:
		return RefusedChanged, nil
	case err != nil:
		return NoRefusal, err
	case !tenant.Status(row.OrganizationStatus).MayWrite():
		return RefusedSuspended, nil
	}
	asked, longest := number[int](row.RetentionDays), number[int](row.DataRetentionDays)
	if asked != nil && longest != nil { // which the organization may have shortened
		asked = new(min(*asked, *longest))
	}
	deletion, err := deletionDate(Category(row.Category), asked, longest, row.CreatedAt, u.now)
	if err != nil {
		return RefusedRetention, nil
	}
	tag, err := tx.Exec(ctx, takeRoom, g.Organization, g.Size, 1, u.now)
	if err != nil {
		return NoRefusal, fmt.Errorf("take room for file %s: %w", g.File, err)
	}
	if tag.RowsAffected() == 0 {
		return RefusedQuota, nil
	}
	return NoRefusal, errors.Join(
		u.q.InsertRedrive(ctx, db.InsertRedriveParams{
			OrganizationID: g.Organization, FileID: g.File, Version: int32(key.Version),
			UploadedBy: row.UploadedBy, ReservedBytes: g.Size, ObjectVersion: &g.Version,
			Fence: row.CurrentFence, Now: u.now, CheckAt: u.now.Add(quietTime),
		}),
		u.q.RedriveFile(ctx, db.RedriveFileParams{OrganizationID: g.Organization, ID: g.File,
			DeletionDate: &deletion, Now: u.now}),
		u.log(ctx, g.File, ActionProcess, map[string]any{"status": storedfile.Processing,
			"redriven_from": reason}),
	)
}

func (s System) keyOf(g GivenUp) (objectkey.Key, error) {
	if g.Bucket == s.Buckets.Quarantine {
		return objectkey.ParseHeld(g.Key)
	}
	return objectkey.ParseIncoming(g.Key)
}
