package library

import (
	"mime"
	"path"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/library/db"
	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/mediatype"
)

func FuzzCleanFilename(f *testing.F) {
	for _, seed := range []string{
		"report.pdf", "../../etc/passwd", `..\..\boot.ini`, "Été.jpg", "a\x00b",
		"invoice\u202Egpj.exe", " . ", "...", strings.Repeat("é", 200), "\xff.pdf", "\u2066a/b",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, given string) {
		name, err := cleanFilename(given)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Errorf("%q: %v is not the client's fault", given, err)
			}
			return
		}
		if name == "" || name == "." || name == ".." || len(name) > 255 || !utf8.ValidString(name) {
			t.Errorf("%q became %q", given, name)
		}
		if strings.ContainsAny(name, `/\`) || strings.ContainsFunc(name, unicode.IsControl) ||
			strings.ContainsFunc(name, func(r rune) bool { return dropDirection(r) < 0 }) {
			t.Errorf("%q became %q", given, name)
		}
		if again, err := cleanFilename(name); err != nil || again != name {
			t.Errorf("cleaning %q again gives %q, %v", name, again, err)
		}
	})
}

func FuzzContentDisposition(f *testing.F) {
	for _, seed := range []string{"report.pdf", "Été à la mer.jpg", `quo"te\.pdf`, "100%41.txt",
		"a;b=c, d.txt", "数学.pdf", "x\r\nSet-Cookie: a=b", "*'%''.txt"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		header := contentDisposition(name)
		if strings.ContainsFunc(header, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%q gives %q", name, header)
		}
		kind, parameters, err := mime.ParseMediaType(header)
		if err != nil || kind != "attachment" {
			t.Fatalf("%q gives %q: %v", name, header, err)
		}
		if utf8.ValidString(name) && parameters["filename"] != name {
			t.Errorf("%q arrives as %q", name, parameters["filename"])
		}
		plain, _, _ := strings.Cut(header, "; filename*=")
		if _, parameters, err := mime.ParseMediaType(plain); err != nil || len(parameters) != 1 {
			t.Errorf("an old client reads %q as %v, %v", plain, parameters, err)
		}
	})
}

func TestNameAs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		as   mediatype.Type
		want string
	}{
		{"holiday.JPEG", mediatype.JPEG, "holiday.JPEG"},
		{"holiday.png", mediatype.JPEG, "holiday.jpg"},
		{"holiday", mediatype.JPEG, "holiday.jpg"},
		{"v1.2 notes", mediatype.PNG, "v1.2 notes.png"},
		{"lesson.pdf", mediatype.PDF, "lesson.pdf"},
		{"page.html", mediatype.HTML, "page.html"},
		{strings.Repeat("é", 127), mediatype.WebP, strings.Repeat("é", 125) + ".webp"},
	} {
		if got := nameAs(c.name, c.as); got != c.want || len(got) > 255 {
			t.Errorf("nameAs(%q, %s) = %q, want %q", c.name, c.as, got, c.want)
		}
	}
}

func TestExtensionOf(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"a.PDF": "pdf", "a.tar.gz": "gz", "a": "", "a.": "", ".bashrc": "bashrc", "mr. smith": "",
		"v1.é": "é", "a." + strings.Repeat("x", 17): "",
	} {
		if got := extensionOf(name); got != want {
			t.Errorf("extensionOf(%q) = %q, want %q (path.Ext %q)", name, got, want, path.Ext(name))
		}
	}
}

func TestAgree(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		declared mediatype.Type
		code     string
	}{
		{"a.jpg", mediatype.JPEG, ""}, {"a.JPEG", mediatype.JPEG, ""},
		{"a.csv", mediatype.Text, ""}, {"a.md", mediatype.Text, ""},
		{"data.json", mediatype.Text, ""}, {"a", mediatype.JPEG, ""}, {"a.xyz", mediatype.JPEG, ""},
		{"a.ogg", "video/ogg", ""},
		{"a.png", mediatype.JPEG, "extension-mismatch"},
		{"a.exe", mediatype.PDF, "extension-mismatch"},
		{"a.svg", mediatype.PNG, "extension-mismatch"},
		{"a.html", mediatype.PDF, "extension-mismatch"},
		{"a.pdf", mediatype.Text, "extension-mismatch"},
		{"a.heic", mediatype.JPEG, "unsupported-image"},
	} {
		err := agree(c.name, c.declared)
		if (err == nil) != (c.code == "") || err != nil && fault.CodeOf(err) != c.code {
			t.Errorf("agree(%q, %s) = %v, want %q", c.name, c.declared, err, c.code)
		}
	}
}

func TestEveryReasonSaysWhatToDo(t *testing.T) {
	t.Parallel()
	fallback := Reason("never heard of").Detail()
	for _, reason := range []Reason{
		EmptyFile, SizeMismatch, TooLarge, ChecksumMismatch, TypeMismatch, TypeNotAllowed,
		UnsupportedImage, CorruptImage, TooManyPixels,
		Infected, Encrypted, ScanLimitsExceeded, ScannerUnavailable, TooManyAttempts, ObjectMissing,
		UploadExpired,
	} {
		if detail := reason.Detail(); detail == "" || detail == fallback {
			t.Errorf("%s has no sentence of its own", reason)
		}
	}
	if Reason("").Detail() != "" {
		t.Error("no reason needs no sentence")
	}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	claimed, gone := "v2", "v9"
	stored := []objectVersion{{id: "v1"}, {id: "v2"}, {id: "v3"}}
	for _, c := range []struct {
		name    string
		claimed *string
		expires time.Time
		stored  []objectVersion
		want    followUp
		version string
	}{
		{"the form still works", nil, now.Add(time.Minute), nil, wait, ""},
		{"an upload may be on its way", nil, now.Add(-formGrace), nil, wait, ""},
		{"nothing came", nil, now.Add(-formGrace - 1), nil, giveUpLate, ""},
		{"the event was lost", nil, now.Add(time.Minute), stored, requeue, "v1"},
		{"the event was lost and the form expired", nil, now.Add(-time.Hour), stored, requeue,
			"v1"},
		{"the worker was lost", &claimed, now.Add(-time.Hour), stored, requeue, "v2"},
		{"the claimed version is gone", &gone, now.Add(time.Minute), stored, giveUpLost, ""},
		{"everything is gone", &claimed, now.Add(-time.Hour), nil, giveUpLost, ""},
	} {
		got, version := decide(db.FileUpload{ObjectVersion: c.claimed, ExpiresAt: c.expires},
			c.stored, now)
		if got != c.want || version.id != c.version {
			t.Errorf("%s: %s %s, want %s %s", c.name, got, version.id, c.want, c.version)
		}
	}
}
