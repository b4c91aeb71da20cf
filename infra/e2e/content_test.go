package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/toolboxai-solutions/satchel/infra/local/clamd"
)

// refused uploads through the form and wants the file to end as an error that says what to do, with
// nothing left of it.
func refused(t *testing.T, f sent, reason string) {
	s := newSchool(t)
	u := s.user("member")
	id := u.upload(f)
	s.wantRefused(u, id, "error", reason)
	s.wantStored(id)
}

// wantRefused checks a verdict that is none to hand out, wherever the bytes went.
func (s *school) wantRefused(u user, id, status, reason string) {
	s.t.Helper()
	a := u.settled(id)
	if a.at("file.status") != status || a.at("file.reason") != reason ||
		a.str("file.reason_detail") == "" {
		s.t.Fatalf("ended as %s, want %s: %s", a.raw, status, reason)
	}
	if variants := a.at("file.variants").([]any); len(variants) > 0 {
		s.t.Errorf("there are variants: %v", variants)
	}
	refusal := u.call("GET", "/v1/files/"+id+"/download", nil).problem(409, "not-available")
	if !strings.Contains(refusal.str("detail"), a.str("file.reason_detail")) {
		s.t.Errorf("the download says %s", refusal.str("detail"))
	}
	s.wantQuota(0, 0, 0)
	if n := s.look(
		`SELECT count(*) FROM `+told+` WHERE organization_id = $1 AND subject_id = $2 AND topic = 'file.rejected' AND payload->>'reason' = $3`,
		s.id, id, reason); n != 1 {
		s.t.Errorf("%d notifications of the verdict, want 1", n)
	}
	if n := s.look(
		`SELECT count(*) FROM file_access_logs
			WHERE organization_id = $1 AND file_id = $2 AND action = 'process'`,
		s.id, id); n != 1 {
		s.t.Errorf("%d lines in the access log about the verdict, want 1", n)
	}
}

func TestEmptyFile(t *testing.T) {
	s := newSchool(t)
	u := s.user("member")
	u.call("POST", "/v1/files", sent{name: "a.txt", kind: "text/plain"}.body()).problem(422,
		"empty-file")
	a := u.reserve(text("four"))
	if status, body := a.post(nil); status != 400 {
		t.Errorf("the form takes nothing for four bytes: %d %s", status, body)
	}
	s.put(s.incoming(a.str("file.id")), nil, "text/plain")
	s.wantRefused(u, a.str("file.id"), "error", "empty_file")
	s.wantStored(a.str("file.id"))
}

func TestLargerThanDeclared(t *testing.T) {
	s := newSchool(t)
	u := s.user("member")
	a := u.reserve(text("four"))
	for _, content := range []string{"five!", "two", strings.Repeat("x", 1<<20)} {
		if status, body := a.post([]byte(content)); status != 400 ||
			!strings.Contains(body, "Entity") && !strings.Contains(body, "Malformed") {
			t.Errorf("the form for 4 bytes answers %d %s to %d", status, body, len(content))
		}
	}
	s.wantStored(a.str("file.id"))
	s.put(s.incoming(a.str("file.id")), []byte("five!"), "text/plain")
	s.wantRefused(u, a.str("file.id"), "error", "size_mismatch")
	s.wantStored(a.str("file.id"))
}

func TestLargerThanTheLimit(t *testing.T) {
	s := newSchool(t)
	u := s.user("member")
	body := text("x").body()
	body["size"] = maxFileSize + 1
	u.call("POST", "/v1/files", body).problem(413, "file-too-large")
	s.wantQuota(0, 0, 0)
	id := u.reserve(text("four")).str("file.id")
	s.put(s.incoming(id), make([]byte, maxFileSize+1), "text/plain")
	s.wantRefused(u, id, "error", "too_large")
	s.wantStored(id)
}

func TestFormIsForOneKeyTypeAndSize(t *testing.T) {
	s := newSchool(t)
	u := s.user("member")
	a := u.reserve(text("four"))
	fields := a.at("upload.fields").(map[string]any)
	for name, value := range map[string]string{
		"key": s.incoming("00000000-0000-4000-8000-000000000000"), "Content-Type": "text/html"} {
		kept := fields[name]
		fields[name] = value
		if status, _ := a.post([]byte("four")); status != 403 {
			t.Errorf("with another %s the form answers %d", name, status)
		}
		fields[name] = kept
	}
	if status, body := a.post([]byte("four")); status != 204 {
		t.Errorf("as it was given the form answers %d %s", status, body)
	}
	u.settled(a.str("file.id"))
}

