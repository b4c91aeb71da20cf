package library

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/library/db"
)

func (u *Maintenance) deleteObjects(ctx context.Context, done *Summary) (bool, error) {
	due, err := u.deletionsDue(ctx)
	if err != nil {
		return false, err
	}
	return each(ctx, u, done, due,
		func(entry db.DeletionsDueRow) error { return u.deleteBelow(ctx, done, entry) },
		func(entry db.DeletionsDueRow) []any {
			return []any{"organization_id", entry.OrganizationID, "bucket", entry.BucketName,
				"prefix", entry.Prefix, "attempts", entry.Attempts + 1}
		}), nil
}

// deleteBelow empties a prefix and then crosses it off. In this order a crash in between costs one
// empty listing.
func (u *Maintenance) deleteBelow(ctx context.Context, done *Summary,
	entry db.DeletionsDueRow) error {
	objects, err := u.empty(ctx, entry.BucketName, entry.Prefix)
	done.Objects += objects
	if err != nil {
		return errors.Join(err, u.postpone(ctx, entry, err))
	}
	err = u.DB.InTenant(ctx, entry.OrganizationID, func(tx pgx.Tx) error {
		return db.New(tx).FinishDeletion(ctx,
			db.FinishDeletionParams{OrganizationID: entry.OrganizationID, ID: entry.ID})
	})
	if err == nil {
		done.Prefixes++
	}
	return err
}

// empty deletes every version and every delete marker below prefix, a listing at a time, and counts
// them. A prefix that does not end in a slash is a key: version 1 of a file must not take version
// 10 along. A key is listed before all that it begins, so none is missed.
func (u *Maintenance) empty(ctx context.Context, bucket, prefix string) (deleted int, err error) {
	for {
		listed, err := u.S3.ListObjectVersions(ctx,
			&s3.ListObjectVersionsInput{Bucket: &bucket, Prefix: &prefix})
		if err != nil {
			return deleted, fmt.Errorf("list %s below %s: %w", bucket, prefix, err)
		}
		var batch []types.ObjectIdentifier
		add := func(key, version *string) {
			if strings.HasSuffix(prefix, "/") || *key == prefix {
				batch = append(batch, types.ObjectIdentifier{Key: key, VersionId: version})
			}
		}
		for _, version := range listed.Versions {
			add(version.Key, version.VersionId)
		}
		for _, marker := range listed.DeleteMarkers {
			add(marker.Key, marker.VersionId)
		}
		if len(batch) == 0 {
			return deleted, nil
		}
		answer, err := u.S3.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &bucket,
			Delete: &types.Delete{Objects: batch, Quiet: aws.Bool(true)}})
		if err != nil {
			return deleted, fmt.Errorf("delete %d objects from %s: %w", len(batch), bucket, err)
		}
		deleted += len(batch) - len(answer.Errors)
		if len(answer.Errors) > 0 {
			return deleted, fmt.Errorf("%d objects below %s stay in %s: %s", len(answer.Errors),
				prefix, bucket, aws.ToString(answer.Errors[0].Code))
		}
	}
}

// postpone waits longer after each failure: a minute, two, four, up to about an hour.
func (u *Maintenance) postpone(ctx context.Context, entry db.DeletionsDueRow, cause error) error {
	later := u.now().Add(time.Minute << min(entry.Attempts, 6))
	reason := cause.Error()
	return u.DB.InTenant(ctx, entry.OrganizationID, func(tx pgx.Tx) error {
		return db.New(tx).PostponeDeletion(ctx, db.PostponeDeletionParams{
			OrganizationID: entry.OrganizationID, ID: entry.ID, DueAt: later, LastError: &reason,
		})
	})
}

// versions lists what is stored under exactly key, from the oldest to the newest.
func (u *Maintenance) versions(ctx context.Context, bucket, key string) ([]objectVersion, error) {
	var found []objectVersion
	pages := s3.NewListObjectVersionsPaginator(u.S3,
		&s3.ListObjectVersionsInput{Bucket: &bucket, Prefix: &key})
	for pages.HasMorePages() {
		listed, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("look for %s: %w", key, err)
		}
		for _, version := range listed.Versions {
			if aws.ToString(version.Key) == key {
				found = append(found, objectVersion{
					id:   aws.ToString(version.VersionId),
					etag: strings.Trim(aws.ToString(version.ETag), `"`),
					size: aws.ToInt64(version.Size),
				})
			}
		}
	}
	slices.Reverse(found) // S3 lists the versions of a key from the newest
	return found, nil
}

// announce puts the event that S3 would send into the queue of file-processing. The key needs no
// form encoding: ids and slashes stay the same.
func (u *Maintenance) announce(ctx context.Context, key string, version objectVersion) error {
	var event events.S3EventRecord
	event.EventVersion, event.EventSource, event.EventName, event.EventTime = "2.1", "aws:s3",
		"ObjectCreated:Post", u.now()
	event.S3.SchemaVersion = "1.0"
	event.S3.Bucket.Name = u.Buckets.Incoming
	event.S3.Object = events.S3Object{Key: key, Size: version.size, ETag: version.etag,
		VersionID: version.id}
	body, err := json.Marshal(events.S3Event{Records: []events.S3EventRecord{event}})
	if err != nil {
		return fmt.Errorf("encode event for %s: %w", key, err)
	}
	if _, err := u.Queue.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &u.QueueURL,
		MessageBody: aws.String(string(body))}); err != nil {
		return fmt.Errorf("requeue %s: %w", key, err)
	}
	return nil
}
