package e2e

import (
	"mime"
	"net/url"
	"strings"
	"testing"
)

func TestFilenames(t *testing.T) {
	for _, c := range []struct{ name, sent, want string }{
		{"unicode", "Été à la mer – 写真 🏖.txt", "Été à la mer – 写真 🏖.txt"},
		{"path", "../../../etc/passwd.txt", "passwd.txt"},
		{"windows path", `C:\Users\ada\..\note.txt`, "note.txt"},
		{"hidden", ".env.txt", ".env.txt"},
		{"quotes", `a"b'c;d=e, filename=x.txt`, `a"b'c;d=e, filename=x.txt`},
		{"percent", "100%41%0d%0aSet-Cookie.txt", "100%41%0d%0aSet-Cookie.txt"},
		{"turned around", "invoice\u202etxt.txt", "invoicetxt.txt"},
		{"spaces", "  a  b.txt ", "a  b.txt"},
		{"255 bytes", strings.Repeat("é", 125) + "a.txt", strings.Repeat("é", 125) + "a.txt"},
		{"markup", "<script>alert(1)</script>.txt", "script>.txt"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSchool(t)
			u := s.user("member")
			f := text("content")
			f.name = c.sent
			id := u.available(f)
			a := u.call("GET", "/v1/files/"+id, nil).want(200)
			if a.at("file.filename") != c.want || a.at("file.original_filename") != c.sent {
				t.Errorf("filename %q, originally %q", a.at("file.filename"),
					a.at("file.original_filename"))
			}
			listed := u.call("GET", "/v1/files?name="+url.QueryEscape(c.want), nil).want(200)
			if listed.at("files.0.id") != id || listed.at("files.1") != nil {
				t.Errorf("listed by name: %s", listed.raw)
			}
			header, _ := u.fetch(id, "")
			disposition := header.Get("Content-Disposition")
			kind, parameters, err := mime.ParseMediaType(disposition)
			if err != nil || kind != "attachment" || parameters["filename"] != c.want {
				t.Errorf("disposition %q: %v", disposition, err)
			}
			if header.Get("Set-Cookie") != "" ||
				strings.ContainsFunc(disposition, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("headers %v", header)
			}
		})
	}
}

func TestFilenamesThatAreRefused(t *testing.T) {
	s := newSchool(t)
	u := s.user("member")
	id := u.reserve(text("x")).str("file.id")
	for sent, code := range map[string]string{
		strings.Repeat("a", 252) + ".txt": "filename-too-long",
		strings.Repeat("写", 84) + ".txt":  "filename-too-long", // 256 bytes
		"a\x00b.txt":                      "invalid-filename",
		"a\r\nSet-Cookie: x.txt":          "invalid-filename",
		"a\u0085b.txt":                    "invalid-filename",
		"tab\t.txt":                       "invalid-filename",
		"..":                              "invalid-filename",
		"a/":                              "invalid-filename",
		"   ":                             "invalid-filename",
		"a.png":                           "extension-mismatch",
		strings.Repeat("a", 5000):         "invalid-request",
		"":                                "invalid-request",
	} {
		f := text("content")
		f.name = sent
		u.call("POST", "/v1/files", f.body()).problem(422, code)
		u.call("PATCH", "/v1/files/"+id, map[string]string{"filename": sent}).problem(422, code)
	}
	s.wantQuota(0, 1, 1)
}
