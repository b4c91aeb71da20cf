package s3_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/toolboxai-solutions/satchel/infra/local/s3"
)

func TestVersionsOfAnObject(t *testing.T) { onEachFileSystem(t, versionsOfAnObject) }

func versionsOfAnObject(t *testing.T, server *s3.Server, _ *recorder) {
	client := stockClient(t, server)
	ctx := t.Context()
	first := put(t, client, incoming, "incoming/a/b/1", "first")
	second := put(t, client, incoming, "incoming/a/b/1", "second")
	if first.VersionId == nil || *first.VersionId == *second.VersionId {
		t.Fatalf("versions %v and %v", first.VersionId, second.VersionId)
	}
	if first.ChecksumCRC32 == nil && first.ChecksumCRC64NVME == nil {
		t.Error("the SDK's default checksum was not stored")
	}
	if body, _ := get(t, client, &awss3.GetObjectInput{Bucket: aws.String(incoming),
		Key: aws.String("incoming/a/b/1"), VersionId: first.VersionId}); body != "first" {
		t.Errorf("the first version reads %q", body)
	}
	list := func() (versions []string) {
		out, err := client.ListObjectVersions(ctx,
			&awss3.ListObjectVersionsInput{Bucket: aws.String(incoming),
				Prefix: aws.String("incoming/a/b/1")})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range out.Versions {
			versions = append(versions, *v.VersionId)
		}
		return versions
	}
	if got := list(); len(got) != 2 || got[0] != *second.VersionId || got[1] != *first.VersionId {
		t.Fatalf("versions %v", got)
	}
	copied, err := client.CopyObject(ctx, &awss3.CopyObjectInput{
		Bucket: aws.String(quarantine), Key: aws.String("quarantine/a/b/1"),
		CopySource: aws.String(incoming + "/incoming/a/b/1?versionId=" + *first.VersionId),
	})
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := get(t, client, &awss3.GetObjectInput{Bucket: aws.String(quarantine),
		Key: aws.String("quarantine/a/b/1"), VersionId: copied.VersionId}); body != "first" {
		t.Errorf("the copy of the first version reads %q", body)
	}
	for i, version := range []*string{second.VersionId, first.VersionId} {
		if _, err := client.DeleteObject(ctx,
			&awss3.DeleteObjectInput{Bucket: aws.String(incoming),
				Key: aws.String("incoming/a/b/1"), VersionId: version}); err != nil {
			t.Fatal(err)
		}
		if got := list(); len(got) != 1-i {
			t.Fatalf("after deleting %d: versions %v", i+1, got)
		}
	}
	_, err = client.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: aws.String(incoming),
		Key: aws.String("incoming/a/b/1")})
	var missing *types.NotFound
	if !errors.As(err, &missing) {
		t.Errorf("after its last version: %v", err)
	}
	_, err = client.GetObject(ctx, &awss3.GetObjectInput{Bucket: aws.String(incoming),
		Key: aws.String("incoming/a/b/1"), VersionId: first.VersionId})
	var failure smithy.APIError
	if !errors.As(err, &failure) || (failure.ErrorCode() != "NoSuchVersion" &&
		failure.ErrorCode() != "NoSuchKey") {
		t.Errorf("reading a deleted version: %v", err)
	}
}

func TestDeletingAVersionThatIsGone(t *testing.T) {
	onEachFileSystem(t,
		deletingAVersionThatIsGone)
}

