package sniff_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/sniff"
	"github.com/toolboxai-solutions/satchel/shared/mediatype"
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

func TestCheck(t *testing.T) {
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
		reason                                   sniff.Reason
	}{
		{"a JPEG", "image/jpeg", "a.jpg", jpg, standard, "image/jpeg", sniff.Accepted},
		{"a JPEG under its old name", "image/jpg", "a.JPEG", jpg, standard, "image/jpeg",
			sniff.Accepted},
		{"a WebP", "image/webp", "a.webp", webp, standard, "image/webp", sniff.Accepted},
		{"no extension", "image/png", "picture", png, standard, "image/png", sniff.Accepted},
		{"an extension nobody knows", "image/png", "picture.zzz", png, standard, "image/png",
			sniff.Accepted},
		{"a PDF with script in it", "application/pdf", "a.pdf", pdf, standard, "application/pdf",
			sniff.Accepted},
		{"type left to us", "application/octet-stream", "a.pdf", pdf, standard, "application/pdf",
			sniff.Accepted},
		{"type left to us, CSV by name", "application/octet-stream", "a.csv", "one\n2\n",
			standard, "text/csv", sniff.Accepted},
		{"type left to us, and not allowed", "application/octet-stream", "a", elf, standard,
			"", sniff.TypeNotAllowed},

		{"an exe as .jpg", "image/jpeg", "a.jpg", exe, standard, "", sniff.TypeMismatch},
		{"an ELF as .png", "image/png", "a.png", elf, everything, "", sniff.TypeMismatch},
		{"an exe as text", "text/plain", "a.txt", exe, standard, "", sniff.TypeMismatch},
		{"an exe with the PDF's type only", "application/pdf", "a", exe, standard,
			"", sniff.TypeMismatch},
		{"HTML as .png", "image/png", "a.png", html, standard, "", sniff.TypeMismatch},
		{"HTML as PDF", "application/pdf", "a.pdf", html, standard, "", sniff.TypeMismatch},
		{"a ZIP as .pdf", "application/pdf", "a.pdf", plainZip, standard, "", sniff.TypeMismatch},
		{"a ZIP as text", "text/plain", "a.txt", plainZip, standard, "", sniff.TypeMismatch},
		{"a PNG as .jpg", "image/jpeg", "a.jpg", png, standard, "", sniff.TypeMismatch},
		{"a PNG named .jpg", "image/png", "a.jpg", png, standard, "", sniff.TypeMismatch},
		{"a PNG named .exe", "image/png", "a.exe", png, standard, "", sniff.TypeMismatch},
		{"a PNG named .html", "image/png", "a.html", png, standard, "", sniff.TypeMismatch},
		{"text as PDF", "application/pdf", "a.pdf", "just text", standard, "", sniff.TypeMismatch},
		{"noise as JPEG", "image/jpeg", "a.jpg", "\x00\x01\x02\x03\xfe\xff\x00", standard,
			"", sniff.TypeMismatch},
		{"nothing as JPEG", "image/jpeg", "a.jpg", "", standard, "", sniff.TypeMismatch},
		{"text as SVG", "image/svg+xml", "a.svg", "just text", standard, "", sniff.TypeMismatch},

		{"plain text as CSV", "text/csv", "a.csv", "name\nada\n", standard, "text/csv",
			sniff.Accepted},
		{"CSV as plain text", "text/plain", "a.txt", "a,b,c\n1,2,3\n4,5,6\n",
			standard, "text/plain", sniff.Accepted},
		{"JSON as text", "text/plain", "a.txt", `{"a":[1,2]}`, standard, "text/plain",
			sniff.Accepted},
		{"JSON that is cut off", "application/json", "a.json", `{"a":[1,`, everything,
			"application/json", sniff.Accepted},
		{"markdown", "text/markdown", "a.md", "# Title\n\ntext", standard, "text/markdown",
			sniff.Accepted},
		{"text with a byte order mark", "text/plain", "a.txt", "\ufeffhällo",
			standard, "text/plain", sniff.Accepted},
		{"UTF-16, little endian", "text/plain", "a.txt", wide(binary.LittleEndian, "hällo wörld"),
			standard, "text/plain", sniff.Accepted},
		{"UTF-16, big endian", "text/csv", "a.csv", wide(binary.BigEndian, "a,b\n1,2\n"),
			standard, "text/csv", sniff.Accepted},
		{"text that begins like a bitmap", "text/plain", "a.txt", "P1\n2 2\n0 1 1 0\n", standard,
			"text/plain", sniff.Accepted},

		{"HTML", "text/html", "a.html", html, standard, "text/html", sniff.Accepted},
		{"HTML as text stays active", "text/plain", "a.txt", html, standard, "text/html",
			sniff.Accepted},
		{"HTML with a byte order mark", "text/plain", "a.txt", "\ufeff" + html, standard,
			"text/html", sniff.Accepted},
		{"HTML in UTF-16", "text/plain", "a.txt", wide(binary.LittleEndian, html), standard,
			"text/html", sniff.Accepted},
		{"HTML after blanks", "text/plain", "a.txt", strings.Repeat(" \n", 500) + html, standard,
			"text/html", sniff.Accepted},
		{"HTML by name only", "text/plain", "a.html", "prose", standard, "text/html",
			sniff.Accepted},
		{"HTML by declaration only", "text/html", "a.txt", "prose", standard, "text/html",
			sniff.Accepted},
		{"HTML where only plain text may be", "text/plain", "a.txt", html, "text/plain", "",
			sniff.TypeNotAllowed},
		{"SVG", "image/svg+xml", "a.svg", svg, standard, "image/svg+xml", sniff.Accepted},
		{"SVG with a prologue", "image/svg+xml", "a.svg", `<?xml version="1.0"?><!-- x -->` + svg,
			standard, "image/svg+xml", sniff.Accepted},
		{"SVG as PNG", "image/png", "a.png", svg, standard, "", sniff.TypeMismatch},
		{"XML", "application/xml", "a.xml", `<?xml version="1.0"?><a/>`, standard, "text/xml",
			sniff.Accepted},
		{"script by name", "text/plain", "a.js", "let a = 1", standard, "text/javascript",
			sniff.Accepted},

		{"a DOCX", docx, "a.docx", word, everything, docx, sniff.Accepted},
		{"a DOCX that only shows as ZIP", docx, "a.docx", plainZip, everything,
			docx, sniff.Accepted},
		{"an ODT that only shows as ZIP", odt, "a.odt", plainZip, everything, odt, sniff.Accepted},
		{"a DOCX with a password", docx, "a.docx", ole, everything, docx, sniff.Accepted},
		{"an XLSX as DOCX", docx, "a.docx", excel, everything, "", sniff.TypeMismatch},
		{"a JAR as DOCX", docx, "a.docx", jar, everything, "", sniff.TypeMismatch},
		{"a DOCX as ZIP", "application/zip", "a.zip", word, everything, "application/zip",
			sniff.Accepted},
		{"a JAR as ZIP is active", "application/zip", "a.zip", jar, everything,
			"application/java-archive", sniff.Accepted},
		{"an old Word file", "application/msword", "a.doc", ole, everything, "application/msword",
			sniff.Accepted},
		{"a DOCX where none may be", docx, "a.docx", word, standard, "", sniff.TypeNotAllowed},
		{"an M4A", "audio/mp4", "a.m4a", mp4, everything, "audio/mp4", sniff.Accepted},
		{"a video where none may be", "video/mp4", "a.mp4", mp4, standard, "",
			sniff.TypeNotAllowed},
		{"a type without a signature", "application/x-own", "a.own", "\x00\x01\x02\xff", everything,
			"application/x-own", sniff.Accepted},

		{"HEIC", "image/heic", "a.heic", heic, standard, "", sniff.UnsupportedImage},
		{"HEIC that a phone renamed", "image/jpeg", "a.jpg", heic, standard, "",
			sniff.UnsupportedImage},
		{"AVIF as PNG", "image/png", "a.png", avif, standard, "", sniff.UnsupportedImage},
		{"TIFF", "image/tiff", "a.tif", tiff, standard, "", sniff.UnsupportedImage},
		{"TIFF of unknown type", "application/octet-stream", "a", tiff, everything,
			"", sniff.UnsupportedImage},
		{"BMP", "image/bmp", "a.bmp", bmp, standard, "", sniff.UnsupportedImage},
		{"JPEG named .heic", "image/jpeg", "a.heic", jpg, standard, "", sniff.UnsupportedImage},
	} {
		declared, err := mediatype.Parse(c.declared)
		if err != nil {
			t.Fatal(err)
		}
		var allowed mediatype.Patterns
		if err := allowed.UnmarshalText([]byte(c.allowed)); err != nil {
			t.Fatal(err)
		}
		content := sniff.Detect([]byte(c.bytes))
		kind, reason := sniff.Check(declared, c.filename, content, allowed)
		if kind != c.want || reason != c.reason {
			t.Errorf("%s: %q, %q; want %q, %q (sniffed as %s)", c.name, kind, reason, c.want,
				c.reason, content.Type)
		}
	}
}

