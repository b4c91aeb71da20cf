package ingest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/toolboxai-solutions/satchel/shared/objectkey"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
)

func TestPictureBecomesSafePictures(t *testing.T) {
	t.Parallel()
	for name, u := range map[string]upload{
		"jpeg":        {name: "a.jpg", mime: "image/jpeg", content: sampleJPEG(t)},
		"png":         {name: "a.png", mime: "image/png", content: samplePNG(t)},
		"gif":         {name: "a.gif", mime: "image/gif", content: sampleGIF(t)},
		"webp":        {name: "a.webp", mime: "image/webp", content: sampleWebP(t)},
		"an old name": {name: "a.jpg", mime: "image/jpg", content: sampleJPEG(t)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t)
			sum := sha256.Sum256(u.content)
			u.checksum = sum[:]
			key, object := w.send(u)
			if result := w.process(object); result.Outcome != OutcomeAvailable ||
				result.Attempt != 1 || result.Bytes != int64(len(u.content)) {
				t.Fatalf("%+v", result)
			}
			w.expectAvailable(key, u.content)
			w.expectVariants(key)
			original, content := w.get("files",
				objectkey.Original(w.organization, key.File, 1, w.fence(key)))
			if !bytes.Equal(content, u.content) ||
				*original.ContentType != fmt.Sprint(w.file(key)["mime_type"]) ||
				len(original.Metadata) != 0 {
				t.Errorf("the original is %d bytes of %s with %v", len(content),
					*original.ContentType, original.Metadata)
			}
		})
	}
}

// expectAvailable is what holds for every accepted file.
func (w *fixture) expectAvailable(key objectkey.Key, content []byte) {
	w.t.Helper()
	sum := sha256.Sum256(content)
	expect(w.t, w.file(key), map[string]any{"status": "available", "status_reason": nil,
		"file_size": len(content), "quota_bytes": len(content),
		"checksum": sum[:], "bucket_name": "files",
		"storage_path":      objectkey.Original(w.organization, key.File, 1, w.fence(key)),
		"virus_scanned":     false,
		"virus_scan_result": nil, "last_scanned_at": nil})
	expect(w.t, w.quota(),
		map[string]any{"used_bytes": len(content), "reserved_bytes": 0, "file_count": 1})
	expect(w.t, w.row(
		`SELECT count(*) FILTER (WHERE topic = 'file.available') AS told, count(*) AS all
			FROM notification_inbox`),
		map[string]any{"told": 1, "all": 1})
	expect(w.t, w.row(`SELECT count(*) AS uploads FROM file_uploads`), map[string]any{"uploads": 0})
	expect(w.t, w.row(
		`SELECT bucket_name, prefix, due_at > now() + interval '19 minutes'
			AND due_at < now() + interval '21 minutes' AS due FROM object_deletions
			WHERE bucket_name = 'incoming'`),
		map[string]any{"bucket_name": "incoming", "prefix": incomingKey(key), "due": true})
	for name := range w.objects(key) {
		if strings.HasPrefix(name, "incoming ") {
			w.t.Errorf("%s is left", name)
		}
	}
}

func (w *fixture) expectVariants(key objectkey.Key) {
	w.t.Helper()
	var variants []storedfile.Variant
	encoded, err := json.Marshal(w.file(key)["variants"])
	must(w.t, err)
	must(w.t, json.Unmarshal(encoded, &variants))
	if len(variants) != 4 {
		w.t.Fatalf("variants: %s", encoded)
	}
	for _, v := range variants {
		stored, content := w.get("files", objectkey.Variant(w.organization, key.File, 1,
			w.fence(key), v.Name))
		if int64(len(content)) != v.Size || *stored.ContentType != string(v.ContentType) ||
			v.Width < 1 || v.Height < 1 {
			w.t.Errorf("%s says %+v and is %d bytes of %s", v.Name, v, len(content),
				*stored.ContentType)
		}
		if got := http.DetectContentType(content); got != string(v.ContentType) {
			w.t.Errorf("%s is %s, stored as %s", v.Name, got, v.ContentType)
		}
	}
}

// Active content may be kept, under a type that no browser runs, whatever the uploader called it.
func TestActiveContentIsStoredAsBytes(t *testing.T) {
	t.Parallel()
	for name, u := range map[string]upload{
		"svg":          {name: "a.svg", mime: "image/svg+xml", content: sampleSVG()},
		"html":         {name: "a.html", mime: "text/html", content: sampleHTML()},
		"html as text": {name: "a.txt", mime: "text/plain", content: sampleHTML()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t)
			key, object := w.send(u)
			w.process(object)
			w.expectAvailable(key, u.content)
			stored, _ := w.get("files", objectkey.Original(w.organization, key.File, 1,
				w.fence(key)))
			if *stored.ContentType != "application/octet-stream" {
				t.Errorf("stored as %s", *stored.ContentType)
			}
			expect(t, w.row(
				`SELECT variants->0->>'name' AS name, variants->0->>'content_type' AS type,
					jsonb_array_length(variants) AS n FROM files`),
				map[string]any{"name": "original", "type": "application/octet-stream", "n": 1})
		})
	}
}

func TestPlainFileIsItsOwnVariant(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	key, object := w.send(upload{name: "a.pdf", mime: "application/pdf", content: samplePDF()})
	w.process(object)
	w.expectAvailable(key, samplePDF())
	expect(t, w.row(
		`SELECT variants->0->>'name' AS name, variants->0->>'content_type' AS type,
			jsonb_array_length(variants) AS n, width FROM files`),
		map[string]any{"name": "original", "type": "application/pdf", "n": 1, "width": nil})
}

