package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/ingest/db"
	"github.com/toolboxai-solutions/satchel/shared/objectkey"
	"github.com/toolboxai-solutions/satchel/shared/outbox"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
	"github.com/toolboxai-solutions/satchel/shared/telemetry"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

// claim is the right to work on an upload until its lease ends, with what its uploader declared.
type claim struct {
	key           objectkey.Key
	objectVersion string
	held          string // key in quarantine; "": the upload is among the incoming
	fence         int64  // a later claim has a higher one; only the latest may settle or release
	attempt       int
	retries       int
	tooOld        bool              // it has had its days: it ends now, whatever can be kept
	stored        bool              // something may be stored under this claim's keys
	exhausted     storedfile.Reason // not empty: the attempts are used up, and this is why
	reserved      int64             // bytes
	filename      string
	declaredType  string
	suspended     bool   // the organization may not write any more
	checksum      []byte // SHA-256; nil: none was declared
}

// claim begins an attempt for the organization in the object's key, which only the holder of a form
// signed for that organization could write to. It counts it before any of its work is done, so that
// work which kills its worker is counted too.
func (p *Processor) claim(ctx context.Context, key objectkey.Key, version string,
	lease time.Duration) (c claim, what decision, err error) {
	ctx, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	err = p.DB.InTenant(ctx, key.Organization, func(tx pgx.Tx) error {
		q := db.New(tx)
		r, err := lock(ctx, q, key, p.Config.MaxAge)
		if err != nil {
			return err
		}
		what = decide(r, version)
		if what != proceed && what != exhausted {
			return nil
		}
		c = claim{key: key, objectVersion: version, tooOld: r.tooOld}
		var keep *string
		if what == exhausted {
			c.exhausted, keep = exhaustedReason(*r), &r.lastError
		}
		return c.take(ctx, q, lease, keep)
	})
	return c, what, err
}

func lock(ctx context.Context, q *db.Queries, key objectkey.Key,
	maxAge time.Duration) (*reservation, error) {
	row, err := q.LockUpload(ctx, db.LockUploadParams{OrganizationID: key.Organization,
		FileID: key.File, Version: int32(key.Version), MaxAgeSeconds: maxAge.Seconds()})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("lock the reservation: %w", err)
	}
	return &reservation{
		objectVersion: deref(row.ObjectVersion), attempts: int(row.Attempts), leased: row.Leased,
		waiting: row.Waiting, tooOld: row.TooOld, lastError: deref(row.LastError),
	}, nil
}

func (c *claim) take(ctx context.Context, q *db.Queries, lease time.Duration,
	lastError *string) error {
	taken, err := q.ClaimUpload(ctx, db.ClaimUploadParams{
		OrganizationID: c.key.Organization, FileID: c.key.File,
		ObjectVersion: c.objectVersion, LeaseSeconds: lease.Seconds(), LastError: lastError,
		CheckSeconds: (lease + leaseGrace).Seconds(),
	})
	if err != nil {
		return fmt.Errorf("take the lease: %w", err)
	}
	file, err := q.StartProcessing(ctx,
		db.StartProcessingParams{OrganizationID: c.key.Organization, ID: c.key.File})
	if err != nil {
		return fmt.Errorf("file is neither pending nor processing: %w", err)
	}
	c.fence, c.attempt, c.reserved = taken.Fence, int(taken.Attempts), taken.ReservedBytes
	c.retries = int(taken.Retries)
	c.suspended = !tenant.Status(file.OrganizationStatus).MayWrite()
	c.filename, c.declaredType, c.checksum = file.OriginalFilename, file.MimeType, file.Checksum
	return nil
}

// leaseGrace is how long after a lease maintenance looks after its file, because clocks differ.
const leaseGrace = 2 * time.Minute

// endLease ends the lease without a verdict. note says why, in a word; counts says that the file
// itself ended the attempt.
func (p *Processor) endLease(ctx context.Context, c claim, note string, counts bool) error {
	released := db.ReleaseUploadParams{
		OrganizationID: c.key.Organization, FileID: c.key.File, Fence: c.fence, LastError: note,
		GivenBack: 1, Clean: !c.stored,
		WaitSeconds: wait(c.retries, rand.Float64()).Seconds(),
	}
	if counts {
		released.GivenBack = 0
	}
	return p.DB.InTenant(ctx, c.key.Organization, func(tx pgx.Tx) error {
		return db.New(tx).ReleaseUpload(ctx, released)
	})
}

// ending says how settle found the upload.
type ending string

const (
	settled   ending = "settled"
	leaseLost ending = "lease lost" // another worker has the file, or had it
	fileGone  ending = "file gone"  // deleted for good meanwhile
)

// settle writes the verdict and everything that follows from it, or nothing.
func (p *Processor) settle(ctx context.Context, c claim, found finding) (how ending,
	err error) {
	ctx, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	err = p.DB.InTenant(ctx, c.key.Organization, func(tx pgx.Tx) error {
		q := db.New(tx)
		upload, err := q.EndUpload(ctx, db.EndUploadParams{OrganizationID: c.key.Organization,
			FileID: c.key.File, Fence: c.fence})
		if errors.Is(err, pgx.ErrNoRows) {
			how, err = lost(ctx, q, c, p.Config.Buckets)
			return err
		}
		if err != nil {
			return fmt.Errorf("end the reservation: %w", err)
		}
		how = settled
		batch := &pgx.Batch{}
		if err := c.settlement(ctx, batch, found, p.Config.Buckets, upload); err != nil {
			return err
		}
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return fmt.Errorf("write the verdict: %w", err)
		}
		return nil
	})
	return how, err
}