// What is accepted is never served under a type that runs script, unless its bytes, its name or its
// declaration said so.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{exe, jpg, png, webp, heic, pdf, html, svg, ole, mp4, "text",
		wide(binary.LittleEndian, html)} {
		f.Add("image/png", "a.png", []byte(seed))
		f.Add("text/plain", "a.txt", []byte(seed))
	}
	f.Fuzz(func(t *testing.T, declared, filename string, head []byte) {
		claim, err := mediatype.Parse(declared)
		if err != nil {
			return
		}
		content := sniff.Detect(head)
		kind, reason := sniff.Check(claim, filename, content,
			mediatype.Patterns{"image/*", "application/pdf", "text/*"})
		if (kind == "") != (reason != sniff.Accepted) {
			t.Fatalf("type %q with reason %q", kind, reason)
		}
		if reason != sniff.Accepted {
			return
		}
		if mediatype.UnsupportedRaster(kind) {
			t.Fatalf("accepted %q, which cannot be cleaned", kind)
		}
		if mediatype.IsPicture(kind) && content.Type != kind {
			t.Fatalf("accepted %q as %q", content.Type, kind)
		}
		if mediatype.Active(content.Type) && mediatype.Served(kind) != mediatype.OctetStream {
			t.Fatalf("active %q would be served as %q", content.Type, kind)
		}
	})
}
