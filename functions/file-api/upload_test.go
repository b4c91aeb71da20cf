package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/library"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

func TestCreateGivesAFormThatWorks(t *testing.T) {
	w := newFixture(t)
	u := w.user(tenant.Member)
	content := bytes.Repeat([]byte("x"), 1000)
	a := u.call("POST", "/v1/files", newFile("title", "Fractions", "tags", []string{"maths"},
		"metadata", map[string]any{"grade": 5},
		"sha256", strings.Repeat("AB", 32))).want(http.StatusCreated)

	id := a.str("file.id")
	for path, want := range map[string]any{
		"file.status": "pending", "file.filename": "lesson.pdf",
		"file.content_type": "application/pdf", "file.size": 1000.0,
		"file.category": "educational_content",
		"file.title":    "Fractions", "file.tags.0": "maths", "file.metadata.grade": 5.0,
		"file.sha256": strings.Repeat("ab", 32), "file.reason": nil,
		"file.virus_scanned": false, "file.virus_scan_result": nil, "file.consent": nil,
		"file.uploaded_by": u.User.String(), "file.download_count": 0.0,
		"upload.method":              "POST",
		"upload.fields.key":          fmt.Sprintf("incoming/%s/%s/1", w.organization, id),
		"upload.fields.Content-Type": "application/pdf",
	} {
		if got := a.at(path); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	if variants, ok := a.at("file.variants").([]any); !ok || len(variants) != 0 {
		t.Errorf("variants are %v", a.at("file.variants"))
	}
	if got := a.header.Get("Location"); got != "/v1/files/"+id {
		t.Errorf("Location %q", got)
	}
	if expires := time.Until(w.time(a.str("upload.expires_at"))); expires < 5*time.Minute ||
		expires > 15*time.Minute {
		t.Errorf("form expires in %v", expires)
	}
	w.wantQuota(0, 1000, 1)
	if status := w.post(a, content[:999]); status < 400 {
		t.Errorf("a shorter file was taken: %d", status)
	}
	if status := w.post(a, content); status != http.StatusNoContent {
		t.Fatalf("upload answered %d", status)
	}
	key := a.str("upload.fields.key")
	head, err := w.client.HeadObject(t.Context(),
		&awss3.HeadObjectInput{Bucket: new(incomingBucket), Key: &key})
	if err != nil || *head.ContentType != "application/pdf" || *head.ContentLength != 1000 {
		t.Errorf("stored as %v, %v", head, err)
	}
	if got := u.call("GET", "/v1/files/"+id, nil).want(200); got.str("file.id") != id {
		t.Errorf("got %s", got.raw)
	}
}

// A client that does not know the type, or a browser that takes it from the wrong program, is helped
// by the name.
func TestTypeFromTheName(t *testing.T) {
	w := newFixture(t)
	u := w.user(tenant.Member)
	for _, sent := range []any{nil, "", "application/octet-stream", "application/vnd.ms-excel"} {
		body := newFile("filename", "marks.csv", "content_type", sent)
		if sent == nil {
			delete(body, "content_type")
		}
		a := u.call("POST", "/v1/files", body).want(201)
		if a.str("file.content_type") != "text/csv" ||
			a.str("upload.fields.Content-Type") != "text/csv" {
			t.Errorf("%v became %s", sent, a.raw)
		}
	}
}

// What the first request made may be gone when it is sent again: that is told as a conflict, which
// the document has, and not as if the path did not exist.
func TestRepeatAfterPurge(t *testing.T) {
	w := newFixture(t)
	u := w.user(tenant.Staff)
	const key = "Idempotency-Key"
	id := u.call("POST", "/v1/files", newFile(), key, "k").want(201).str("file.id")
	w.settle(id, "available", "")
	u.call("DELETE", "/v1/files/"+id+"?permanent=true", nil).want(204)
	u.call("POST", "/v1/files", newFile(), key, "k").want(409, "not-created")
	u.call("POST", "/v1/files", newFile(), key, "another").want(201)
}

func TestCreateRefuses(t *testing.T) {
	w := newFixture(t)
	u := w.user(tenant.Staff)
	w.exec(`INSERT INTO storage_quotas (organization_id, max_image_bytes) VALUES ($1, 5000)`,
		w.organization)
	w.exec(`UPDATE organizations SET data_retention_days = 100 WHERE id = $1`, w.organization)
	for _, c := range []struct {
		name   string
		body   map[string]any
		status int
		code   string
	}{
		{"empty", newFile("size", 0), 422, "empty-file"},
		{"negative", newFile("size", -1), 422, "empty-file"},
		{"larger than the limit", newFile("size", 50<<20+1), 413, "file-too-large"},
		{"larger than the organization's limit for pictures", newFile("filename", "a.png",
			"content_type", "image/png", "size", 5001), 413, "file-too-large"},
		{"type that is not allowed", newFile("filename", "a.zip", "content_type",
			"application/zip"), 415, "type-not-allowed"},
		{"no type", newFile("content_type", "pdf"), 422, "invalid-content-type"},
		{"HEIC", newFile("filename", "IMG_1.HEIC", "content_type", "image/heic"),
			415, "unsupported-image"},
		{"TIFF by its name", newFile("filename", "scan.tiff", "content_type", "image/jpeg"),
			415, "unsupported-image"},
		{"exe as text", newFile("filename", "setup.exe", "content_type", "text/plain"), 422,
			"extension-mismatch"},
		{"html as png", newFile("filename", "page.html", "content_type", "image/png"), 422,
			"extension-mismatch"},
		{"control character", newFile("filename", "a\x00.pdf"), 422, "invalid-filename"},
		{"U+0000", newFile("title", "a\x00"), 422, "invalid-text"},
		{"new line", newFile("filename", "a\r\nSet-Cookie: x.pdf"), 422, "invalid-filename"},
		{"only a path", newFile("filename", "../../"), 422, "invalid-filename"},
		{"256 bytes", newFile("filename", strings.Repeat("n", 252)+".pdf"), 422,
			"filename-too-long"},
		{"bad checksum", newFile("sha256", "abc"), 422, "invalid-request"},
		{"category", newFile("category", "homework"), 422, "invalid-request"},
		{"retention", newFile("retention_days", 0), 422, "invalid-request"},
		{"retention beyond the organization's", newFile("retention_days", 101),
			422, "retention-too-long"},
		{"tag", newFile("tags", []string{""}), 422, "invalid-tag"},
		{"metadata", newFile("metadata", map[string]any{"a": strings.Repeat("x", 17<<10)}),
			422, "metadata-too-large"},
		{"NUL in metadata", newFile("metadata", map[string]any{"a": "\x00"}), 422, "invalid-text"},
		{"numbers that grow", newFile("metadata",
			map[string]any{"a": slices.Repeat([]any{json.Number("1e300")}, 60)}), 422,
			"metadata-too-large"},
		{"numbers that vanish", newFile("metadata",
			map[string]any{"a": slices.Repeat([]any{json.Number("1e-16000")}, 450)}), 422,
			"invalid-request"},
		{"an absurd size", newFile("size", json.Number("9223372036854775807")), 413,
			"file-too-large"},
		{"a size past 64 bits", newFile("size", json.Number("9223372036854775808")), 422,
			"invalid-request"},
		{"unknown member", newFile("organization_id", "x"), 422, "invalid-request"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := u.call("POST", "/v1/files", c.body)
			a.t = t
			a.want(c.status, c.code)
			if len(a.str("detail")) < 20 {
				t.Errorf("detail %q does not say what to do", a.at("detail"))
			}
		})
	}
	w.wantQuota(0, 0, 0)
	if n := w.number(`SELECT count(*) FROM files`); n != 0 {
		t.Errorf("%d files were made", n)
	}
}

