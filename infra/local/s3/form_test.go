package s3_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/toolboxai-solutions/satchel/infra/local/s3"
)

const key = "incoming/0190/0191/1"

// presigned is the form that file-api hands out: exactly this key, type and size.
func presigned(t *testing.T, server *s3.Server, size int, life time.Duration) (url string, f form) {
	t.Helper()
	post, err := awss3.NewPresignClient(stockClient(t, server)).PresignPostObject(t.Context(),
		&awss3.PutObjectInput{Bucket: aws.String(incoming), Key: aws.String(key)},
		func(o *awss3.PresignPostOptions) {
			o.Expires = life
			o.Conditions = []any{
				map[string]string{"Content-Type": "image/jpeg"},
				[]any{"content-length-range", size, size},
			}
		})
	if err != nil {
		t.Fatal(err)
	}
	f.fields = append(f.fields, [2]string{"Content-Type", "image/jpeg"})
	for name, value := range post.Values {
		f.fields = append(f.fields, [2]string{name, value})
	}
	f.file = strings.Repeat("j", size)
	return post.URL, f
}

// with returns the form with one field set to another value.
func (f form) with(name, value string) form {
	changed := form{file: f.file, epilogue: f.epilogue}
	for _, field := range f.fields {
		if field[0] == name {
			field[1] = value
		}
		changed.fields = append(changed.fields, field)
	}
	return changed
}

func (f form) without(name string) form {
	changed := form{file: f.file}
	for _, field := range f.fields {
		if field[0] != name {
			changed.fields = append(changed.fields, field)
		}
	}
	return changed
}

func (f form) value(name string) string {
	for _, field := range f.fields {
		if field[0] == name {
			return field[1]
		}
	}
	return ""
}

func TestFormIsStoredAsPromised(t *testing.T) { onEachFileSystem(t, formIsStoredAsPromised) }

func formIsStoredAsPromised(t *testing.T, server *s3.Server, told *recorder) {
	url, f := presigned(t, server, 1000, time.Minute)
	if status, body := f.post(t, url); status != http.StatusNoContent {
		t.Fatalf("status %d: %s", status, body)
	}
	head, err := stockClient(t, server).HeadObject(t.Context(),
		&awss3.HeadObjectInput{Bucket: aws.String(incoming), Key: aws.String(key)})
	if err != nil {
		t.Fatal(err)
	}
	if aws.ToString(head.ContentType) != "image/jpeg" || aws.ToInt64(head.ContentLength) != 1000 {
		t.Errorf("stored as %s, %d bytes", aws.ToString(head.ContentType),
			aws.ToInt64(head.ContentLength))
	}
	got := records(t, told.take())
	if len(got) != 1 || got[0].EventName != "ObjectCreated:Post" || got[0].S3.Object.Key != key ||
		got[0].S3.Object.Size != 1000 ||
		got[0].S3.Object.VersionID != aws.ToString(head.VersionId) {
		t.Errorf("told %+v", got)
	}
}

func TestFormThatBreaksItsPolicyIsRefused(t *testing.T) {
	server, told := running(t)
	url, f := presigned(t, server, 1000, time.Minute)
	sized := func(n int) form { return form{fields: f.fields, file: strings.Repeat("j", n)} }
	wider, err := base64.StdEncoding.DecodeString(f.value("policy"))
	if err != nil {
		t.Fatal(err)
	}
	tampered := base64.StdEncoding.EncodeToString(
		[]byte(strings.ReplaceAll(string(wider), "1000", "9999")))
	extra := func(name, value string) form {
		return form{fields: append([][2]string{{name, value}}, f.fields...), file: f.file}
	}
	padded := sized(10)
	padded.epilogue = strings.Repeat("p", 990)

	tests := []struct {
		name   string
		form   form
		status int
	}{
		{"a byte too many", sized(1001), http.StatusBadRequest},
		{"a byte too few", sized(999), http.StatusBadRequest},
		{"empty", sized(0), http.StatusBadRequest},
		{"short file padded behind the form", padded, http.StatusBadRequest},
		{"another type", f.with("Content-Type", "text/html"), http.StatusForbidden},
		{"no type", f.without("Content-Type"), http.StatusForbidden},
		{"another key", f.with("key", "incoming/0190/0192/1"), http.StatusForbidden},
		{"filename in the key", f.with("key", key+"${filename}"), http.StatusForbidden},
		{"no key", f.without("key"), http.StatusBadRequest},
		{"extra metadata", extra("x-amz-meta-role", "admin"), http.StatusForbidden},
		{"extra header", extra("Content-Disposition", "inline"), http.StatusForbidden},
		{"extra acl", extra("acl", "public-read"), http.StatusForbidden},
		{"redirect", extra("success_action_redirect", "https://elsewhere.example"),
			http.StatusForbidden},
		{"tampered policy", f.with("policy", tampered), http.StatusForbidden},
		{"tampered signature", f.with("X-Amz-Signature", strings.Repeat("0", 64)),
			http.StatusForbidden},
		{"no signature", f.without("X-Amz-Signature"), http.StatusBadRequest},
		{"no policy", f.without("policy"), http.StatusBadRequest},
		{"nothing signed", form{fields: [][2]string{{"key", key}}, file: "j"},
			http.StatusForbidden},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if status, body := tt.form.post(t, url); status != tt.status {
				t.Errorf("status %d, want %d: %s", status, tt.status, body)
			}
		})
	}
	if status, body := f.post(t, strings.Replace(url, incoming, files,
		1)); status != http.StatusForbidden {
		t.Errorf("another bucket: status %d: %s", status, body)
	}
	if got := told.take(); len(got) != 0 {
		t.Errorf("refused forms told %v", got)
	}
	client := stockClient(t, server)
	for _, bucket := range []string{incoming, files} {
		out, err := client.ListObjectVersions(t.Context(),
			&awss3.ListObjectVersionsInput{Bucket: &bucket})
		if err != nil || len(out.Versions) != 0 {
			t.Errorf("refused forms left %v in %s, %v", out.Versions, bucket, err)
		}
	}
}

