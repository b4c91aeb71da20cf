package library

import (
	"mime"
	"path"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

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
			strings.ContainsFunc(name, func(r rune) bool { return dropInvisible(r) < 0 }) {
			t.Errorf("%q became %q", given, name)
		}
		if again, err := cleanFilename(name); err != nil || again != name {
			t.Errorf("cleaning %q again gives %q, %v", name, again, err)
		}
	})
}

func FuzzContentDisposition(f *testing.F) {
	for _, seed := range []string{"report.pdf", "Été à la mer.jpg", `quo"te\.pdf`, "100%41.txt",
		"a;b=c, r.txt", "数学.pdf", "x\r\nSet-Cookie: a=b", "*'%''.txt"} {
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

func TestCheckExtension(t *testing.T) {
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
		err := checkExtension(c.name, c.declared)
		if (err == nil) != (c.code == "") || err != nil && fault.CodeOf(err) != c.code {
			t.Errorf("checkExtension(%q, %s) = %v, want %q", c.name, c.declared, err, c.code)
		}
	}
}
