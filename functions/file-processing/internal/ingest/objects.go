package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/picture"
	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/mediatype"
	"github.com/toolboxai-solutions/satchel/shared/objectkey"
)

// errGone means that the object, or this version of it, is not there (any more).
var errGone = errors.New("object is gone")

// cacheControl: an output never changes under its key; private, because who may see it is decided
// for each request.
const cacheControl = "private, max-age=31536000, immutable"

// objects is the object store, in this function's words.
type objects struct {
	client                       *s3.Client
	incoming, files, quarantined string // buckets
}

// open starts reading one version of an upload. The caller closes its body.
func (o objects) open(ctx context.Context, key objectkey.Key,
	version string) (*s3.GetObjectOutput, error) {
	object, err := o.client.GetObject(ctx, &s3.GetObjectInput{
		Bucket: &o.incoming, Key: aws.String(incomingKey(key)), VersionId: &version,
	})
	if err != nil {
		return nil, storageFault("read the upload", err)
	}
	return object, nil
}

func (o objects) putVariant(ctx context.Context, key objectkey.Key, v picture.Variant) error {
	_, err := o.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &o.files,
		Key:    aws.String(objectkey.Variant(key.Organization, key.File, key.Version, v.Name)),
		Body:   bytes.NewReader(v.Data), ContentLength: aws.Int64(int64(len(v.Data))),
		ContentType:  aws.String(string(v.ContentType)),
		CacheControl: aws.String(cacheControl), ChecksumAlgorithm: types.ChecksumAlgorithmSha256,
	})
	return storageFault("store variant "+v.Name, err)
}

// keepOriginal copies an upload to where accepted ones are, under a type that a browser runs
// nothing of.
func (o objects) keepOriginal(ctx context.Context, key objectkey.Key, version string,
	t mediatype.Type) error {
	to := objectkey.Original(key.Organization, key.File, key.Version)
	return storageFault("keep the original",
		o.copy(ctx, key, version, o.files, to, mediatype.Served(t)))
}

func (o objects) quarantine(ctx context.Context, key objectkey.Key, version string) error {
	to := objectkey.Quarantine(key.Organization, key.File, key.Version)
	return storageFault("quarantine the upload",
		o.copy(ctx, key, version, o.quarantined, to, mediatype.OctetStream))
}

// copy copies inside the store. Metadata and tags are replaced: those of an upload are its
// uploader's words.
func (o objects) copy(ctx context.Context, key objectkey.Key, version, bucket, to string,
	t mediatype.Type) error {
	_, err := o.client.CopyObject(ctx, &s3.CopyObjectInput{
		Bucket: &bucket, Key: &to,
		CopySource: aws.String(o.incoming + "/" + incomingKey(key) + "?versionId=" +
			url.QueryEscape(version)),
		MetadataDirective: types.MetadataDirectiveReplace,
		TaggingDirective:  types.TaggingDirectiveReplace,
		ContentType:       aws.String(string(t)), CacheControl: aws.String(cacheControl),
		ChecksumAlgorithm: types.ChecksumAlgorithmSha256,
	})
	return err
}

// deleteUpload deletes one version for good: without a version S3 would only lay a delete marker
// over the object.
func (o objects) deleteUpload(ctx context.Context, key objectkey.Key, version string) error {
	_, err := o.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &o.incoming,
		Key: aws.String(incomingKey(key)), VersionId: &version})
	if err = storageFault("delete a version", err); errors.Is(err, errGone) {
		return nil
	}
	return err
}

// deleteUploads deletes every version, and every delete marker, of an upload's key.
func (o objects) deleteUploads(ctx context.Context, upload objectkey.Key) error {
	bucket, key := o.incoming, incomingKey(upload)
	pages := s3.NewListObjectVersionsPaginator(o.client,
		&s3.ListObjectVersionsInput{Bucket: &bucket, Prefix: &key})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return storageFault("list versions", err)
		}
		var doomed []types.ObjectIdentifier
		for _, v := range page.Versions {
			doomed = append(doomed, types.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
		}
		for _, m := range page.DeleteMarkers {
			doomed = append(doomed, types.ObjectIdentifier{Key: m.Key, VersionId: m.VersionId})
		}
		doomed = slices.DeleteFunc(doomed,
			func(id types.ObjectIdentifier) bool { return aws.ToString(id.Key) != key })
		if len(doomed) == 0 {
			continue
		}
		deleted, err := o.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{
			Bucket: &bucket, Delete: &types.Delete{Objects: doomed, Quiet: aws.Bool(true)},
		})
		if err != nil {
			return storageFault("delete versions", err)
		}
		if len(deleted.Errors) > 0 {
			return fmt.Errorf("delete %d versions: %d failed, the first with %s", len(doomed),
				len(deleted.Errors), aws.ToString(deleted.Errors[0].Code))
		}
	}
	return nil
}

func incomingKey(key objectkey.Key) string {
	return objectkey.Incoming(key.Organization, key.File, key.Version)
}

// storageFault classifies an error of S3: the object is gone, or trying again may help. nil stays
// nil. Codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
func storageFault(doing string, err error) error {
	if err == nil {
		return nil
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		switch api.ErrorCode() {
		case "NoSuchKey", "NoSuchVersion":
			return fmt.Errorf("%s: %w", doing, errGone)
		}
	}
	return fmt.Errorf("%s: %w", doing, fault.Wrap(err, fault.Temporary, "storage-unavailable",
		"The object store did not answer as expected."))
}