func TestFilenamesOfAnyScript(t *testing.T) {
	w := newFixture(t)
	u := w.user(tenant.Staff)
	for given, want := range map[string]string{
		"Été à la mer.pdf":         "Été à la mer.pdf",
		"数学の宿題.pdf":                "数学の宿題.pdf",
		"👩🏽‍🎓 report.pdf":          "👩🏽‍🎓 report.pdf",
		"../../etc/passwd.pdf":     "passwd.pdf",
		`C:\Users\ann\work.pdf`:    "work.pdf",
		"invoice\u202Efdp.exe.pdf": "invoicefdp.exe.pdf",
		"  spaced .pdf  ":          "spaced .pdf",
		// 256 - 4 + 2: 256 bytes is one too many
		strings.Repeat("é", 125) + "12.pdf": strings.Repeat("é", 125) + "12.pdf",
	} {
		a := u.call("POST", "/v1/files", newFile("filename", given))
		if len(want) > 255 {
			a.want(422, "filename-too-long")
			continue
		}
		a.want(201)
		if got := a.str("file.filename"); got != want {
			t.Errorf("%q became %q, want %q", given, got, want)
		}
		if got := a.str("file.original_filename"); got != given {
			t.Errorf("original name %q, want %q", got, given)
		}
		if key := a.str("upload.fields.key"); strings.Trim(key, "0123456789abcdef-/inomg") != "" {
			t.Errorf("key %q holds more than ids", key)
		}
		u.call("DELETE", "/v1/files/"+a.str("file.id"), nil).want(200)
	}
}