// lost tells why there is no upload to end. What was made of a file that is gone goes the way of
// all objects, through maintenance: this entry, which decodes what strangers send, may delete
// nothing that was accepted.
func lost(ctx context.Context, q *db.Queries, c claim, buckets storedfile.Buckets) (ending, error) {
	exists, err := q.FileExists(ctx,
		db.FileExistsParams{OrganizationID: c.key.Organization, ID: c.key.File})
	if err != nil {
		return "", fmt.Errorf("look for the file: %w", err)
	}
	how := fileGone
	if exists {
		how = leaseLost
	}
	return how, enqueueOutputs(ctx, q, c.key, c.fence, buckets, nil)
}

// enqueueOutputs has all deleted that a claim may have stored.
func enqueueOutputs(ctx context.Context, q *db.Queries, key objectkey.Key, fence int64,
	buckets storedfile.Buckets, due *time.Time) error {
	organization, file, version := key.Organization, key.File, key.Version
	return errors.Join(
		enqueueDeletion(ctx, q, key, buckets.Files,
			objectkey.Original(organization, file, version, fence), due),
		enqueueDeletion(ctx, q, key, buckets.Files,
			objectkey.Variant(organization, file, version, fence, ""), due),
		enqueueDeletion(ctx, q, key, buckets.Quarantine,
			objectkey.Quarantine(organization, file, version, fence), due),
		enqueueDeletion(ctx, q, key, buckets.Quarantine,
			objectkey.Held(organization, file, version, fence), due),
	)
}

// enqueueDeletion has maintenance delete every version below prefix once due has come; nil is now.
func enqueueDeletion(ctx context.Context, q *db.Queries, key objectkey.Key, bucket, prefix string,
	due *time.Time) error {
	if err := q.EnqueueDeletion(ctx, db.EnqueueDeletionParams{
		OrganizationID: key.Organization, BucketName: bucket, Prefix: prefix, DueAt: due,
	}); err != nil {
		return fmt.Errorf("enqueue deletion of %s: %w", prefix, err)
	}
	return nil
}

// settlement queues what a verdict changes, and who learns of it: the file's log, and whoever
// listens. In one round trip, because the quota's row, through which all uploads of an organization
// go, stays locked until the commit.
func (c claim) settlement(ctx context.Context, batch *pgx.Batch, found finding,
	buckets storedfile.Buckets,
	upload db.EndUploadRow) error {
	details, err := json.Marshal(found.details(c))
	if err != nil {
		return fmt.Errorf("encode log details: %w", err)
	}
	line := db.LogProcessingParams{OrganizationID: c.key.Organization, FileID: c.key.File,
		Details: details}
	if id := telemetry.RequestID(ctx); id != "" {
		line.RequestID = &id
	}
	q := db.New(tenantdb.Queue{Batch: batch})
	due := upload.ExpiresAt.Add(storedfile.FormGrace)
	var left error
	for _, fence := range upload.UncleanFences {
		if fence != c.fence {
			left = errors.Join(left, enqueueOutputs(ctx, q, c.key, fence, buckets, nil))
		}
	}
	if !found.lost { // else these are the only bytes that there are
		left = errors.Join(left,
			enqueueDeletion(ctx, q, c.key, buckets.Incoming, incomingKey(c.key), &due))
		if c.held != "" {
			left = errors.Join(left,
				enqueueDeletion(ctx, q, c.key, buckets.Quarantine, c.held, nil))
		}
	}
	return errors.Join(left,
		q.SettleFile(ctx, found.row(c, buckets)),
		q.SettleQuota(ctx, found.quota(c.key.Organization, upload.ReservedBytes)),
		c.recordTransfer(ctx, q, found),
		q.LogProcessing(ctx, line),
		outbox.Queue(batch, c.key.Organization, found.event(c.key, upload.UploadedBy)),
	)
}

// recordTransfer counts what was accepted or put into quarantine as come in. What was refused was
// never stored.
func (c claim) recordTransfer(ctx context.Context, q *db.Queries, f finding) error {
	quarantined := f.reason.Status() == storedfile.Quarantined
	if f.reason != "" && !quarantined {
		return nil
	}
	return q.RecordTransfer(ctx, db.RecordTransferParams{
		OrganizationID: c.key.Organization, FileID: c.key.File, Bytes: f.size,
		Scanned: f.scanned != nil && scanResult(*f.scanned) != nil, Quarantined: quarantined,
	})
}

func (f finding) quota(organization uuid.UUID, reserved int64) db.SettleQuotaParams {
	if f.reason == "" {
		return db.SettleQuotaParams{OrganizationID: organization, ReservedBytes: reserved,
			UsedBytes: f.size}
	}
	return db.SettleQuotaParams{OrganizationID: organization, ReservedBytes: reserved,
		ReleasedFiles: 1}
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
