// Package mediatype says what a media type is allowed to mean here: which types are pictures that
// can be cleaned, which are raster formats that cannot, which could run code in a browser, and
// whether an organization's allow-list covers a type. It decides on names alone and reads no
// content.
package mediatype

import (
	"fmt"
	"mime"
	"slices"
	"strings"
)

// Type is a media type without parameters, lower case and under its registered name: "image/jpeg",
// never "image/jpg" or "text/html; charset=utf-8". Get one from Parse.
type Type string

// The types that decisions are made on by name.
const (
	JPEG        Type = "image/jpeg"
	PNG         Type = "image/png"
	GIF         Type = "image/gif"
	WebP        Type = "image/webp"
	SVG         Type = "image/svg+xml"
	HTML        Type = "text/html"
	XML         Type = "text/xml"
	PDF         Type = "application/pdf"
	ZIP         Type = "application/zip"
	Text        Type = "text/plain"
	RTF         Type = "text/rtf"
	OctetStream Type = "application/octet-stream"
)

// Parse reads a media type as RFC 9110 section 8.3.1 writes it, drops its parameters and replaces a
// vendor's or an outdated name by the registered one. It fails on anything that is not
// type/subtype.
func Parse(s string) (Type, error) {
	essence, _, err := mime.ParseMediaType(s)
	if err != nil && essence == "" {
		return "", fmt.Errorf("media type %q: %w", s, err)
	}
	major, minor, ok := strings.Cut(essence, "/")
	if !ok || major == "" || minor == "" || strings.ContainsAny(essence, "*") {
		return "", fmt.Errorf("media type %q: want type/subtype", s)
	}
	return canonical(Type(essence)), nil
}

// Declared is the type that a client means by what it sends with a file. What says nothing ("", or
// application/octet-stream) falls back to what the extension promises, and so does what a browser
// takes from the program that opens such files: Windows calls a .csv application/vnd.ms-excel and
// an .rtf application/msword. It fails as Parse does.
func Declared(contentType, filename string) (Type, error) {
	t := OctetStream
	if strings.TrimSpace(contentType) != "" {
		var err error
		if t, err = Parse(contentType); err != nil {
			return "", err
		}
	}
	promised, known := FromExtension(filename)
	switch {
	case known && t == OctetStream,
		t == "application/vnd.ms-excel" && promised.Family() == "text",
		t == "application/msword" && promised == RTF:
		return promised, nil
	}
	return t, nil
}

// Family is the part before the slash: "image" of "image/png".
func (t Type) Family() string {
	family, _, _ := strings.Cut(string(t), "/")
	return family
}

// IsText reports whether the type is made of text. A program's own kinds of text count.
func (t Type) IsText() bool {
	switch t {
	case "application/json", "application/x-ndjson", "application/toml", "application/sql":
		return true
	}
	return t.Family() == "text" || t.Family() == "application" &&
		(strings.HasSuffix(string(t), "+xml") || strings.HasSuffix(string(t), "+json"))
}

// IsAudioOrVideo reports whether the type is sound or moving pictures, which share their
// containers.
func (t Type) IsAudioOrVideo() bool { return t.Family() == "audio" || t.Family() == "video" }

// IsPicture reports whether the type is a raster format that is decoded, cleaned and resized.
func IsPicture(t Type) bool {
	switch t {
	case JPEG, PNG, GIF, WebP:
		return true
	}
	return false
}

// UnsupportedRaster reports whether the type is a raster image that cannot be cleaned here, so it
// must not be accepted: it could carry a place and a name that nobody would remove. Every image
// type that is neither a picture nor SVG counts, because an unknown one cannot be cleaned either.
func UnsupportedRaster(t Type) bool {
	return t.Family() == "image" && !IsPicture(t) && t != SVG
}

// Active reports whether a browser that opened the content under this type could run script in the
// origin that serves it. Such content is stored as OctetStream and handed out only as an
// attachment. PDF is not in it: browsers run a PDF's script in a sandbox that has no access to the
// origin.
//
// It goes by families and not by a list: engines still run script under names that were never
// registered (text/x-javascript, text/livescript, text/javascript1.3), and what is kept from being
// shown for nothing can still be saved.
func Active(t Type) bool {
	family, name, _ := strings.Cut(string(t), "/")
	switch {
	case family == "multipart", family == "message": // MHTML
		return true
	case name == "xml", strings.HasPrefix(name, "xml-"), strings.HasSuffix(name, "+xml"):
		return true
	case name == "hta", name == "wasm":
		return true
	}
	return slices.ContainsFunc([]string{"html", "xsl", "script", "java", "flash", "silverlight",
		"component"}, func(part string) bool { return strings.Contains(name, part) })
}

// Served is the type that an object of type t is stored and handed out under.
func Served(t Type) Type {
	if Active(t) {
		return OctetStream
	}
	return t
}

// canonical maps the names that browsers, operating systems and libraries still send to the
// registered ones.
func canonical(t Type) Type {
	switch t {
	case "image/jpg", "image/pjpeg", "image/jfif":
		return JPEG
	case "image/x-png", "image/apng", "image/vnd.mozilla.apng":
		return PNG
	case "image/svg":
		return SVG
	case "image/x-ms-bmp", "image/x-bmp":
		return "image/bmp"
	case "application/x-pdf":
		return PDF
	case "application/x-zip", "application/x-zip-compressed":
		return ZIP
	case "application/xml":
		return XML // RFC 7303 makes both names one; this one is covered by text/*
	case "application/javascript", "application/x-javascript", "application/ecmascript",
		"text/ecmascript", "text/jscript":
		return "text/javascript"
	case "application/rtf", "application/x-rtf", "text/richtext":
		return RTF
	case "application/x-subrip", "application/x-srt", "text/x-srt":
		return "text/srt"
	case "application/yaml", "application/x-yaml", "text/x-yaml", "text/vnd.yaml":
		return "text/yaml" // RFC 9512 registers the first; this one is covered by text/*
	case "binary/octet-stream", "application/binary", "application/x-binary":
		return OctetStream
	case "text/x-markdown":
		return "text/markdown"
	case "application/csv", "text/x-csv", "text/comma-separated-values":
		return "text/csv"
	case "application/x-gzip":
		return "application/gzip"
	case "audio/mp3":
		return "audio/mpeg"
	case "audio/x-wav", "audio/wave", "audio/vnd.wave":
		return "audio/wav"
	}
	return t
}