func TestWrongChecksum(t *testing.T) {
	f := text("content")
	sum := sha256.Sum256([]byte("other content"))
	f.more = map[string]any{"sha256": hex.EncodeToString(sum[:])}
	refused(t, f, "checksum_mismatch")
}

func TestRightChecksum(t *testing.T) {
	s := newSchool(t)
	u := s.user("member")
	f := text("content")
	sum := sha256.Sum256(f.content)
	f.more = map[string]any{"sha256": strings.ToUpper(hex.EncodeToString(sum[:]))}
	if a := u.settled(u.available(f)); a.at("file.sha256") != hex.EncodeToString(sum[:]) {
		t.Errorf("checksum %v", a.at("file.sha256"))
	}
}

func exe() []byte { return append([]byte("MZ\x90\x00\x03\x00\x00\x00"), make([]byte, 500)...) }

func TestTypeThatLies(t *testing.T) {
	for name, f := range map[string]sent{
		"exe as jpg": {name: "photo.jpg", kind: "image/jpeg", content: exe()},
		"exe as txt": {name: "note.txt", kind: "text/plain", content: exe()},
		"html as png": {name: "drawing.png", kind: "image/png",
			content: []byte("<!DOCTYPE html><html><script>alert(1)</script></html>")},
		"svg as png": {name: "drawing.png", kind: "image/png",
			content: []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>`)},
		"zip as pdf": {name: "lesson.pdf", kind: "application/pdf",
			content: zipOf(t, "a.txt", []byte("a"), "")},
		"png as jpg": {name: "photo.jpg", kind: "image/jpeg", content: pngOf(t, drawing(4, 4))},
		"pdf as image": {name: "photo.webp", kind: "image/webp",
			content: []byte("%PDF-1.7\n%%EOF\n")},
	} {
		t.Run(name, func(t *testing.T) { refused(t, f, "type_mismatch") })
	}
}

func TestBrokenPictures(t *testing.T) {
	pixels := drawing(200, 120)
	webp := sample(t, "creek.webp")
	for _, c := range []struct {
		name, kind string
		whole      []byte
		at, length int // of what is damaged
	}{
		{"a.jpg", "image/jpeg", jpegOf(t, pixels), 180, 60},
		{"a.png", "image/png", pngOf(t, pixels), 1000, 20},
		{"a.gif", "image/gif", gifOf(t, pixels), 800, 600},
		{"a.webp", "image/webp", webp, 20, 12},
	} {
		t.Run("truncated "+c.name, func(t *testing.T) {
			refused(t, sent{name: c.name, kind: c.kind, content: c.whole[:len(c.whole)*2/3]},
				"corrupt_image")
		})
		t.Run("corrupt "+c.name, func(t *testing.T) {
			refused(t, sent{name: c.name, kind: c.kind, content: damaged(c.whole, c.at, c.length)},
				"corrupt_image")
		})
	}
}

func TestHugePictureInFewBytes(t *testing.T) {
	bomb := hugePNG(t)
	if len(bomb) > 120_000 {
		t.Fatalf("the bomb has %d bytes", len(bomb))
	}
	refused(t, sent{name: "big.png", kind: "image/png", content: bomb}, "too_many_pixels")
}

func TestPictureFormatsThatCannotBeCleaned(t *testing.T) {
	s := newSchool(t)
	u := s.user("member")
	for name, kind := range map[string]string{"a.heic": "image/heic", "a.avif": "image/avif",
		"a.tiff": "image/tiff", "a.bmp": "image/bmp"} {
		u.call("POST", "/v1/files", sent{name: name, kind: kind,
			content: []byte("x")}.body()).problem(415, "unsupported-image")
		u.call("POST", "/v1/files", sent{name: "a", kind: kind,
			content: []byte("x")}.body()).problem(415, "unsupported-image")
	}
	u.call("POST", "/v1/files", sent{name: "a.exe", kind: "application/x-msdownload",
		content: []byte("x")}.body()).problem(415, "type-not-allowed")
	s.wantQuota(0, 0, 0)
	heic := append([]byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"), make([]byte, 200)...)
	id := u.upload(sent{name: "photo.jpg", kind: "image/jpeg", content: heic})
	s.wantRefused(u, id, "error", "unsupported_image")
	s.wantStored(id)
}

func TestMalware(t *testing.T) {
	needScanner(t)
	for name, f := range map[string]sent{
		"plain": {name: "note.txt", kind: "text/plain", content: eicar()},
		"zipped": {name: "notes.zip", kind: "application/zip",
			content: zipOf(t, "eicar.com", eicar(), "")},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSchool(t)
			u := s.user("member")
			id := u.upload(f)
			s.wantRefused(u, id, "quarantined", "infected")
			a := u.settled(id)
			if a.at("file.virus_scanned") != true ||
				!strings.Contains(strings.ToLower(a.str("file.virus_scan_result")), "eicar") ||
				a.at("file.last_scanned_at") == nil {
				t.Errorf("scan: %s", a.raw)
			}
			s.wantStored(id, "quarantine")
			admin := s.user("admin")
			admin.call("DELETE", "/v1/files/"+id, nil).want(200)
			if a := admin.call("POST", "/v1/files/"+id+"/restore",
				nil).want(200); a.at("file.status") != "quarantined" {
				t.Errorf("restored to %v", a.at("file.status"))
			}
			admin.call("GET", "/v1/files/"+id+"/download", nil).problem(409, "not-available")
			admin.call("DELETE", "/v1/files/"+id+"?permanent=true", nil).want(204)
			s.maintenance()
			s.wantStored(id)
		})
	}
	t.Run("encrypted", func(t *testing.T) {
		refused(t, sent{name: "notes.zip", kind: "application/zip",
			content: zipOf(t, "eicar.com", eicar(), "infected")}, "encrypted")
	})
	t.Run("none", func(t *testing.T) {
		s := newSchool(t)
		u := s.user("member")
		a := u.settled(u.available(sent{name: "notes.zip", kind: "application/zip",
			content: zipOf(t, "a.txt", []byte("harmless"), "")}))
		// with a test signature alone, nothing is clean
		if known := shared.scanner.Database != clamd.EICAROnly; a.at("file.virus_scanned") != known ||
			(a.at("file.virus_scan_result") == "clean") != known {
			t.Errorf("scan: %s", a.raw)
		}
	})
}

// A scanner that dies of a file, each time, lets nothing through. Once it is repaired, the file is
// driven again from where it was kept.
func TestScannerDiesOfAFile(t *testing.T) {
	needScanner(t)
	s := schoolOn(t, shared.platform) // not beside others: it lets their poison pass
	u := s.user("member")
	id := u.upload(text(strings.Repeat("x", 500_000) + poison + strings.Repeat("y", 500_000)))
	until(t, "that the file is given back", func() bool {
		return s.look(`SELECT count(*) FROM file_uploads
			WHERE file_id = $1 AND last_error = 'scanner_unavailable'`, id) == 1
	})
	s.change(`UPDATE file_uploads SET created_at = created_at - interval '5 days'
		WHERE file_id = $1`, id)
	s.wantRefused(u, id, "error", "scanner_unavailable")
	if a := u.settled(id); a.at("file.virus_scanned") != false ||
		a.at("file.virus_scan_result") != nil {
		t.Errorf("scan: %s", a.raw)
	}
	s.wantStored(id, "quarantine")

	shared.wiretap.spare(true)
	defer shared.wiretap.spare(false)
	const invoke = "/2015-03-31/functions/satchel-file-api-maintenance/invocations"
	redrive := map[string]any{"command": "redrive", "organization_id": s.id}
	a := s.send("POST", invoke, "", redrive).want(200)
	if a.at("redriven") != 1.0 || a.at("complete") != true {
		t.Errorf("redrive: %s", a.raw)
	}
	if a := u.settled(id); a.at("file.status") != "available" {
		t.Errorf("driven again, it ended as %s", a.raw)
	}
	s.wantQuota(1_000_000+int64(len(poison)), 0, 1)
	s.change(`UPDATE object_deletions SET due_at = now() WHERE organization_id = $1`, s.id)
	s.maintenance()
	s.wantStored(id, "original")
	if a := s.send("POST", invoke, "", redrive).want(200); a.at("found") != 0.0 {
		t.Errorf("redrive once more: %s", a.raw)
	}
}

func TestBytesAreKept(t *testing.T) {
	s := newSchool(t)
	u := s.user("member")
	pdf := sample(t, "lesson.pdf")
	id := u.available(sent{name: "lesson.pdf", kind: "application/pdf", content: pdf})
	header, got := u.fetch(id, "")
	if !bytes.Equal(got, pdf) || header.Get("Content-Type") != "application/pdf" {
		t.Errorf("%d of %d bytes as %s", len(got), len(pdf), header.Get("Content-Type"))
	}
	s.wantStored(id, "original")
	s.wantQuota(int64(len(pdf)), 0, 1)
}