// It is a success, as on AWS, also while the key has other versions; an id that never was one is
// refused.
func deletingAVersionThatIsGone(t *testing.T, server *s3.Server, _ *recorder) {
	client := stockClient(t, server)
	in, key := aws.String(incoming), aws.String("incoming/a/b/1")
	var gone *string
	for _, body := range []string{"first", "second", "third"} {
		if version := put(t, client, incoming, *key, body).VersionId; body == "second" {
			gone = version
		}
	}
	for time := range 3 {
		if _, err := client.DeleteObject(t.Context(),
			&awss3.DeleteObjectInput{Bucket: in, Key: key, VersionId: gone}); err != nil {
			t.Errorf("time %d: %v", time+1, err)
		}
	}
	many, err := client.DeleteObjects(t.Context(), &awss3.DeleteObjectsInput{
		Bucket: in, Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: key,
			VersionId: gone}, {Key: key, VersionId: aws.String("x")}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(many.Deleted) != 1 || *many.Deleted[0].VersionId != *gone || len(many.Errors) != 1 ||
		*many.Errors[0].VersionId != "x" {
		t.Errorf("deleted %v, errors %v", many.Deleted, many.Errors)
	}
	if body, _ := get(t, client, &awss3.GetObjectInput{Bucket: in, Key: key}); body != "third" {
		t.Errorf("the object reads %q", body)
	}
}

func TestDeleteWithoutVersionOnlyMarks(t *testing.T) {
	onEachFileSystem(t, deleteWithoutVersionOnlyMarks)
}

func deleteWithoutVersionOnlyMarks(t *testing.T, server *s3.Server, _ *recorder) {
	client := stockClient(t, server)
	kept := put(t, client, files, "original/a/b/1", "kept")
	out, err := client.DeleteObject(t.Context(),
		&awss3.DeleteObjectInput{Bucket: aws.String(files), Key: aws.String("original/a/b/1")})
	if err != nil || !aws.ToBool(out.DeleteMarker) {
		t.Fatalf("marker %v, %v", out, err)
	}
	if body, _ := get(t, client, &awss3.GetObjectInput{Bucket: aws.String(files),
		Key: aws.String("original/a/b/1"), VersionId: kept.VersionId}); body != "kept" {
		t.Errorf("the version under the marker reads %q", body)
	}
	deleted, err := client.DeleteObjects(t.Context(),
		&awss3.DeleteObjectsInput{Bucket: aws.String(files),
			Delete: &types.Delete{Objects: []types.ObjectIdentifier{
				{Key: aws.String("original/a/b/1"), VersionId: kept.VersionId},
				{Key: aws.String("original/a/b/1"), VersionId: out.VersionId},
			}}})
	if err != nil || len(deleted.Errors) > 0 {
		t.Fatalf("%+v, %v", deleted, err)
	}
	left, err := client.ListObjectVersions(t.Context(),
		&awss3.ListObjectVersionsInput{Bucket: aws.String(files)})
	if err != nil || len(left.Versions)+len(left.DeleteMarkers) > 0 {
		t.Errorf("left: %+v, %v", left, err)
	}
}

func TestRangeAndConditionalReads(t *testing.T) {
	server, _ := running(t)
	client := stockClient(t, server)
	out := put(t, client, files, "k", "0123456789")
	body, got := get(t, client, &awss3.GetObjectInput{Bucket: aws.String(files),
		Key: aws.String("k"), Range: aws.String("bytes=2-5")})
	if body != "2345" || aws.ToString(got.ContentRange) != "bytes 2-5/10" {
		t.Errorf("range reads %q, %s", body, aws.ToString(got.ContentRange))
	}
	_, err := client.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String(files),
		Key: aws.String("k"), IfNoneMatch: out.ETag})
	if err == nil {
		t.Error("an unchanged object was sent again")
	}
	_, err = client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String(files),
		Key: aws.String("k"), Body: strings.NewReader("x"), IfNoneMatch: aws.String("*")})
	if err == nil {
		t.Error("If-None-Match: * overwrote an object")
	}
}

func TestBadChecksumIsRefused(t *testing.T) {
	server, _ := running(t)
	client := stockClient(t, server)
	_, err := client.PutObject(t.Context(), &awss3.PutObjectInput{
		Bucket: aws.String(incoming), Key: aws.String("k"), Body: strings.NewReader("content"),
		ChecksumSHA256: aws.String("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="), // of nothing
	})
	var failure smithy.APIError
	if !errors.As(err, &failure) || failure.ErrorCode() != "BadDigest" {
		t.Errorf("got %v", err)
	}
}

func TestSignedReads(t *testing.T) {
	server, _ := running(t)
	client := stockClient(t, server)
	put(t, client, files, "k", "<script>")
	signed, err := awss3.NewPresignClient(client).PresignGetObject(t.Context(),
		&awss3.GetObjectInput{
			Bucket: aws.String(files), Key: aws.String("k"),
			ResponseContentDisposition: aws.String(
				`attachment; filename="a b.html"; filename*=UTF-8''%C3%BC.html`),
			ResponseContentType: aws.String("application/octet-stream"),
		})
	if err != nil {
		t.Fatal(err)
	}
	status := func(url string) *http.Response {
		response, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
		return response
	}
	good := status(signed.URL)
	if good.StatusCode != http.StatusOK ||
		good.Header.Get("Content-Type") != "application/octet-stream" ||
		good.Header.Get("Content-Disposition") != `attachment; filename="a b.html"; filename*=UTF-8''%C3%BC.html` {
		t.Errorf("signed GET: %s %v", good.Status, good.Header)
	}
	for name, url := range map[string]string{
		"another type": strings.Replace(signed.URL, "octet-stream", "html", 1),
		"another key":  strings.Replace(signed.URL, "/k?", "/l?", 1),
		"a longer life": strings.Replace(signed.URL, "X-Amz-Expires=900",
			"X-Amz-Expires=9000", 1),
		"no signature":        server.Endpoint + "/" + files + "/k",
		"without disposition": cutParameter(signed.URL, "response-content-disposition"),
	} {
		if got := status(url).StatusCode; got != http.StatusForbidden {
			t.Errorf("%s: status %d", name, got)
		}
	}
}

func cutParameter(url, name string) string {
	path, query, _ := strings.Cut(url, "?")
	var kept []string
	for p := range strings.SplitSeq(query, "&") {
		if !strings.HasPrefix(p, name+"=") {
			kept = append(kept, p)
		}
	}
	return path + "?" + strings.Join(kept, "&")
}

func TestWrongSecretIsRefused(t *testing.T) {
	server, _ := running(t)
	client := stockClient(t, server)
	_, err := client.ListBuckets(t.Context(), nil, func(o *awss3.Options) {
		o.Credentials = credentials.NewStaticCredentialsProvider(server.AccessKey, "not-the-secret",
			"")
	})
	var failure smithy.APIError
	if !errors.As(err, &failure) || failure.ErrorCode() != "SignatureDoesNotMatch" {
		t.Errorf("got %v", err)
	}
}

