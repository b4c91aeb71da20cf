package s3

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3api/middlewares"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// guard makes an object store's operations atomic to each other, as S3's are.
// versitygw's store serializes writers of one key, but moves the version that
// is replaced out of the way in several steps, and neither its reads nor its
// deletes wait for them: one version of a key would be missing, refused or
// mixed with another while the next is stored.
type guard struct {
	backend.Backend
	mu sync.RWMutex
}

// PutObject lets bodies arrive concurrently, however slowly, and takes its turn
// when one is complete.
func (g *guard) PutObject(ctx context.Context,
	in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	turn := &lockAtEnd{Reader: in.Body, mu: &g.mu}
	defer turn.unlock()
	in.Body = turn
	if checked, ok := turn.Reader.(middlewares.ChecksumReader); ok {
		in.Body = &checkedLockAtEnd{lockAtEnd: turn, checked: checked}
	}
	return g.Backend.PutObject(ctx, in)
}

func (g *guard) CopyObject(ctx context.Context,
	in s3response.CopyObjectInput) (s3response.CopyObjectOutput, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.Backend.CopyObject(ctx, in)
}

func (g *guard) CompleteMultipartUpload(ctx context.Context,
	in *awss3.CompleteMultipartUploadInput) (s3response.CompleteMultipartUploadResult, string,
	error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.Backend.CompleteMultipartUpload(ctx, in)
}

func (g *guard) DeleteObject(ctx context.Context,
	in *awss3.DeleteObjectInput) (*awss3.DeleteObjectOutput, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	out, err := g.Backend.DeleteObject(ctx, in)
	var refused s3err.InvalidArgumentError
	if errors.As(err, &refused) && isVersion(in.VersionId) {
		return &awss3.DeleteObjectOutput{VersionId: in.VersionId}, nil
	}
	return out, err
}

func (g *guard) DeleteObjects(ctx context.Context,
	in *awss3.DeleteObjectsInput) (s3response.DeleteResult, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	out, err := g.Backend.DeleteObjects(ctx, in)
	out.Error = slices.DeleteFunc(out.Error, func(e types.Error) bool {
		gone := *e.Code == "InvalidArgument" && isVersion(e.VersionId)
		if gone {
			out.Deleted = append(out.Deleted,
				types.DeletedObject{Key: e.Key, VersionId: e.VersionId})
		}
		return gone
	})
	return out, err
}

// isVersion tells an id that this store could have given to a version, a ULID. Of such a one that
// is not there (any more) it says that the id is invalid as long as the key has other versions. On
// S3 deleting what is gone is a success: two who delete the same version at once both have what
// they wanted.
func isVersion(id *string) bool { return id != nil && len(*id) == 26 }

// GetObject holds its turn until the object is open, not until it is read.
func (g *guard) GetObject(ctx context.Context,
	in *awss3.GetObjectInput) (*awss3.GetObjectOutput, error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.Backend.GetObject(ctx, in)
}

func (g *guard) HeadObject(ctx context.Context,
	in *awss3.HeadObjectInput) (*awss3.HeadObjectOutput, error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.Backend.HeadObject(ctx, in)
}

func (g *guard) ListObjects(ctx context.Context,
	in *awss3.ListObjectsInput) (s3response.ListObjectsResult, error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.Backend.ListObjects(ctx, in)
}

func (g *guard) ListObjectsV2(ctx context.Context,
	in *awss3.ListObjectsV2Input) (s3response.ListObjectsV2Result, error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.Backend.ListObjectsV2(ctx, in)
}

func (g *guard) ListObjectVersions(ctx context.Context,
	in *awss3.ListObjectVersionsInput) (s3response.ListVersionsResult, error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.Backend.ListObjectVersions(ctx, in)
}

// lockAtEnd locks mu when its reader ends.
type lockAtEnd struct {
	io.Reader
	mu     *sync.RWMutex
	locked bool
}

func (r *lockAtEnd) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err == io.EOF && !r.locked {
		r.mu.Lock()
		r.locked = true
	}
	return n, err
}

func (r *lockAtEnd) unlock() {
	if r.locked {
		r.mu.Unlock()
	}
}

// checkedLockAtEnd is a lockAtEnd of a body whose checksum follows it, which
// the store asks the body for.
type checkedLockAtEnd struct {
	*lockAtEnd
	checked middlewares.ChecksumReader
}

func (r *checkedLockAtEnd) Algorithm() string { return r.checked.Algorithm() }

func (r *checkedLockAtEnd) Checksum() string { return r.checked.Checksum() }