// Infected files keep their bytes out of everybody's reach, and cost nothing.
func TestScannerFinds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		upload
		want Outcome
		why  storedfile.Reason
	}{
		"eicar": {upload{name: "a.txt", mime: "text/plain", content: eicar()},
			OutcomeQuarantined, storedfile.Infected},
		"eicar as a jpeg": {upload{name: "a.jpg", mime: "image/jpeg", content: eicar()},
			OutcomeQuarantined, storedfile.Infected},
		"eicar in a zip": {upload{name: "a.zip", mime: "application/zip",
			content: sampleZIP(t, eicar(), 0)}, OutcomeQuarantined, storedfile.Infected},
		"encrypted zip": {upload{name: "a.zip", mime: "application/zip", content: sampleZIP(t,
			bytes.Repeat([]byte("cipher"), 20), 1)}, OutcomeRejected, storedfile.Encrypted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t).scanning()
			key, object := w.send(c.upload)
			if result := w.process(object); result.Outcome != c.want || result.Reason != c.why {
				t.Fatalf("%+v", result)
			}
			w.expectGivenBack()
			row := w.file(key)
			expect(t, row, map[string]any{"status": string(c.want), "status_reason": c.why,
				"variants": "[]", "width": nil})
			if c.want != OutcomeQuarantined {
				expect(t, row, map[string]any{"virus_scanned": false, "virus_scan_result": nil})
				if left := w.objects(key); len(left) != 0 {
					t.Errorf("left are %v", left)
				}
				return
			}
			place := objectkey.Quarantine(w.organization, key.File, 1, w.fence(key))
			expect(t, row, map[string]any{"virus_scanned": true, "bucket_name": "quarantine",
				"storage_path": place})
			if !strings.Contains(fmt.Sprint(row["virus_scan_result"]), "icar") ||
				!strings.HasPrefix(fmt.Sprint(row["virus_scan_engine"]), "ClamAV ") {
				t.Errorf("found %v by %v", row["virus_scan_result"], row["virus_scan_engine"])
			}
			stored, content := w.get("quarantine", place)
			if left := w.objects(key); len(left) != 1 || !bytes.Equal(content, c.content) ||
				*stored.ContentType != "application/octet-stream" {
				t.Errorf("kept %d bytes as %s; left are %v", len(content), *stored.ContentType,
					left)
			}
		})
	}
}

// A scanner that has nothing but a test signature finds that, and calls nothing else clean.
func TestWithoutADatabaseNothingIsClean(t *testing.T) {
	t.Parallel()
	w := newFixture(t).scanningAt(faultyScanner(t, versioned(func(conn net.Conn) {
		drain(conn)
		fmt.Fprint(conn, "stream: OK\x00")
	})))
	key, object := w.send(upload{name: "a.jpg", mime: "image/jpeg", content: sampleJPEG(t)})
	w.process(object)
	expect(t, w.file(key), map[string]any{"status": "available", "virus_scanned": false,
		"virus_scan_result": nil, "last_scanned_at": nil, "virus_scan_engine": "ClamAV 1.4.6"})
	expect(t, w.row(`SELECT scanned FROM file_transfers`), map[string]any{"scanned": false})
}

func TestScannedAndClean(t *testing.T) {
	t.Parallel()
	w := newFixture(t).scanning().withDatabase()
	key, object := w.send(upload{name: "a.jpg", mime: "image/jpeg", content: sampleJPEG(t)})
	w.process(object)
	row := w.file(key)
	expect(t, row,
		map[string]any{"status": "available", "virus_scanned": true, "virus_scan_result": "clean"})
	if row["last_scanned_at"] == nil ||
		!strings.HasPrefix(fmt.Sprint(row["virus_scan_engine"]), "ClamAV ") {
		t.Errorf("scanned at %v by %v", row["last_scanned_at"], row["virus_scan_engine"])
	}
	// A type that lies is refused after the scan, and the scan is told all the same.
	key, object = w.send(upload{name: "a.jpg", mime: "image/jpeg", content: sampleEXE()})
	w.process(object)
	checksum := sha256.Sum256(sampleEXE())
	expect(t, w.file(key),
		map[string]any{"status": "error", "status_reason": storedfile.TypeMismatch,
			"virus_scan_result": "clean"})
	if got := fmt.Sprintf("%x", w.file(key)["checksum"]); got != hex.EncodeToString(checksum[:]) {
		t.Errorf("checksum %s", got)
	}
}

// A form that was signed before a suspension makes no available file, and holds no quota.
func TestAnUploadOfASuspendedOrganizationIsRefused(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	key, object := w.send(upload{name: "a.jpg", mime: "image/jpeg", content: sampleJPEG(t)})
	if _, err := w.Superuser.Exec(t.Context(), `UPDATE organizations
		SET status = 'suspended'`); err != nil {
		t.Fatal(err)
	}
	if result := w.process(object); result.Outcome != OutcomeRejected ||
		result.Reason != storedfile.OrganizationSuspended {
		t.Fatalf("%+v", result)
	}
	expect(t, w.file(key), map[string]any{"status": "error",
		"status_reason": "organization_suspended", "quota_bytes": 0})
	expect(t, w.quota(), map[string]any{"used_bytes": 0, "reserved_bytes": 0, "file_count": 0})
	var days int
	err := w.Superuser.QueryRow(t.Context(),
		`SELECT round(extract(epoch FROM deletion_date - now()) / 86400) FROM files`).Scan(&days)
	if err != nil || days != 7 {
		t.Errorf("it is kept for %d days, want 7, %v", days, err)
	}
}
