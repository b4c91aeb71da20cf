package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

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
func (p *Processor) openUpload(ctx context.Context, c claim) (*s3.GetObjectOutput, error) {
	w := watch(ctx)
	bucket, key := c.source(p.Config.Buckets)
	object, err := p.S3.GetObject(w.ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key,
		VersionId: &c.objectVersion})
	w.timer.Stop()
	if err != nil {
		w.cancel()
		return nil, storageFault("read the upload", err)
	}
	object.Body = &watchedBody{object.Body, w}
	return object, nil
}

// putVariant never overwrites. That a key which only this attempt has is taken means that an
// earlier request of its own got through and the answer was lost.
func (p *Processor) putVariant(ctx context.Context, c claim, v picture.Variant) error {
	ctx, cancel := context.WithTimeout(ctx, storageTime)
	defer cancel()
	_, err := p.S3.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &p.Config.Files,
		Key: aws.String(objectkey.Variant(c.key.Organization, c.key.File, c.key.Version, c.fence,
			v.Name)),
		IfNoneMatch: aws.String("*"),
		Body:        bytes.NewReader(v.Data), ContentLength: aws.Int64(int64(len(v.Data))),
		ContentType:  aws.String(string(v.ContentType)),
		CacheControl: aws.String(cacheControl), ChecksumAlgorithm: types.ChecksumAlgorithmSha256,
	})
	if api, ok := errors.AsType[smithy.APIError](err); ok &&
		api.ErrorCode() == "PreconditionFailed" {
		return nil
	}
	return storageFault("store variant "+v.Name, err)
}

// keepOriginal copies an upload to where accepted ones are, under a type that a browser runs
// nothing of.
func (p *Processor) keepOriginal(ctx context.Context, c claim, t mediatype.Type) error {
	return storageFault("keep the original",
		p.copy(ctx, c, p.Config.Files, c.originalKey(), mediatype.Served(t)))
}

func (p *Processor) quarantine(ctx context.Context, c claim, reason storedfile.Reason) error {
	return storageFault("quarantine the upload",
		p.copy(ctx, c, p.Config.Quarantine, c.keptKey(reason), mediatype.OctetStream))
}

// copy copies inside the store. Metadata and tags are replaced: those of an upload are its
// uploader's words.
func (p *Processor) copy(ctx context.Context, c claim, bucket, to string, t mediatype.Type) error {
	ctx, cancel := context.WithTimeout(ctx, storageTime)
	defer cancel()
	from, key := c.source(p.Config.Buckets)
	_, err := p.S3.CopyObject(ctx, &s3.CopyObjectInput{
		Bucket: &bucket, Key: &to,
		CopySource: aws.String(from + "/" + key + "?versionId=" +
			url.QueryEscape(c.objectVersion)),
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
	ctx, cancel := context.WithTimeout(ctx, storageTime)
	defer cancel()
	_, err := p.S3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &p.Config.Incoming,
		Key: aws.String(incomingKey(key)), VersionId: &version})
	if err = storageFault("delete a version", err); errors.Is(err, errGone) {
		return nil
	}
	return err
}

// deleteUploads deletes every version, and every delete marker, of an upload's key.
func (p *Processor) deleteUploads(ctx context.Context, upload objectkey.Key) error {
	ctx, cancel := context.WithTimeout(ctx, storageTime)
	defer cancel()
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

// refusedByStore reports whether the store answered that it did nothing: a name that is not there,
// a grant that is missing.
func refusedByStore(err error) bool {
	answer, ok := errors.AsType[*smithyhttp.ResponseError](err)
	return ok && answer.HTTPStatusCode() >= 400 && answer.HTTPStatusCode() < 500 &&
		answer.HTTPStatusCode() != http.StatusRequestTimeout
}