func TestIdempotency(t *testing.T) {
	w := newFixture(t)
	u := w.user(tenant.Member)
	first := u.call("POST", "/v1/files", newFile(), "Idempotency-Key", "k1").want(201)
	w.exec(`UPDATE file_uploads SET expires_at = now() - interval '1 hour'`)
	again := u.call("POST", "/v1/files", newFile(), "Idempotency-Key", "k1").want(201)
	if first.str("file.id") != again.str("file.id") {
		t.Fatal("a repeat made a second file")
	}
	if n := w.number(
		`SELECT count(*) FROM file_uploads
			WHERE expires_at > now() + interval '14 minutes'`); n != 1 {
		t.Error("the new form outlives its reservation")
	}
	if status := w.post(again, bytes.Repeat([]byte("x"), 1000)); status != 204 {
		t.Errorf("the new form answered %d", status)
	}
	w.wantQuota(0, 1000, 1)
	u.call("POST", "/v1/files", newFile("size", 999), "Idempotency-Key", "k1").want(422,
		"idempotency-key-reused")
	w.settle(first.str("file.id"), "available", "")
	late := u.call("POST", "/v1/files", newFile(), "Idempotency-Key", "k1").want(201)
	if late.at("upload") != nil || late.str("file.status") != "available" {
		t.Errorf("a repeat after the verdict answered %s", late.raw)
	}
	other := w.user(tenant.Member)
	if other.call("POST", "/v1/files", newFile(), "Idempotency-Key",
		"k1").want(201).str("file.id") == first.str("file.id") {
		t.Error("another user's key was taken for a repeat")
	}
	if n := w.number(
		`SELECT count(*) FROM idempotency_keys WHERE request_hash IS NOT NULL`); n != 2 {
		t.Errorf("%d keys", n)
	}
}

// A key whose first request was refused is free: nothing was made under it.
func TestIdempotencyKeepsNoRefusal(t *testing.T) {
	w := newFixture(t)
	u := w.user(tenant.Member)
	w.exec(`INSERT INTO storage_quotas (organization_id, total_bytes) VALUES ($1, 10)`,
		w.organization)
	u.call("POST", "/v1/files", newFile(), "Idempotency-Key", "k").want(413, "quota-exceeded")
	w.exec(`UPDATE storage_quotas SET total_bytes = 10000`)
	u.call("POST", "/v1/files", newFile(), "Idempotency-Key", "k").want(201)
}

// Sixteen clients on sixteen connections: never over by a byte, never under by a file that would
// have fitted.
func TestQuotaRace(t *testing.T) {
	const fits = 37
	t.Run("bytes", func(t *testing.T) { quotaRace(t, fits, 999+fits*1000+999, 100_000) })
	t.Run("files", func(t *testing.T) { quotaRace(t, fits, 1<<40, fits) })
}

func quotaRace(t *testing.T, fits int, totalBytes int64, maxFiles int) {
	t.Helper()
	w := newFixture(t)
	const clients, each = 16, 6
	w.exec(
		`INSERT INTO storage_quotas (organization_id, total_bytes, used_bytes, max_files)
			VALUES ($1, $2, 999, $3)`,
		w.organization, totalBytes, maxFiles)
	counts := make([]map[string]int, clients)
	var wait sync.WaitGroup
	for i := range clients {
		u, handler := w.user(tenant.Member), w.handler
		if i%2 == 0 {
			handler = w.api()
		}
		wait.Go(func() {
			counts[i] = map[string]int{}
			for range each {
				a := u.callOn(handler, "POST", "/v1/files", newFile())
				for a.at("code") == "upload-share-exceeded" || a.status == 503 {
					a = u.callOn(handler, "POST", "/v1/files", newFile())
				}
				counts[i][fmt.Sprintf("%d %v", a.status, a.at("code"))]++
			}
		})
	}
	wait.Wait()
	total := map[string]int{}
	for _, c := range counts {
		for k, n := range c {
			total[k] += n
		}
	}
	if want := map[string]int{"201 <nil>": fits,
		"413 quota-exceeded": clients*each - fits}; !maps.Equal(total, want) {
		t.Errorf("answers %v, want %v", total, want)
	}
	w.wantQuota(999, int64(fits)*1000, int64(fits))
	if n := w.number(`SELECT sum(reserved_bytes) FROM file_uploads`); n != int64(fits)*1000 {
		t.Errorf("%d bytes in uploads", n)
	}
}