func TestExpiredFormIsRefused(t *testing.T) {
	server, _ := running(t)
	url, f := presigned(t, server, 1000, time.Millisecond)
	time.Sleep(5 * time.Millisecond)
	if status, body := f.post(t, url); status != http.StatusForbidden {
		t.Errorf("status %d: %s", status, body)
	}
}

// TestOneFormManyTimes is what a presigned form allows until it expires: every
// use is a version of its own, with an event of its own.
func TestOneFormManyTimes(t *testing.T) { onEachFileSystem(t, oneFormManyTimes) }

func oneFormManyTimes(t *testing.T, server *s3.Server, told *recorder) {
	url, f := presigned(t, server, 1000, time.Minute)
	const uses = 60
	var wait sync.WaitGroup
	for range 6 {
		wait.Go(func() {
			for range uses / 6 {
				if status, body := f.post(t, url); status != http.StatusNoContent {
					t.Errorf("status %d: %s", status, body)
				}
			}
		})
	}
	wait.Wait()
	told1 := map[string]bool{}
	sequencers := map[string]bool{}
	for _, r := range records(t, told.take()) {
		told1[r.S3.Object.VersionID], sequencers[r.S3.Object.Sequencer] = true, true
		if r.S3.Object.Size != 1000 {
			t.Errorf("an event of %d bytes", r.S3.Object.Size)
		}
	}
	if len(told1) != uses || len(sequencers) != uses {
		t.Errorf("told %d versions with %d sequencers, want %d", len(told1), len(sequencers), uses)
	}
	client := stockClient(t, server)
	out, err := client.ListObjectVersions(t.Context(),
		&awss3.ListObjectVersionsInput{Bucket: aws.String(incoming)})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range out.Versions {
		if !told1[*v.VersionId] {
			t.Errorf("version %s was not told", *v.VersionId)
		}
		if body, got := get(t, client, &awss3.GetObjectInput{Bucket: aws.String(incoming),
			Key: aws.String(key), VersionId: v.VersionId}); body != f.file ||
			aws.ToString(got.ContentType) != "image/jpeg" {
			t.Errorf("version %s: %d bytes of %s", *v.VersionId, len(body),
				aws.ToString(got.ContentType))
		}
	}
	if len(out.Versions) != uses {
		t.Errorf("%d versions, want %d", len(out.Versions), uses)
	}
}

// What TestSurplusVersionsGoWhileMoreCome does is what file-processing does to a form
// that is used again and again: the first version stays and is copied, every
// other one is deleted as it is told.
func TestSurplusVersionsGoWhileMoreCome(t *testing.T) {
	onEachFileSystem(t, surplusVersionsGoWhileMoreCome)
}

func surplusVersionsGoWhileMoreCome(t *testing.T, server *s3.Server, told *recorder) {
	url, f := presigned(t, server, 1000, time.Minute)
	client := stockClient(t, server)
	if status, body := f.post(t, url); status != http.StatusNoContent {
		t.Fatalf("status %d: %s", status, body)
	}
	first := records(t, told.take())[0].S3.Object.VersionID
	const uses = 200
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range uses / 8 {
				if status, body := f.post(t, url); status != http.StatusNoContent {
					t.Errorf("status %d: %s", status, body)
				}
			}
		})
	}
	deleted := 0
	for deadline := time.Now().Add(5 * time.Minute); deleted < uses &&
		time.Now().Before(deadline); {
		for _, r := range records(t, told.take()) {
			version := r.S3.Object.VersionID
			if _, err := client.DeleteObject(t.Context(),
				&awss3.DeleteObjectInput{Bucket: aws.String(incoming), Key: aws.String(key),
					VersionId: &version}); err != nil {
				t.Fatal(err)
			}
			deleted++
		}
		if _, err := client.CopyObject(t.Context(), &awss3.CopyObjectInput{
			Bucket: aws.String(files), Key: aws.String("original/0190/0191/1"),
			CopySource: aws.String(incoming + "/" + key + "?versionId=" + first),
		}); err != nil {
			t.Fatal(err)
		}
	}
	wait.Wait()
	out, err := client.ListObjectVersions(t.Context(),
		&awss3.ListObjectVersionsInput{Bucket: aws.String(incoming)})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Versions) != 1 || *out.Versions[0].VersionId != first {
		t.Errorf("%d versions are left, want the first alone; %d deleted", len(out.Versions),
			deleted)
	}
}