func TestRestartKeepsEverythingButTheTestEvent(t *testing.T) {
	dir := t.TempDir()
	first, told := start(t, dir)
	if got := told.take(); len(got) != 1 || !strings.HasPrefix(got[0],
		incoming+` {"Service":"Amazon S3","Event":"s3:TestEvent","Time":"`) ||
		!strings.Contains(got[0], `"Bucket":"`+incoming+`"`) ||
		strings.Contains(got[0], "Records") {
		t.Errorf("a new bucket told %v", got)
	}
	put(t, stockClient(t, first), files, "k", "kept")
	if err := first.AwaitEnd(); err != nil {
		t.Fatal(err)
	}
	if _, err := http.Get(first.Endpoint); err == nil {
		t.Error("a stopped server answers")
	}
	second, told := start(t, dir)
	defer func() { _ = second.AwaitEnd() }()
	if got := told.take(); len(got) != 0 {
		t.Errorf("an old bucket told %v", got)
	}
	if first.AccessKey != second.AccessKey || first.SecretKey != second.SecretKey {
		t.Error("the credentials changed")
	}
	if body, out := get(t, stockClient(t, second),
		&awss3.GetObjectInput{Bucket: aws.String(files), Key: aws.String("k")}); body != "kept" ||
		out.VersionId == nil {
		t.Errorf("after a restart: %q, version %v", body, out.VersionId)
	}
	info, err := os.Stat(filepath.Join(dir, "credentials"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("credentials: %v, %v", info, err)
	}
}

func TestWorkingDirectoryComesBack(t *testing.T) {
	before, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	server, _ := start(t, t.TempDir())
	if _, err := s3.Start(t.Context(), s3.Options{Dir: t.TempDir(),
		Buckets: buckets()}); err == nil {
		t.Error("a second server started in one process")
	}
	if err := server.AwaitEnd(); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.Getwd(); after != before {
		t.Errorf("the working directory is %s, not %s", after, before)
	}
}

func TestBrowserMayPostFromAnyOrigin(t *testing.T) {
	server, _ := running(t)
	preflight := func(bucket, method string) *http.Response {
		request, _ := http.NewRequestWithContext(t.Context(), http.MethodOptions,
			server.Endpoint+"/"+bucket, nil)
		request.Header.Set("Origin", "https://school.example")
		request.Header.Set("Access-Control-Request-Method", method)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response
	}
	if r := preflight(incoming, "POST"); r.StatusCode != http.StatusOK ||
		r.Header.Get("Access-Control-Allow-Origin") == "" {
		t.Errorf("preflight of POST: %s %v", r.Status, r.Header)
	}
	if r := preflight(incoming, "PUT"); r.StatusCode != http.StatusForbidden {
		t.Errorf("preflight of PUT: %s", r.Status)
	}
	if r := preflight(files, "POST"); r.StatusCode != http.StatusForbidden {
		t.Errorf("preflight of the other bucket: %s", r.Status)
	}
}

func TestLargeObjectInParts(t *testing.T) {
	server, told := running(t)
	client := stockClient(t, server)
	content := bytes.Repeat([]byte("0123456789abcdef"), 12<<20/16)
	bucket, key := aws.String(incoming), aws.String("big")
	begun, err := client.CreateMultipartUpload(t.Context(), &awss3.CreateMultipartUploadInput{
		Bucket: bucket, Key: key, ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
	})
	if err != nil {
		t.Fatal(err)
	}
	var parts []types.CompletedPart
	for chunk := range slices.Chunk(content, 5<<20) {
		number := aws.Int32(int32(len(parts) + 1))
		part, err := client.UploadPart(t.Context(), &awss3.UploadPartInput{
			Bucket: bucket, Key: key, UploadId: begun.UploadId, PartNumber: number,
			Body: bytes.NewReader(chunk),
		})
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, types.CompletedPart{PartNumber: number, ETag: part.ETag,
			ChecksumCRC32: part.ChecksumCRC32})
	}
	if _, err := client.CompleteMultipartUpload(t.Context(), &awss3.CompleteMultipartUploadInput{
		Bucket: bucket, Key: key, UploadId: begun.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	}); err != nil {
		t.Fatal(err)
	}
	body, out := get(t, client, &awss3.GetObjectInput{Bucket: aws.String(incoming),
		Key: aws.String("big")})
	if body != string(content) {
		t.Error("the object differs")
	}
	got := records(t, told.take())
	if len(got) != 1 || got[0].EventName != "ObjectCreated:CompleteMultipartUpload" ||
		got[0].S3.Object.Size != int64(len(content)) ||
		got[0].S3.Object.VersionID != aws.ToString(out.VersionId) ||
		`"`+got[0].S3.Object.ETag+`"` != aws.ToString(out.ETag) {
		t.Errorf("told %+v, the object is %s %s", got, aws.ToString(out.VersionId),
			aws.ToString(out.ETag))
	}
}
