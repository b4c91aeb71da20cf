package ingest

import (
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/mediatype"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
)

func TestDecide(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		row  *reservation
		want decision
	}{
		"nothing waits": {nil, superseded},
		"new":           {&reservation{}, proceed},
		"the same again": {&reservation{objectVersion: "v1", attempts: 3},
			proceed},
		"another version won": {&reservation{objectVersion: "v0"}, superseded},
		"another version won and is worked on": {&reservation{objectVersion: "v0", leased: true},
			superseded},
		"another version had its attempts": {&reservation{objectVersion: "v0", attempts: 4},
			superseded},
		"being worked on": {&reservation{objectVersion: "v1", leased: true},
			busy},
		"being worked on for the last time": {
			&reservation{objectVersion: "v1", leased: true, attempts: 4}, busy},
		"given back, and waits": {&reservation{objectVersion: "v1", waiting: true}, early},
		"waits beyond its days": {&reservation{objectVersion: "v1", waiting: true, tooOld: true},
			early},
		"beyond its days": {&reservation{objectVersion: "v1", tooOld: true}, exhausted},
		"had its attempts": {&reservation{objectVersion: "v1", attempts: 4},
			exhausted},
	} {
		if got := decide(c.row, "v1"); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestWaitsDoubleUpToAnHour(t *testing.T) {
	t.Parallel()
	for n, longest := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		longest *= time.Minute
		if got := wait(n, 0); got != longest/2 {
			t.Errorf("after %d: at least %s, want %s", n, got, longest/2)
		}
		if got := wait(n, 1); got != longest {
			t.Errorf("after %d: at most %s, want %s", n, got, longest)
		}
	}
	if got := wait(1_000_000, 1); got != time.Hour {
		t.Errorf("after very many: %s", got)
	}
}

func TestJudgeSize(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		size, reserved, limit int64
		want                  storedfile.Reason
	}{
		{0, 5, 10, storedfile.EmptyFile}, {5, 5, 10, ""}, {10, 10, 10, ""},
		{6, 5, 10, storedfile.SizeMismatch}, {4, 5, 10, storedfile.SizeMismatch},
		{11, 5, 10, storedfile.TooLarge},
		{11, 11, 10, storedfile.TooLarge},
	} {
		if got := judgeSize(c.size, c.reserved, c.limit); got != c.want {
			t.Errorf("%d bytes of %d reserved and %d allowed: %q, want %q", c.size, c.reserved,
				c.limit, got, c.want)
		}
	}
}

func TestConfigNamesEveryFault(t *testing.T) {
	t.Parallel()
	good := Config{MaxFileSize: 1, ThumbnailSize: 300, MaxAge: time.Hour, Concurrency: 2,
		Allowed: mediatype.Patterns{"*/*"}}
	if err := good.Validate(); err != nil {
		t.Errorf("a good one: %v", err)
	}
	err := Config{ThumbnailSize: 5000}.Validate()
	if faults, ok := errors.AsType[interface {
		Unwrap() []error
		error
	}](err); !ok || len(faults.Unwrap()) != 5 {
		t.Errorf("want five faults, got %v", err)
	}
}

