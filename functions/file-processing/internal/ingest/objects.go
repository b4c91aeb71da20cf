package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/picture"
	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/mediatype"
	"github.com/toolboxai-solutions/satchel/shared/objectkey"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
)

// errGone means that the object, or this version of it, is not there (any more).
var errGone = errors.New("object is gone")

// cacheControl: an output never changes under its key; private, because who may see it is decided
// for each request.
const cacheControl = "private, max-age=31536000, immutable"

// openUpload starts reading one version of an upload. The caller closes its body.
func (p *Processor) openUpload(ctx context.Context, key objectkey.Key,
	version string) (*s3.GetObjectOutput, error) {
	object, err := p.S3.GetObject(ctx, &s3.GetObjectInput{
		Bucket: &p.Config.Incoming, Key: aws.String(incomingKey(key)), VersionId: &version,
	})
	if err != nil {
		return nil, storageFault("read the upload", err)
	}
	return object, nil
}

func (p *Processor) putVariant(ctx context.Context, key objectkey.Key, v picture.Variant) error {
	_, err := p.S3.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &p.Config.Files,
		Key:    aws.String(objectkey.Variant(key.Organization, key.File, key.Version, v.Name)),
		Body:   bytes.NewReader(v.Data), ContentLength: aws.Int64(int64(len(v.Data))),
		ContentType:  aws.String(string(v.ContentType)),
		CacheControl: aws.String(cacheControl), ChecksumAlgorithm: types.ChecksumAlgorithmSha256,
	})
	return storageFault("store variant "+v.Name, err)
}

// keepOriginal copies an upload to where accepted ones are, under a type that a browser runs
// nothing of.
func (p *Processor) keepOriginal(ctx context.Context, key objectkey.Key, version string,
	t mediatype.Type) error {
	to := objectkey.Original(key.Organization, key.File, key.Version)
	return storageFault("keep the original",
		p.copy(ctx, key, version, p.Config.Files, to, mediatype.Served(t)))
}

func (p *Processor) quarantine(ctx context.Context, key objectkey.Key, version string) error {
	to := objectkey.Quarantine(key.Organization, key.File, key.Version)
	return storageFault("quarantine the upload",
		p.copy(ctx, key, version, p.Config.Quarantine, to, mediatype.OctetStream))
}

// copy copies inside the store. Metadata and tags are replaced: those of an upload are its
// uploader's words.
func (p *Processor) copy(ctx context.Context, key objectkey.Key, version, bucket, to string,
	t mediatype.Type) error {
	_, err := p.S3.CopyObject(ctx, &s3.CopyObjectInput{
		Bucket: &bucket, Key: &to,
		CopySource: aws.String(p.Config.Incoming + "/" + incomingKey(key) + "?versionId=" +
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
func (p *Processor) deleteUpload(ctx context.Context, key objectkey.Key, version string) error {
	_, err := p.S3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &p.Config.Incoming,
		Key: aws.String(incomingKey(key)), VersionId: &version})
	if err = storageFault("delete a version", err); errors.Is(err, errGone) {
		return nil
	}
	return err
}

// deleteUploads deletes every version, and every delete marker, of an upload's key.
func (p *Processor) deleteUploads(ctx context.Context, upload objectkey.Key) error {
	_, err := storedfile.DeleteVersions(ctx, p.S3, p.Config.Incoming, incomingKey(upload))
	return storageFault("delete every version", err)
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
