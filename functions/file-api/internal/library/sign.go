package library

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/toolboxai-solutions/satchel/shared/mediatype"
)

// FormTime is how long an upload form can be used, LinkTime how long a download link.
const (
	FormTime = 15 * time.Minute
	LinkTime = 5 * time.Minute
)

// Signer signs forms and links. It computes and asks nobody: no request leaves inside a
// transaction.
type Signer struct{ presign *s3.PresignClient }

// NewSigner returns a Signer that uses the client's endpoint, region and credentials.
func NewSigner(client *s3.Client) Signer { return Signer{presign: s3.NewPresignClient(client)} }

// Upload is a form that a browser posts as multipart/form-data: every field as it is, then the file
// as the last field, named "file".
type Upload struct {
	URL       string
	Fields    map[string]string
	ExpiresAt time.Time
}

// form admits exactly one key, one type and one size. The declared SHA-256 is not part of it:
// processing compares it with the content in any case, and not every store checks it in a form.
func (s Signer) form(ctx context.Context, f File, now time.Time) (Upload, error) {
	signed,
		err := s.presign.PresignPostObject(ctx, &s3.PutObjectInput{Bucket: &f.bucket, Key: &f.key},
		func(o *s3.PresignPostOptions) {
			o.Expires = FormTime
			o.Conditions = []any{
				[]any{"eq", "$Content-Type", string(f.ContentType)},
				[]any{"content-length-range", f.Size, f.Size},
			}
		})
	if err != nil {
		return Upload{}, fmt.Errorf("sign upload form: %w", err)
	}
	signed.Values["Content-Type"] = string(f.ContentType)
	return Upload{URL: signed.URL, Fields: signed.Values, ExpiresAt: now.Add(FormTime)}, nil
}

// link hands out one object. What the store says of type and disposition is overridden by what is
// safe.
func (s Signer) link(ctx context.Context, bucket, key, filename string,
	contentType mediatype.Type) (string, error) {
	signed, err := s.presign.PresignGetObject(ctx, &s3.GetObjectInput{
		Bucket:                     &bucket,
		Key:                        &key,
		ResponseContentDisposition: aws.String(contentDisposition(filename)),
		ResponseContentType:        aws.String(string(mediatype.Served(contentType))),
		ResponseCacheControl:       aws.String("private, no-store"),
	}, s3.WithPresignExpires(LinkTime))
	if err != nil {
		return "", fmt.Errorf("sign download link: %w", err)
	}
	return signed.URL, nil
}