// What comes in, and what becomes of it. Nothing of a rejected file may be left but what is kept on
// purpose.
func TestBadInput(t *testing.T) {
	t.Parallel()
	jpeg, png, gif, webp := sampleJPEG(t), samplePNG(t), sampleGIF(t), sampleWebP(t)
	wrong := sha256.Sum256([]byte("something else"))
	flipped := append([]byte{}, jpeg...)
	for i := len(flipped) / 2; i < len(flipped)-2; i++ {
		flipped[i] = 0xff // markers where coefficients were
	}
	damagedPNG := append([]byte{}, png...)
	damagedPNG[len(png)/2] ^= 0xff
	damagedGIF := append([]byte{}, gif[:len(gif)/2]...)
	for name, c := range map[string]struct {
		upload
		want storedfile.Reason
	}{
		"empty": {upload{name: "a.txt", mime: "text/plain", declare: 10},
			storedfile.EmptyFile},
		"larger than declared": {upload{name: "a.txt", mime: "text/plain",
			content: []byte("abcdef"), declare: 5}, storedfile.SizeMismatch},
		"smaller than declared": {upload{name: "a.txt", mime: "text/plain",
			content: []byte("abcd"), declare: 5}, storedfile.SizeMismatch},
		"over the limit": {
			upload{name: "a.txt", mime: "text/plain", content: make([]byte, maxSize+1)},
			storedfile.TooLarge},
		"wrong checksum": {upload{name: "a.pdf", mime: "application/pdf",
			content: samplePDF(), checksum: wrong[:]}, storedfile.ChecksumMismatch},
		"exe as jpg": {upload{name: "a.jpg", mime: "image/jpeg", content: sampleEXE()},
			storedfile.TypeMismatch},
		"html as png": {upload{name: "a.png", mime: "image/png", content: sampleHTML()},
			storedfile.TypeMismatch},
		"zip as pdf": {upload{name: "a.pdf", mime: "application/pdf",
			content: sampleZIP(t, []byte("x"), 0)}, storedfile.TypeMismatch},
		"jpeg named png": {upload{name: "a.png", mime: "image/jpeg", content: jpeg},
			storedfile.TypeMismatch},
		"a type not allowed": {upload{name: "a.zip", mime: "application/zip",
			content: sampleZIP(t, []byte("x"), 0)}, storedfile.TypeNotAllowed},
		"a raster format we lack": {upload{name: "a.tiff", mime: "image/tiff",
			content: []byte("II*\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00")},
			storedfile.UnsupportedImage},
		"truncated jpeg": {
			upload{name: "a.jpg", mime: "image/jpeg", content: jpeg[:len(jpeg)/2]},
			storedfile.CorruptImage},
		"truncated png": {
			upload{name: "a.png", mime: "image/png", content: png[:len(png)/2]},
			storedfile.CorruptImage},
		"truncated gif": {upload{name: "a.gif", mime: "image/gif", content: damagedGIF},
			storedfile.CorruptImage},
		"truncated webp": {
			upload{name: "a.webp", mime: "image/webp", content: webp[:len(webp)-6]},
			storedfile.CorruptImage},
		"corrupt jpeg": {upload{name: "a.jpg", mime: "image/jpeg", content: flipped},
			storedfile.CorruptImage},
		"corrupt png": {upload{name: "a.png", mime: "image/png", content: damagedPNG},
			storedfile.CorruptImage},
		"corrupt gif": {upload{name: "a.gif", mime: "image/gif", content: append(
			[]byte("GIF89a\x10\x00\x10\x00\x00\x00\x00"), 0xee, 0xee)}, storedfile.CorruptImage},
		"corrupt webp": {upload{name: "a.webp", mime: "image/webp", content: append(
			append([]byte{}, webp[:20]...), make([]byte, len(webp)-20)...)},
			storedfile.CorruptImage},
		"30,000 pixels squared": {
			upload{name: "a.png", mime: "image/png", content: bombPNG(t, 30_000)},
			storedfile.TooManyPixels},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t)
			key, object := w.send(c.upload)
			if result := w.process(object); result.Reason != c.want ||
				result.Outcome != OutcomeRejected {
				t.Errorf("%s, %q; want %q", result.Outcome, result.Reason, c.want)
			}
			expect(t, w.file(key), map[string]any{"status": "error", "status_reason": c.want,
				"variants": "[]", "quota_bytes": 0,
				"virus_scanned": false, "virus_scan_result": nil})
			w.expectGivenBack()
			if left := w.objects(key); len(left) != 0 {
				t.Errorf("left are %v", left)
			}
			expect(t, w.row(`SELECT topic, payload->>'reason' AS reason FROM notification_inbox`),
				map[string]any{"topic": "file.rejected", "reason": c.want})
			expect(t, w.row(`SELECT action, details->>'reason' AS reason FROM file_access_logs`),
				map[string]any{"action": "process", "reason": c.want})
		})
	}
}

func (w *fixture) expectGivenBack() {
	w.t.Helper()
	expect(w.t, w.quota(), map[string]any{"used_bytes": 0, "reserved_bytes": 0, "file_count": 0})
}

func (w *fixture) quota() map[string]any {
	w.t.Helper()
	return w.row(
		`SELECT used_bytes, reserved_bytes, file_count FROM storage_quotas
			WHERE organization_id = $1`,
		w.organization)
}

// An object store may find only at the end that what it sent is not what it keeps.
func TestErrorAfterTheLastByte(t *testing.T) {
	t.Parallel()
	body := io.MultiReader(strings.NewReader("text"), failingReader{})
	if _, err := readOnce(t.Context(), body, 4, io.Discard,
		nil); fault.KindOf(err) != fault.Temporary {
		t.Errorf("four good bytes and an error were taken: %v", err)
	}
	if _, err := readOnce(t.Context(), strings.NewReader("text"), 5, io.Discard,
		nil); fault.KindOf(err) != fault.Temporary {
		t.Errorf("four bytes of five were taken: %v", err)
	}
}

func TestObjectGone(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	key, object := w.send(upload{name: "a.pdf", mime: "application/pdf", content: samplePDF()})
	_, err := w.s3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String("incoming"),
		Key: &object.Key, VersionId: &object.Version})
	must(t, err)
	if result := w.process(object); result.Reason != storedfile.ObjectMissing {
		t.Errorf("reason %q", result.Reason)
	}
	expect(t, w.file(key),
		map[string]any{"status": "error", "status_reason": storedfile.ObjectMissing})
	w.expectGivenBack()
}
