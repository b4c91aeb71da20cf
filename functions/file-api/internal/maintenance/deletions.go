package maintenance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/maintenance/db"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
)

const (
	// listingsAtOnce is how many prefixes are listed at a time.
	listingsAtOnce = 8
	// deletedAtOnce is the most keys that one DeleteObjects takes:
	// https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
	deletedAtOnce = 1000
)

// deletion is an entry of the deletion queue with what is below its prefix.
type deletion struct {
	db.DeletionsDueRow
	below   []types.ObjectIdentifier
	more    bool // there is more below than one listing holds
	deleted int
	err     error
}

// deleteObjects empties the prefixes of one page and then crosses them off. In this order a crash
// in between costs empty listings.
func (m *Runner) deleteObjects(ctx context.Context, s slice) (Summary, bool, error) {
	due, err := m.deletionsDue(ctx)
	if err != nil || len(due) == 0 {
		return Summary{}, false, err
	}
	entries := make([]*deletion, 0, len(due))
	var listings errgroup.Group
	listings.SetLimit(listingsAtOnce)
	for i, row := range due {
		if i >= listingsAtOnce && s.over(ctx) {
			break
		}
		e := &deletion{DeletionsDueRow: row}
		entries = append(entries, e)
		listings.Go(func() error { m.list(ctx, e); return nil })
	}
	_ = listings.Wait() // each keeps its own error
	m.deleteListed(ctx, entries)
	for _, e := range entries {
		if e.more && e.err == nil && !s.over(ctx) {
			n, err := storedfile.DeleteVersions(ctx, m.S3, e.BucketName, e.Prefix)
			e.deleted, e.err, e.more = e.deleted+n, err, false
		}
	}
	done, err := m.crossOff(ctx, entries)
	return done, len(due) == page && done.Prefixes > 0, err
}

// list finds the versions and delete markers below a prefix. One that does not end in a slash is
// one key, and what only begins like it stays.
func (m *Runner) list(ctx context.Context, e *deletion) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	listed, err := m.S3.ListObjectVersions(ctx,
		&s3.ListObjectVersionsInput{Bucket: &e.BucketName, Prefix: &e.Prefix})
	if err != nil {
		e.err = fmt.Errorf("list versions below %s in %s: %w", e.Prefix, e.BucketName, err)
		return
	}
	add := func(key, version *string) {
		if strings.HasSuffix(e.Prefix, "/") || *key == e.Prefix {
			e.below = append(e.below, types.ObjectIdentifier{Key: key, VersionId: version})
		}
	}
	for _, v := range listed.Versions {
		add(v.Key, v.VersionId)
	}
	for _, v := range listed.DeleteMarkers {
		add(v.Key, v.VersionId)
	}
	e.more = aws.ToBool(listed.IsTruncated)
}

// deleteListed deletes what was listed, bucket by bucket and as much at once as S3 takes.
func (m *Runner) deleteListed(ctx context.Context, entries []*deletion) {
	owner := map[string]*deletion{}
	batches := map[string][]types.ObjectIdentifier{}
	flush := func(bucket string) {
		m.deleteBatch(ctx, bucket, batches[bucket], owner)
		batches[bucket] = nil
	}
	for _, e := range entries {
		for _, object := range e.below {
			owner[identity(e.BucketName, object.Key, object.VersionId)] = e
			batches[e.BucketName] = append(batches[e.BucketName], object)
			if len(batches[e.BucketName]) == deletedAtOnce {
				flush(e.BucketName)
			}
		}
	}
	for bucket, batch := range batches {
		if len(batch) > 0 {
			flush(bucket)
		}
	}
}

func identity(bucket string, key, version *string) string {
	return bucket + " " + aws.ToString(key) + " " + aws.ToString(version)
}

// deleteBatch says of each entry what became of its objects.
func (m *Runner) deleteBatch(ctx context.Context, bucket string, batch []types.ObjectIdentifier,
	owner map[string]*deletion) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	answer, err := m.S3.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &bucket,
		Delete: &types.Delete{Objects: batch, Quiet: aws.Bool(true)}})
	for _, object := range batch {
		e := owner[identity(bucket, object.Key, object.VersionId)]
		if err != nil {
			e.err = fmt.Errorf("delete %d versions from %s: %w", len(batch), bucket, err)
		} else {
			e.deleted++
		}
	}
	if err != nil {
		return
	}
	for _, failed := range answer.Errors {
		if e := owner[identity(bucket, failed.Key, failed.VersionId)]; e != nil {
			e.deleted--
			e.err = fmt.Errorf("a version below %s stays in %s: %s", e.Prefix, bucket,
				aws.ToString(failed.Code))
		}
	}
}

// crossOff removes what is done from the queue, one transaction for each organization, and puts off
// what is not.
func (m *Runner) crossOff(ctx context.Context, entries []*deletion) (all Summary, failed error) {
	finished := map[uuid.UUID][]uuid.UUID{}
	for _, e := range entries {
		all.Objects += e.deleted
		switch {
		case e.err != nil:
			all.Failed++
			m.Log.ErrorContext(ctx, "maintenance item failed", "organization_id", e.OrganizationID,
				"bucket", e.BucketName, "prefix", e.Prefix, "attempts", e.Attempts+1, "error",
				e.err)
			failed = errors.Join(failed, m.postpone(ctx, e))
		case !e.more:
			finished[e.OrganizationID] = append(finished[e.OrganizationID], e.ID)
		}
	}
	for organization, ids := range finished {
		slices.SortFunc(ids, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
		err := m.DB.InTenant(ctx, organization, func(tx pgx.Tx) error {
			return db.New(tx).FinishDeletions(ctx,
				db.FinishDeletionsParams{OrganizationID: organization, Ids: ids})
		})
		if err == nil {
			all.Prefixes += len(ids)
		}
		failed = errors.Join(failed, err)
	}
	return all, failed
}

// postpone waits longer after each failure: a minute, two, four, up to about an hour.
func (m *Runner) postpone(ctx context.Context, e *deletion) error {
	later := m.now().Add(time.Minute << min(e.Attempts, 6))
	reason := e.err.Error()
	return m.DB.InTenant(ctx, e.OrganizationID, func(tx pgx.Tx) error {
		return db.New(tx).PostponeDeletion(ctx, db.PostponeDeletionParams{
			OrganizationID: e.OrganizationID, ID: e.ID, DueAt: later, LastError: &reason,
		})
	})
}
