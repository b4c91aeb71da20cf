package s3

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3api/utils"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"

	"github.com/toolboxai-solutions/satchel/infra/template"
)

// notifier is an object store that tells of each object made in a bucket that
// has notifications. A notification never fails the request that caused it, as
// on AWS.
type notifier struct {
	backend.Backend
	buckets []template.Bucket
	notify  func(queue string, event []byte)
	now     func() time.Time
	last    atomic.Uint64
}

func newNotifier(store backend.Backend, o Options) *notifier {
	return &notifier{Backend: &guard{Backend: store}, buckets: o.Buckets, notify: o.Notify,
		now: o.Now}
}

// queues are those that hear of a new object.
func (n *notifier) queues(c created) (queues []string) {
	for _, bucket := range n.buckets {
		for _, rule := range bucket.Notifications {
			if bucket.Name == c.bucket && strings.HasPrefix(c.key, rule.Prefix) {
				queues = append(queues, rule.Queue)
			}
		}
	}
	return queues
}

// PutObject stores an object sent by PUT or by a form. For a form it also
// closes a hole of versitygw, which judges content-length-range by what the
// request's length leaves for the file and then stores only what comes before
// the final boundary: padding after it would let a smaller file through.
func (n *notifier) PutObject(ctx context.Context,
	in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	name := "Put"
	if form, ok := in.Body.(utils.MpFileReader); ok {
		name = "Post"
		in.Body = &exactFile{form: form, want: *in.ContentLength}
	}
	out, err := n.Backend.PutObject(ctx, in)
	if err != nil {
		return out, err
	}
	n.tell(ctx, created{name: name, bucket: *in.Bucket, key: *in.Key, etag: out.ETag,
		version: out.VersionID})
	return out, nil
}

func (n *notifier) CopyObject(ctx context.Context,
	in s3response.CopyObjectInput) (s3response.CopyObjectOutput, error) {
	out, err := n.Backend.CopyObject(ctx, in)
	if err != nil {
		return out, err
	}
	c := created{name: "Copy", bucket: *in.Bucket, key: *in.Key}
	if out.VersionId != nil {
		c.version = *out.VersionId
	}
	n.tell(ctx, c)
	return out, nil
}

func (n *notifier) CompleteMultipartUpload(ctx context.Context,
	in *awss3.CompleteMultipartUploadInput) (s3response.CompleteMultipartUploadResult, string,
	error) {
	out, version, err := n.Backend.CompleteMultipartUpload(ctx, in)
	if err != nil {
		return out, version, err
	}
	n.tell(ctx, created{name: "CompleteMultipartUpload", bucket: *in.Bucket, key: *in.Key,
		version: version})
	return out, version, nil
}

// tell looks the new object up, for its size and tag, and sends the event.
func (n *notifier) tell(ctx context.Context, c created) {
	queues := n.queues(c)
	if n.notify == nil || len(queues) == 0 {
		return
	}
	head := &awss3.HeadObjectInput{Bucket: &c.bucket, Key: &c.key}
	if c.version != "" {
		head.VersionId = &c.version
	}
	object, err := n.HeadObject(ctx, head)
	if err != nil {
		slog.Error("look up a created object: its event is lost", "bucket", c.bucket, "key", c.key,
			"error", err)
		return
	}
	c.size, c.etag = *object.ContentLength, *object.ETag
	c.at, c.sequencer, c.requestID = n.now(), n.sequencer(), rand.Text()[:16]
	event, err := json.Marshal(c.notification())
	if err != nil {
		slog.Error("write the event of a created object: it is lost", "bucket", c.bucket, "key",
			c.key, "error", err)
		return
	}
	for _, queue := range queues {
		n.notify(queue, event)
	}
}

// sequencer returns ever greater numbers, across restarts too, in S3's
// notation: hexadecimal, of even length.
func (n *notifier) sequencer() string {
	for {
		last := n.last.Load()
		next := max(last+1, uint64(n.now().UnixNano()))
		if n.last.CompareAndSwap(last, next) {
			return fmt.Sprintf("00%016X", next)
		}
	}
}

// exactFile is the file of a form, and fails unless it is as long as the form's
// policy was told.
type exactFile struct {
	form utils.MpFileReader
	want int64
}

func (f *exactFile) Read(p []byte) (int, error) {
	read, err := f.form.Read(p)
	if err == io.EOF && f.form.Length() != f.want {
		return read, s3err.GetAPIError(s3err.ErrMalformedPOSTRequest)
	}
	return read, err
}
