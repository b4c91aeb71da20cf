package mediatype_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/toolboxai-solutions/satchel/shared/mediatype"
)

func TestParseGivesTheRegisteredName(t *testing.T) {
	t.Parallel()
	for written, want := range map[string]mediatype.Type{
		"image/jpeg":                              mediatype.JPEG,
		"IMAGE/JPG":                               mediatype.JPEG,
		"text/html; charset=utf-8":                mediatype.HTML,
		"text/plain;charset=":                     mediatype.Text,
		" application/x-zip-compressed":           mediatype.ZIP,
		"application/javascript":                  "text/javascript",
		"application/xml; charset=utf-8":          mediatype.XML,
		"application/vnd.oasis.opendocument.text": "application/vnd.oasis.opendocument.text",
	} {
		got, err := mediatype.Parse(written)
		if err != nil || got != want {
			t.Errorf("Parse(%q) = %q, %v; want %q", written, got, err, want)
		}
	}
	for _, written := range []string{"", "image", "image/", "/png", "image/*", "*/*", "a b/c",
		"text/plain/x", "text/\x00", "é/é"} {
		if got, err := mediatype.Parse(written); err == nil {
			t.Errorf("Parse(%q) = %q, want an error", written, got)
		}
	}
}

func TestWhatATypeMeans(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                         string
		picture, unsupported, active bool
	}{
		{"image/jpeg", true, false, false},
		{"image/png", true, false, false},
		{"image/gif", true, false, false},
		{"image/webp", true, false, false},
		{"image/heic", false, true, false},
		{"image/heif", false, true, false},
		{"image/avif", false, true, false},
		{"image/tiff", false, true, false},
		{"image/bmp", false, true, false},
		{"image/x-ms-bmp", false, true, false},
		{"image/nobody-knows", false, true, false},
		{"image/svg+xml", false, false, true},
		{"text/html", false, false, true},
		{"application/xhtml+xml", false, false, true},
		{"text/xml", false, false, true},
		{"application/xml", false, false, true},
		{"application/atom+xml", false, false, true},
		{"text/javascript", false, false, true},
		{"application/x-javascript", false, false, true},
		{"text/x-javascript", false, false, true},
		{"text/javascript1.3", false, false, true},
		{"text/livescript", false, false, true},
		{"application/x-ecmascript", false, false, true},
		{"text/vbscript", false, false, true},
		{"text/x-server-parsed-html", false, false, true},
		{"application/vnd.wap.xhtml+xml", false, false, true},
		{"application/xml-external-parsed-entity", false, false, true},
		{"application/xslt+xml", false, false, true},
		{"text/xsl", false, false, true},
		{"multipart/x-mixed-replace", false, false, true},
		{"message/rfc822", false, false, true},
		{"application/hta", false, false, true},
		{"application/x-java-jnlp-file", false, false, true},
		{"application/vnd.openxmlformats-officedocument.wordprocessingml.document", false, false,
			false},
		{"application/zip", false, false, false},
		{"text/rtf", false, false, false},
		{"application/pdf", false, false, false},
		{"text/plain", false, false, false},
		{"text/csv", false, false, false},
	} {
		kind, err := mediatype.Parse(c.name)
		if err != nil {
			t.Fatal(err)
		}
		if got := mediatype.IsPicture(kind); got != c.picture {
			t.Errorf("IsPicture(%s) = %v", kind, got)
		}
		if got := mediatype.UnsupportedRaster(kind); got != c.unsupported {
			t.Errorf("UnsupportedRaster(%s) = %v", kind, got)
		}
		if got := mediatype.Active(kind); got != c.active {
			t.Errorf("Active(%s) = %v", kind, got)
		}
		if served := mediatype.Served(kind); (served == mediatype.OctetStream) != c.active {
			t.Errorf("Served(%s) = %s", kind, served)
		}
	}
}

func TestWhatIsTextAndWhatPlays(t *testing.T) {
	t.Parallel()
	for kind, want := range map[mediatype.Type]struct{ text, plays bool }{
		"text/plain": {text: true}, "application/json": {text: true},
		"application/atom+xml": {text: true}, "application/ld+json": {text: true},
		"image/svg+xml": {}, "application/pdf": {},
		"audio/mpeg": {plays: true}, "video/mp4": {plays: true},
	} {
		if kind.IsText() != want.text || kind.IsAudioOrVideo() != want.plays {
			t.Errorf("%s: text %v, plays %v, want %+v", kind, kind.IsText(),
				kind.IsAudioOrVideo(), want)
		}
	}
}