func TestOpenUploadsAreCapped(t *testing.T) {
	w := newFixture(t)
	w.exec(`UPDATE organizations SET rate_limit_per_minute = 10000`)
	u := w.user(tenant.Member)
	u.fill(library.DefaultOpenUploads - 10)
	handlers := []http.Handler{w.handler, w.api(), w.api(), w.api()}
	statuses := make([]string, 16)
	var wait sync.WaitGroup
	for i := range statuses {
		wait.Go(func() {
			a := u.callOn(handlers[i%len(handlers)], "POST", "/v1/files", newFile())
			statuses[i] = fmt.Sprintf("%d %v", a.status, a.at("code"))
			if a.status == 429 && a.header.Get("Retry-After") != "1" {
				t.Errorf("Retry-After is %q while uploads are under way",
					a.header.Get("Retry-After"))
			}
		})
	}
	wait.Wait()
	slices.Sort(statuses)
	if statuses[9] != "201 <nil>" || statuses[10] != "429 too-many-uploads" {
		t.Errorf("answers %v", statuses)
	}
	w.wantQuota(0, 100_000, 100)
	w.user(tenant.Member).create() // another user is not in the way
	id := u.call("GET", "/v1/files?status=pending&uploaded_by="+u.User.String(),
		nil).want(200).str("files.0.id")
	u.call("DELETE", "/v1/files/"+id, nil).want(200)
	u.create()
	// What has arrived is not open any more, though it waits for its verdict.
	w.exec(`UPDATE file_uploads SET object_version = 'v' WHERE uploaded_by = $1`, u.User)
	u.create()
	// Uploads that do not come give their place back when their form expires.
	u.fill(library.DefaultOpenUploads - 1)
	w.exec(`UPDATE file_uploads SET created_at = now() - interval '5 minutes',
		expires_at = now() + interval '10 minutes'`)
	a := u.call("POST", "/v1/files", newFile()).want(429, "too-many-uploads")
	if wait, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || wait < 590 ||
		wait > 601 {
		t.Errorf("Retry-After is %q, want ten minutes", a.header.Get("Retry-After"))
	}
}

// fill opens n uploads with one request.
func (u user) fill(n int) {
	u.w.t.Helper()
	a := u.call("POST", "/v1/files/batch",
		map[string]any{"files": slices.Repeat([]any{newFile()}, n)}).want(200)
	if got := strings.Count(a.raw, `"status":201`); got != n {
		u.w.t.Fatalf("%d of %d uploads opened: %.500s", got, n, a.raw)
	}
}

// A batch is one request: each file has its answer, and all of it takes effect once.
func TestABatchOfUploads(t *testing.T) {
	w := newFixture(t)
	u := w.user(tenant.Member)
	body := map[string]any{"files": []any{newFile(), newFile("content_type", "image/x-icon"),
		newFile("tags", []string{""}), newFile("size", 5)}}
	first := u.call("POST", "/v1/files/batch", body, "Idempotency-Key", "k").want(200)
	for i, status := range []float64{201, 415, 422, 201} {
		if got := first.at(fmt.Sprintf("results.%d.status", i)); got != status {
			t.Errorf("file %d: %v, want %v", i, got, status)
		}
	}
	if first.str("results.0.upload.url") == "" ||
		first.str("results.1.problem.code") != "unsupported-image" {
		t.Errorf("answered %s", first.raw)
	}
	w.wantQuota(0, 1005, 2)
	again := u.call("POST", "/v1/files/batch", body, "Idempotency-Key", "k").want(200)
	if again.str("results.3.file.id") != first.str("results.3.file.id") ||
		again.at("results.1.status") != 409.0 {
		t.Errorf("repeated: %s", again.raw)
	}
	w.wantQuota(0, 1005, 2)
	u.call("POST", "/v1/files/batch", map[string]any{"files": []any{newFile()}}, "Idempotency-Key",
		"k").
		want(422, "idempotency-key-reused")
	u.call("POST", "/v1/files/batch",
		map[string]any{"files": slices.Repeat([]any{newFile()}, 101)}).want(422, "invalid-request")

	ids := []any{first.str("results.0.file.id"), "x", w.user(tenant.Member).create(),
		first.str("results.3.file.id")}
	gone := u.call("POST", "/v1/files/delete", map[string]any{"ids": ids}).want(200)
	for i, status := range []float64{200, 404, 403, 200} {
		if got := gone.at(fmt.Sprintf("results.%d.status", i)); got != status {
			t.Errorf("deletion %d: %v, want %v", i, got, status)
		}
	}
	w.wantQuota(0, 1000, 1)
}

