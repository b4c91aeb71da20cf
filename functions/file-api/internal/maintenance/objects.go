package maintenance

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
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/maintenance/db"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
)

func (m *Runner) deleteObjects(ctx context.Context, done *Summary) (bool, error) {
	due, err := m.deletionsDue(ctx)
	if err != nil {
		return false, err
	}
	return each(ctx, m, done, due,
		func(entry db.DeletionsDueRow) error { return m.deleteBelow(ctx, done, entry) },
		func(entry db.DeletionsDueRow) []any {
			return []any{"organization_id", entry.OrganizationID, "bucket", entry.BucketName,
				"prefix", entry.Prefix, "attempts", entry.Attempts + 1}
		}), nil
}

// deleteBelow empties a prefix and then crosses it off. In this order a crash in between costs one
// empty listing.
func (m *Runner) deleteBelow(ctx context.Context, done *Summary,
	entry db.DeletionsDueRow) error {
	objects, err := storedfile.DeleteVersions(ctx, m.S3, entry.BucketName, entry.Prefix)
	done.Objects += objects
	if err != nil {
		return errors.Join(err, m.postpone(ctx, entry, err))
	}
	err = m.DB.InTenant(ctx, entry.OrganizationID, func(tx pgx.Tx) error {
		return db.New(tx).FinishDeletion(ctx,
			db.FinishDeletionParams{OrganizationID: entry.OrganizationID, ID: entry.ID})
	})
	if err == nil {
		done.Prefixes++
	}
	return err
}

// postpone waits longer after each failure: a minute, two, four, up to about an hour.
func (m *Runner) postpone(ctx context.Context, entry db.DeletionsDueRow, cause error) error {
	later := m.now().Add(time.Minute << min(entry.Attempts, 6))
	reason := cause.Error()
	return m.DB.InTenant(ctx, entry.OrganizationID, func(tx pgx.Tx) error {
		return db.New(tx).PostponeDeletion(ctx, db.PostponeDeletionParams{
			OrganizationID: entry.OrganizationID, ID: entry.ID, DueAt: later, LastError: &reason,
		})
	})
}

// versions lists what is stored under exactly key, from the oldest to the newest.
func (m *Runner) versions(ctx context.Context, bucket, key string) ([]objectVersion, error) {
	var found []objectVersion
	pages := s3.NewListObjectVersionsPaginator(m.S3,
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

// requeue puts the event that S3 would send into the queue of file-processing. The key needs no
// form encoding: ids and slashes stay the same.
func (m *Runner) requeue(ctx context.Context, key string, version objectVersion) error {
	var event events.S3EventRecord
	event.EventVersion, event.EventSource, event.EventName, event.EventTime = "2.1", "aws:s3",
		"ObjectCreated:Post", m.now()
	event.S3.SchemaVersion = "1.0"
	event.S3.Bucket.Name = m.System.Buckets.Incoming
	event.S3.Object = events.S3Object{Key: key, Size: version.size, ETag: version.etag,
		VersionID: version.id}
	body, err := json.Marshal(events.S3Event{Records: []events.S3EventRecord{event}})
	if err != nil {
		return fmt.Errorf("encode event for %s: %w", key, err)
	}
	if _, err := m.Queue.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &m.QueueURL,
		MessageBody: aws.String(string(body))}); err != nil {
		return fmt.Errorf("requeue %s: %w", key, err)
	}
	return nil
}
