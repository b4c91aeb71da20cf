package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/shared/objectkey"
)

// attemptsOwn is the part of an output's key that differs by how often it was tried.
var attemptsOwn = regexp.MustCompile(`/ORG/FILE/1/(held/)?\d+`)

// state is all that is left of a file, without times: what must not depend on how often and with
// which faults it was processed.
func (w *fixture) state(key objectkey.Key) string {
	w.t.Helper()
	var lines []string
	add := func(query string, args ...any) {
		rows, err := w.Superuser.Query(context.Background(), query, args...)
		if err != nil {
			w.t.Fatalf("%s: %v", query, err)
		}
		found, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			w.t.Fatalf("%s: %v", query, err)
		}
		lines = append(lines, found...)
	}
	add(`SELECT 'file ' || (to_jsonb(f) - '{current_fence,created_at,updated_at,last_scanned_at,id,organization_id,uploaded_by,created_by}'::text[] || jsonb_build_object('deletion_date', round(extract(epoch FROM deletion_date - created_at) / 86400)))::text
		FROM files f WHERE organization_id = $1 AND id = $2`, key.Organization, key.File)
	add(`SELECT 'upload ' || file_id::text FROM file_uploads
		WHERE organization_id = $1 AND file_id = $2`,
		key.Organization, key.File)
	add(`SELECT format('quota used %s reserved %s files %s', used_bytes, reserved_bytes, file_count)
		FROM storage_quotas WHERE organization_id = $1`,
		key.Organization)
	add(`SELECT 'log ' || action || ' ' || (details - 'attempt')::text FROM file_access_logs
		WHERE organization_id = $1 AND file_id = $2`,
		key.Organization, key.File)
	add(`SELECT 'event ' || topic || ' ' || payload::text FROM notification_inbox
		WHERE organization_id = $1 AND subject_id = $2`,
		key.Organization, key.File)
	add(`SELECT 'to delete ' || bucket_name || ' ' || prefix FROM object_deletions
		WHERE organization_id = $1 AND prefix LIKE '%' || $2::text || '%' ORDER BY prefix`,
		key.Organization, key.File)
	objects := w.objects(key)
	for _, name := range slices.Sorted(maps.Keys(objects)) {
		lines = append(lines, "object "+name+" "+objects[name])
	}
	state := strings.NewReplacer(key.File.String(), "FILE", key.Organization.String(),
		"ORG").Replace(strings.Join(lines, "\n"))
	return attemptsOwn.ReplaceAllString(state, "/ORG/FILE/1/${1}N")
}

// objects maps the bucket and key of each object of a file to what it is.
func (w *fixture) objects(key objectkey.Key) map[string]string {
	w.t.Helper()
	found := map[string]string{}
	incoming, original, variant, quarantine := objectkey.Prefixes(key.Organization, key.File)
	for _, bucket := range []string{"incoming", "files", "quarantine"} {
		for _, prefix := range []string{incoming, original, variant, quarantine} {
			list, err := w.s3.ListObjectVersions(context.Background(),
				&awss3.ListObjectVersionsInput{Bucket: &bucket, Prefix: &prefix})
			if err != nil {
				w.t.Fatal(err)
			}
			for _, marker := range list.DeleteMarkers {
				found[bucket+" "+*marker.Key+" "+*marker.VersionId] = "delete marker"
			}
			for _, v := range list.Versions {
				if bucket == "incoming" {
					found[bucket+" "+*v.Key+" "+*v.VersionId] = "an upload that is left"
				} else if aws.ToBool(v.IsLatest) {
					found[bucket+" "+*v.Key] = w.describe(bucket, *v.Key)
				}
			}
		}
	}
	return found
}

func (w *fixture) describe(bucket, key string) string {
	out, content := w.get(bucket, key)
	sum := sha256.Sum256(content)
	return fmt.Sprintf("%s %s %d %s %v", *out.ContentType, aws.ToString(out.CacheControl),
		len(content), hex.EncodeToString(sum[:8]), out.Metadata)
}

func (w *fixture) get(bucket, key string) (*awss3.GetObjectOutput, []byte) {
	w.t.Helper()
	out, err := w.s3.GetObject(context.Background(),
		&awss3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		w.t.Fatalf("get %s from %s: %v", key, bucket, err)
	}
	defer out.Body.Close()
	content, err := io.ReadAll(out.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return out, content
}
