package e2e

import (
	"bytes"
	"context"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// stored lists every version and delete marker whose key has the part in it, in all buckets, as
// bucket/key.
func (s *school) stored(part string) (found []string) {
	s.t.Helper()
	b := s.ready.S3.Buckets
	for _, bucket := range []string{b.Incoming, b.Files, b.Quarantine} {
		pages := s3.NewListObjectVersionsPaginator(s.objects,
			&s3.ListObjectVersionsInput{Bucket: &bucket})
		for pages.HasMorePages() {
			page, err := pages.NextPage(s.t.Context())
			if err != nil {
				s.t.Fatal(err)
			}
			for _, v := range page.Versions {
				found = append(found, bucket+"/"+aws.ToString(v.Key))
			}
			for _, m := range page.DeleteMarkers {
				found = append(found, bucket+"/"+aws.ToString(m.Key)+" (deleted)")
			}
		}
	}
	return slices.DeleteFunc(found, func(key string) bool { return !strings.Contains(key, part) })
}

// wantStored waits until exactly these kinds of keys are stored of a file: "original",
// "variant/thumbnail", "quarantine".
func (s *school) wantStored(id string, want ...string) {
	s.t.Helper()
	s.wantObjects(id, want, func(found []string) []string { return found })
}

// attempt is the part of an output's key that says which attempt stored it.
var attempt = regexp.MustCompile(
	`(/(?:original|variant|quarantine)/[0-9a-f-]{36}/[0-9a-f-]{36}/1)/(?:held/)?\d+`)

// wantKept is wantStored for a file whose worker was lost: what that one stored under keys of its
// own is left to maintenance.
func (s *school) wantKept(id string, want ...string) {
	s.t.Helper()
	s.wantObjects(id, want, slices.Compact[[]string])
}

func (s *school) wantObjects(id string, want []string, count func([]string) []string) {
	s.t.Helper()
	b := s.ready.S3.Buckets
	keys := []string{}
	for _, w := range want {
		kind, variant, _ := strings.Cut(w, "/")
		bucket := map[string]string{"incoming": b.Incoming, "quarantine": b.Quarantine}[kind]
		if bucket == "" {
			bucket = b.Files
		}
		key := bucket + "/" + kind + "/" + s.id + "/" + id + "/1"
		if variant != "" {
			key += "/" + variant
		}
		keys = append(keys, key)
	}
	slices.Sort(keys)
	var found []string
	defer func() {
		if s.t.Failed() {
			s.t.Logf("stored of %s: %q, want %q", id, found, keys)
		}
	}()
	until(s.t, "the objects of "+id, func() bool {
		found = s.stored(id)
		for i := range found {
			found[i] = attempt.ReplaceAllString(found[i], "$1")
		}
		slices.Sort(found)
		return slices.Equal(count(slices.Clone(found)), keys)
	})
}

func (s *school) wantQuota(used, reserved, files int64) {
	s.t.Helper()
	a := s.user("member").call("GET", "/v1/usage", nil).want(200)
	if a.number("quota.used") != used || a.number("quota.reserved") != reserved ||
		a.number("quota.files") != files {
		s.t.Errorf("quota %s, want %d used, %d reserved, %d files", a.raw, used, reserved, files)
	}
}

// look reads one number from the database.
func (s *school) look(sql string, arguments ...any) (n int64) {
	s.t.Helper()
	if err := s.rows.QueryRow(s.t.Context(), sql, arguments...).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// change is for what no client can do: an operator's decision, or the passing of time.
func (s *school) change(sql string, arguments ...any) {
	s.t.Helper()
	if _, err := s.rows.Exec(context.Background(), sql, arguments...); err != nil {
		s.t.Fatal(err)
	}
}

// hold locks rows, so that a worker stops where it needs them, until release.
func (s *school) hold(sql string, arguments ...any) (release func()) {
	s.t.Helper()
	tx, err := s.rows.Begin(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	release = sync.OnceFunc(func() { _ = tx.Rollback(context.Background()) })
	s.t.Cleanup(release)
	if tag, err := tx.Exec(context.Background(), sql, arguments...); err != nil ||
		tag.RowsAffected() == 0 {
		s.t.Fatalf("%d rows to hold: %v", tag.RowsAffected(), err)
	}
	return release
}

// put writes an object with credentials that no client has, past the form.
func (s *school) put(key string, content []byte, kind string) (version string) {
	s.t.Helper()
	out, err := s.objects.PutObject(s.t.Context(), &s3.PutObjectInput{
		Bucket: &s.ready.S3.Buckets.Incoming, Key: &key, Body: bytes.NewReader(content),
		ContentType: &kind,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return aws.ToString(out.VersionId)
}

func (s *school) incoming(id string) string { return "incoming/" + s.id + "/" + id + "/1" }

// maintenance fires the schedule now.
func (s *school) maintenance() {
	s.t.Helper()
	s.send("POST", "/local/schedules/file-maintenance", "", nil).want(200)
}

// storedType is the type that the files bucket itself has for an object.
func (s *school) storedType(key string) string {
	s.t.Helper()
	head, err := s.objects.HeadObject(s.t.Context(),
		&s3.HeadObjectInput{Bucket: &s.ready.S3.Buckets.Files, Key: &key})
	if err != nil {
		s.t.Fatal(err)
	}
	return aws.ToString(head.ContentType)
}
