package storedfile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/toolboxai-solutions/satchel/shared/mediatype"
)

// FormGrace is how long after its form's expiry an upload may still arrive: S3 checks the expiry
// when the request begins.
const FormGrace = 5 * time.Minute

// The names of variants. An image's original is never handed out, because it was not cleaned; of
// any other file the original is the one variant.
const (
	Original       = "original"
	Optimized      = "optimized" // full size
	Thumbnail      = "thumbnail" // THUMBNAIL_SIZE
	ThumbnailSmall = "thumbnail_small"
	ThumbnailLarge = "thumbnail_large"
)

// Variant is one object to download: an element of files.variants. Its key follows from its name:
// objectkey.Original for the original, objectkey.Variant otherwise.
type Variant struct {
	Name        string         `json:"name"`
	ContentType mediatype.Type `json:"content_type"`
	Size        int64          `json:"size"`
	Width       int            `json:"width"`  // pixels; 0 unless it is an image
	Height      int            `json:"height"` // as Width
}

// Buckets are where objects are stored.
type Buckets struct {
	Incoming   string `env:"INCOMING_BUCKET,required" help:"bucket for uploads, the only one that triggers processing; versioned"`
	Files      string `env:"FILES_BUCKET,required" help:"bucket for accepted originals and their variants"`
	Quarantine string `env:"QUARANTINE_BUCKET,required" help:"bucket for content that must not be downloaded"`
}

// Validate refuses buckets that would let processing trigger itself, or hand out what is infected.
func (b Buckets) Validate() error {
	var all []error
	if b.Incoming == b.Files || b.Incoming == b.Quarantine {
		all = append(all, errors.New("INCOMING_BUCKET: must differ from FILES_BUCKET and "+
			"QUARANTINE_BUCKET, or what is stored would be processed again"))
	}
	if b.Files == b.Quarantine {
		all = append(all, errors.New("QUARANTINE_BUCKET: must differ from FILES_BUCKET, "+
			"or infected files could be downloaded"))
	}
	return errors.Join(all...)
}

// DeleteVersions deletes every version and every delete marker below prefix, and counts them. A
// prefix that does not end in a slash is one key: version 1 of a file must not take version 10
// along.
func DeleteVersions(ctx context.Context, client *s3.Client, bucket, prefix string) (int, error) {
	deleted := 0
	for { // each listing begins anew, and a key is listed before all that it is a prefix of
		listed, err := client.ListObjectVersions(ctx,
			&s3.ListObjectVersionsInput{Bucket: &bucket, Prefix: &prefix})
		if err != nil {
			return deleted, fmt.Errorf("list versions below %s in %s: %w", prefix, bucket, err)
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
		answer, err := client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &bucket,
			Delete: &types.Delete{Objects: batch, Quiet: aws.Bool(true)}})
		if err != nil {
			return deleted, fmt.Errorf("delete %d versions from %s: %w", len(batch), bucket, err)
		}
		deleted += len(batch) - len(answer.Errors)
		if len(answer.Errors) > 0 {
			return deleted, fmt.Errorf("%d versions below %s stay in %s: %s", len(answer.Errors),
				prefix, bucket, aws.ToString(answer.Errors[0].Code))
		}
	}
}