func TestPatterns(t *testing.T) {
	t.Parallel()
	var defaults mediatype.Patterns
	if err := defaults.UnmarshalText([]byte("image/*, application/PDF ,text/*,")); err != nil {
		t.Fatal(err)
	}
	if want := (mediatype.Patterns{"image/*", "application/pdf", "text/*"}); !slices.Equal(defaults,
		want) {
		t.Fatalf("patterns %q, want %q", defaults, want)
	}
	for kind, want := range map[mediatype.Type]bool{
		"image/png": true, "text/csv": true, "application/pdf": true,
		"application/zip": false, "imagex/png": false, "application/pdfx": false, "": false,
	} {
		if got := defaults.Match(kind); got != want {
			t.Errorf("Match(%q) = %v, want %v", kind, got, want)
		}
	}
	if !(mediatype.Patterns{"*/*"}).Match("video/mp4") {
		t.Error("*/* must match everything")
	}
	if (mediatype.Patterns{}).Match("image/png") {
		t.Error("an empty list must allow nothing")
	}
	for _, wrong := range []string{"image", "*", "*/png", "ima ge/*", "/*", "image/**",
		"image/*/*"} {
		var p mediatype.Patterns
		if err := p.UnmarshalText([]byte(wrong)); err == nil {
			t.Errorf("pattern %q was taken as %q", wrong, p)
		}
	}
}

func TestFromExtension(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]mediatype.Type{
		"a.JPG": "image/jpeg", "IMG_0001.HEIC": "image/heic", "page.tar.gz": "application/gzip",
		"résumé.pdf": "application/pdf", "x.svg": "image/svg+xml", ".png": "image/png",
		"noextension": "", "dot.": "", "odd.zzz": "", "": "",
		"x.svgz": "image/svg+xml", "film.srt": "text/srt", "a.yml": "text/yaml",
		"a.exe.":                "application/vnd.microsoft.portable-executable",
		"a.EXE . .":             "application/vnd.microsoft.portable-executable",
		"a.e\u200bxe":           "application/vnd.microsoft.portable-executable",
		"a.jpg\ufe0f.hta\u2060": "application/hta",
		"a.\u3164bat":           "application/x-bat", "a.ps1": "application/x-powershell",
		"holiday.jpg.lnk": "application/x-ms-shortcut",
	} {
		got, known := mediatype.FromExtension(name)
		if got != want || known != (want != "") {
			t.Errorf("FromExtension(%q) = %q, %v; want %q", name, got, known, want)
		}
		if known {
			if parsed, err := mediatype.Parse(string(got)); err != nil || parsed != got {
				t.Errorf("FromExtension(%q) = %q is not a canonical type: %q, %v", name, got,
					parsed, err)
			}
		}
	}
}

func TestDeclared(t *testing.T) {
	t.Parallel()
	const excel, word = "application/vnd.ms-excel", "application/msword"
	for _, c := range []struct {
		contentType, filename string
		want                  mediatype.Type
	}{
		{"", "a.pdf", mediatype.PDF}, {" ", "a.txt", mediatype.Text},
		{"application/octet-stream", "a.CSV", "text/csv"},
		{"binary/octet-stream", "a.jpg", mediatype.JPEG},
		{"", "a", mediatype.OctetStream}, {"application/octet-stream", "a.zzz",
			mediatype.OctetStream},
		{excel, "marks.csv", "text/csv"}, {excel, "marks.tsv", "text/tab-separated-values"},
		{excel, "marks.xls", excel}, {excel, "marks", excel}, {excel, "a.exe", excel},
		{word, "letter.rtf", mediatype.RTF}, {word, "letter.doc", word},
		{"application/rtf", "letter.rtf", mediatype.RTF},
		{"application/x-subrip", "film.srt", "text/srt"},
		{"application/yaml", "a.yaml", "text/yaml"},
		{"image/png", "a.jpg", mediatype.PNG},
	} {
		if got, err := mediatype.Declared(c.contentType, c.filename); err != nil || got != c.want {
			t.Errorf("Declared(%q, %q) = %q, %v; want %q", c.contentType, c.filename, got, err,
				c.want)
		}
	}
	if got, err := mediatype.Declared("image", "a.jpg"); err == nil {
		t.Errorf("Declared(image) = %q, want an error", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"image/jpeg", "text/html; charset=utf-8", "image/*", "a/b;c=\"d",
		""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, written string) {
		kind, err := mediatype.Parse(written)
		if err != nil {
			return
		}
		if again, err := mediatype.Parse(string(kind)); err != nil || again != kind {
			t.Fatalf("Parse(%q) = %q, but Parse of that is %q, %v", written, kind, again, err)
		}
		if string(kind) != strings.ToLower(string(kind)) ||
			!(mediatype.Patterns{kind.Family() + "/*"}).Match(kind) {
			t.Fatalf("Parse(%q) = %q is not canonical", written, kind)
		}
	})
}
