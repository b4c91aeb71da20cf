package sniff

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/toolboxai-solutions/satchel/shared/mediatype"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
)

const (
	exe  = "MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00\xb8\x00\x00\x00\x00\x00\x00\x00\x40\x00\x00\x00"
	elf  = "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x3e\x00"
	jpg  = "\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
	png  = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x02\x00\x00\x00"
	webp = "RIFF\x24\x00\x00\x00WEBPVP8 \x18\x00\x00\x00"
	heic = "\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"
	avif = "\x00\x00\x00\x18ftypavif\x00\x00\x00\x00mif1avif"
	tiff = "II*\x00\x08\x00\x00\x00\x00\x00"
	bmp  = "BM\x46\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00\x01\x00\x00\x00"
	pdf  = "%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /OpenAction << /S /JavaScript >> >>"
	html = "<!DOCTYPE html><html><script>alert(1)</script></html>"
	svg  = `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`
	ole  = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00\x00\x00\x00\x00\x00\x00\x00"
	mp4  = "\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"
	docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
	xlsx = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	odt  = "application/vnd.oasis.opendocument.text"
)

func zipOf(t *testing.T, names ...string) string {
	t.Helper()
	var out bytes.Buffer
	writer := zip.NewWriter(&out)
	for _, name := range names {
		entry, err := writer.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := entry.Write([]byte("content of " + name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func wide(order binary.ByteOrder, text string) string {
	var out bytes.Buffer
	for _, unit := range utf16.Encode([]rune("\ufeff" + text)) {
		_ = binary.Write(&out, order, unit)
	}
	return out.String()
}

func TestIdentify(t *testing.T) {
	t.Parallel()
	plainZip := zipOf(t, "notes.txt", "b.bin")
	word := zipOf(t, "[Content_Types].xml", "_rels/.rels", "word/document.xml")
	excel := zipOf(t, "[Content_Types].xml", "_rels/.rels", "xl/workbook.xml")
	jar := zipOf(t, "META-INF/MANIFEST.MF", "A.class")
	const everything = "*/*"
	const standard = "image/*,application/pdf,text/*"
	for _, c := range []struct {
		name, declared, filename, bytes, allowed string
		want                                     mediatype.Type
		reason                                   storedfile.Reason
	}{
		{"a JPEG", "image/jpeg", "a.jpg", jpg, standard, "image/jpeg", ""},
		{"a JPEG under its old name", "image/jpg", "a.JPEG", jpg, standard, "image/jpeg",
			""},
		{"a WebP", "image/webp", "a.webp", webp, standard, "image/webp", ""},
		{"no extension", "image/png", "picture", png, standard, "image/png", ""},
		{"an extension nobody knows", "image/png", "picture.zzz", png, standard, "image/png",
			""},
		{"a PDF with script in it", "application/pdf", "a.pdf", pdf, standard, "application/pdf",
			""},
		{"type left to us", "application/octet-stream", "a.pdf", pdf, standard, "application/pdf",
			""},
		{"type left to us, CSV by name", "application/octet-stream", "a.csv", "one\n2\n",
			standard, "text/csv", ""},
		{"type left to us, and not allowed", "application/octet-stream", "a", elf, standard,
			"", storedfile.TypeNotAllowed},

		{"an exe as .jpg", "image/jpeg", "a.jpg", exe, standard, "", storedfile.TypeMismatch},
		{"an ELF as .png", "image/png", "a.png", elf, everything, "", storedfile.TypeMismatch},
		{"an exe as text", "text/plain", "a.txt", exe, standard, "", storedfile.TypeMismatch},
		{"an exe with the PDF's type only", "application/pdf", "a", exe, standard,
			"", storedfile.TypeMismatch},
		{"HTML as .png", "image/png", "a.png", html, standard, "", storedfile.TypeMismatch},
		{"HTML as PDF", "application/pdf", "a.pdf", html, standard, "", storedfile.TypeMismatch},
		{"a ZIP as .pdf", "application/pdf", "a.pdf", plainZip, standard, "",
			storedfile.TypeMismatch},
		{"a ZIP as text", "text/plain", "a.txt", plainZip, standard, "", storedfile.TypeMismatch},
		{"a PNG as .jpg", "image/jpeg", "a.jpg", png, standard, "", storedfile.TypeMismatch},
		{"a PNG named .jpg", "image/png", "a.jpg", png, standard, "", storedfile.TypeMismatch},
		{"a PNG named .exe", "image/png", "a.exe", png, standard, "", storedfile.TypeMismatch},
		{"a PNG named .html", "image/png", "a.html", png, standard, "", storedfile.TypeMismatch},
		{"text as PDF", "application/pdf", "a.pdf", "just text", standard, "",
			storedfile.TypeMismatch},
		{"noise as JPEG", "image/jpeg", "a.jpg", "\x00\x01\x02\x03\xfe\xff\x00", standard,
			"", storedfile.TypeMismatch},
		{"nothing as JPEG", "image/jpeg", "a.jpg", "", standard, "", storedfile.TypeMismatch},
		{"text as SVG", "image/svg+xml", "a.svg", "just text", standard,
			"", storedfile.TypeMismatch},

		{"plain text as CSV", "text/csv", "a.csv", "name\nada\n", standard, "text/csv",
			""},
		{"CSV as plain text", "text/plain", "a.txt", "a,b,c\n1,2,3\n4,5,6\n",
			standard, "text/plain", ""},
		{"JSON as text", "text/plain", "a.txt", `{"a":[1,2]}`, standard, "text/plain",
			""},
		{"JSON that is cut off", "application/json", "a.json", `{"a":[1,`, everything,
			"application/json", ""},
		{"markdown", "text/markdown", "a.md", "# Title\n\ntext", standard, "text/markdown",
			""},
		{"text with a byte order mark", "text/plain", "a.txt", "\ufeffhällo",
			standard, "text/plain", ""},
		{"UTF-16, little endian", "text/plain", "a.txt", wide(binary.LittleEndian, "hällo wörld"),
			standard, "text/plain", ""},
		{"UTF-16, big endian", "text/csv", "a.csv", wide(binary.BigEndian, "a,b\n1,2\n"),
			standard, "text/csv", ""},
		{"text that begins like a bitmap", "text/plain", "a.txt", "P1\n2 2\n0 1 1 0\n", standard,
			"text/plain", ""},

		{"HTML", "text/html", "a.html", html, standard, "text/html", ""},
		{"HTML as text stays active", "text/plain", "a.txt", html, standard, "text/html",
			""},
		{"HTML with a byte order mark", "text/plain", "a.txt", "\ufeff" + html, standard,
			"text/html", ""},
		{"HTML with padding", "text/plain", "a.txt", html + "\n\x00\x00\x00", standard,
			"text/html", ""},
		{"HTML in UTF-16 without a mark", "text/plain", "a.txt",
			wide(binary.LittleEndian, html)[2:], standard, "text/html", ""},
		{"HTML in UTF-16", "text/plain", "a.txt", wide(binary.LittleEndian, html), standard,
			"text/html", ""},
		{"HTML after blanks", "text/plain", "a.txt", strings.Repeat(" \n", 500) + html, standard,
			"text/html", ""},
		{"HTML by name only", "text/plain", "a.html", "prose", standard, "text/html",
			""},
		{"HTML by declaration only", "text/html", "a.txt", "prose", standard, "text/html",
			""},
		{"HTML where only plain text may be", "text/plain", "a.txt", html, "text/plain", "",
			storedfile.TypeNotAllowed},
		{"SVG", "image/svg+xml", "a.svg", svg, standard, "image/svg+xml", ""},
		{"SVG with a prologue", "image/svg+xml", "a.svg", `<?xml version="1.0"?><!-- x -->` + svg,
			standard, "image/svg+xml", ""},
		{"SVG as PNG", "image/png", "a.png", svg, standard, "", storedfile.TypeMismatch},
		{"XML", "application/xml", "a.xml", `<?xml version="1.0"?><a/>`, standard, "text/xml",
			""},
		{"script by name", "text/plain", "a.js", "let a = 1", standard, "text/javascript",
			""},

		{"a DOCX", docx, "a.docx", word, everything, docx, ""},
		{"a DOCX that only shows as ZIP", docx, "a.docx", plainZip, everything,
			docx, ""},
		{"an ODT that only shows as ZIP", odt, "a.odt", plainZip, everything, odt, ""},
		{"a DOCX with a password", docx, "a.docx", ole, everything, docx, ""},
		{"an XLSX as DOCX", docx, "a.docx", excel, everything, "", storedfile.TypeMismatch},
		{"a JAR as DOCX", docx, "a.docx", jar, everything, "", storedfile.TypeMismatch},
		{"a DOCX as ZIP", "application/zip", "a.zip", word, everything, "application/zip",
			""},
		{"a JAR as ZIP is active", "application/zip", "a.zip", jar, everything,
			"application/java-archive", ""},
		{"an old Word file", "application/msword", "a.doc", ole, everything, "application/msword",
			""},
		{"a DOCX where none may be", docx, "a.docx", word, standard, "", storedfile.TypeNotAllowed},
		{"an M4A", "audio/mp4", "a.m4a", mp4, everything, "audio/mp4", ""},
		{"a video where none may be", "video/mp4", "a.mp4", mp4, standard, "",
			storedfile.TypeNotAllowed},
		{"a type without a signature", "application/x-own", "a.own", "\x00\x01\x02\xff", everything,
			"application/x-own", ""},

		{"HEIC", "image/heic", "a.heic", heic, standard, "", storedfile.UnsupportedImage},
		{"HEIC that a phone renamed", "image/jpeg", "a.jpg", heic, standard, "",
			storedfile.UnsupportedImage},
		{"AVIF as PNG", "image/png", "a.png", avif, standard, "", storedfile.UnsupportedImage},
		{"TIFF", "image/tiff", "a.tif", tiff, standard, "", storedfile.UnsupportedImage},
		{"TIFF of unknown type", "application/octet-stream", "a", tiff, everything,
			"", storedfile.UnsupportedImage},
		{"BMP", "image/bmp", "a.bmp", bmp, standard, "", storedfile.UnsupportedImage},
		{"JPEG named .heic", "image/jpeg", "a.heic", jpg, standard,
			"", storedfile.UnsupportedImage},
	} {
		var allowed mediatype.Patterns
		if err := allowed.UnmarshalText([]byte(c.allowed)); err != nil {
			t.Fatal(err)
		}
		kind, reason := Identify([]byte(c.bytes), c.declared, c.filename, allowed)
		if c.reason == "" && kind != c.want || reason != c.reason {
			t.Errorf("%s: %q, %q; want %q, %q", c.name, kind, reason, c.want, c.reason)
		}
	}
}

// What is accepted is never served under a type that runs script, unless its bytes, its name or its
// declaration said so.
// A list that does not name application/octet-stream takes a file of which nothing is said, by its
// content; a declared type has to be on the list even where the content's is.
func TestTheAllowListIsAskedForWhatWasDeclared(t *testing.T) {
	t.Parallel()
	const png = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
	const html = "<!doctype html><p>a"
	for _, c := range []struct {
		declared, filename, bytes string
		allowed                   mediatype.Patterns
		want                      storedfile.Reason
	}{
		{"", "photo", png, mediatype.Patterns{"image/*"}, ""},
		{"text/html", "a.txt", html, mediatype.Patterns{"text/html"}, ""},
		{"text/plain", "a.txt", html, mediatype.Patterns{"text/html"}, storedfile.TypeNotAllowed},
		{"text/plain", "a.txt", html, mediatype.Patterns{"text/plain"}, storedfile.TypeNotAllowed},
	} {
		if _, reason := Identify([]byte(c.bytes), c.declared, c.filename,
			c.allowed); reason != c.want {
			t.Errorf("%q, %s, allowed %s: %q, want %q", c.declared, c.filename, c.allowed, reason,
				c.want)
		}
	}
}

func FuzzIdentify(f *testing.F) {
	for _, seed := range []string{exe, jpg, png, webp, heic, pdf, html, svg, ole, mp4, "text",
		wide(binary.LittleEndian, html)} {
		f.Add("image/png", "a.png", []byte(seed))
		f.Add("text/plain", "a.txt", []byte(seed))
	}
	f.Fuzz(func(t *testing.T, declared, filename string, head []byte) {
		found := detect(head).Type
		kind, reason := Identify(head, declared, filename,
			mediatype.Patterns{"image/*", "application/pdf", "text/*"})
		if kind == "" {
			t.Fatalf("no type with reason %q", reason)
		}
		if reason != "" {
			return
		}
		if mediatype.UnsupportedRaster(kind) {
			t.Fatalf("accepted %q, which cannot be cleaned", kind)
		}
		if mediatype.IsPicture(kind) && found != kind {
			t.Fatalf("accepted %q as %q", found, kind)
		}
		if mediatype.Active(found) && mediatype.Served(kind) != mediatype.OctetStream {
			t.Fatalf("active %q would be served as %q", found, kind)
		}
	})
}