// Each file may be as long as a page has room for fifty of: what is done to a hundred is done, and
// answered without those that are too many.
func TestABatchOfLongFilesIsAnswered(t *testing.T) {
	w := newFixture(t)
	w.exec(`UPDATE organizations SET rate_limit_per_minute = 1000`)
	u := w.user(tenant.Member)
	body := map[string]any{"files": slices.Repeat([]any{newFile()}, 100)}
	made := u.call("POST", "/v1/files/batch", body, "Idempotency-Key", "k").want(200)
	w.exec(`UPDATE files SET description = repeat(U&'\2028', 4000), metadata =
		jsonb_build_object('a', repeat('"', 8000)), tags = array_fill(repeat(U&'\0001', 64),
		ARRAY[50])`)
	var ids []any
	for i := range 100 {
		ids = append(ids, made.str(fmt.Sprintf("results.%d.file.id", i)))
	}
	for _, a := range []reply{
		u.call("POST", "/v1/files/batch", body, "Idempotency-Key", "k").want(200),
		u.call("POST", "/v1/files/delete", map[string]any{"ids": ids}).want(200),
	} {
		if a.str("results.0.file.id") != ids[0] || a.at("results.99.file") != nil ||
			a.str("results.99.id") != ids[99] {
			t.Errorf("answered %.300s … %s", a.raw, a.raw[len(a.raw)-300:])
		}
	}
	w.wantQuota(0, 0, 0)
}

// A form that is thrown away leaves no row that a quota would not count.
func TestACancelledUploadLeavesALogLineAlone(t *testing.T) {
	w := newFixture(t)
	u := w.user(tenant.Member)
	for range 3 {
		u.call("DELETE", "/v1/files/"+u.create(), nil).want(200)
	}
	w.wantQuota(0, 0, 0)
	if n := w.number(`SELECT (SELECT count(*) FROM files) + (SELECT count(*)
		FROM file_uploads)`); n != 0 {
		t.Errorf("%d rows are left", n)
	}
	if n := w.number(`SELECT count(*) FROM file_access_logs WHERE action = 'delete'`); n != 3 {
		t.Errorf("%d deletions are logged, want 3", n)
	}
}

func TestOpenUploadsShareTheFreeRoom(t *testing.T) {
	w := newFixture(t)
	w.exec(
		`INSERT INTO storage_quotas (organization_id, total_bytes, used_bytes)
			VALUES ($1, 5000, 1000)`,
		w.organization)
	u := w.user(tenant.Member)
	one := u.create("size", 4000) // all that is left, because it is the only one
	u.call("DELETE", "/v1/files/"+one, nil).want(200)
	u.create("size", 600)
	u.create("size", 400) // exactly a quarter of 4000
	u.call("POST", "/v1/files", newFile("size", 1)).want(429, "upload-share-exceeded")
	w.user(tenant.Member).create("size", 3000)
	w.wantQuota(1000, 4000, 3)
	a := w.user(tenant.Member).call("POST", "/v1/files", newFile("size", 1)).want(413,
		"quota-exceeded")
	if !strings.Contains(a.str("detail"),
		"0 of your organization's 5000 bytes are free (1000 used, 4000 reserved)") {
		t.Errorf("detail %s", a.at("detail"))
	}
}

func TestFileCountIsLimited(t *testing.T) {
	w := newFixture(t)
	w.exec(`INSERT INTO storage_quotas (organization_id, max_files) VALUES ($1, 1)`, w.organization)
	u := w.user(tenant.Member)
	u.create()
	u.call("POST", "/v1/files", newFile()).want(413, "quota-exceeded")
	w.wantQuota(0, 1000, 1)
}
