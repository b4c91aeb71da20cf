package maintenance

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

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
func (m *Runner) requeue(ctx context.Context, bucket, key string, version objectVersion) error {
	var event events.S3EventRecord
	event.EventVersion, event.EventSource, event.EventName, event.EventTime = "2.1", "aws:s3",
		"ObjectCreated:Post", m.now()
	event.S3.SchemaVersion = "1.0"
	event.S3.Bucket.Name = bucket
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
