package sniff

import (
	"strings"

	"github.com/gabriel-vasile/mimetype"

	"github.com/toolboxai-solutions/satchel/shared/mediatype"
)

// Reason says why a file is refused, in the words of files.status_reason.
type Reason string

const (
	Accepted Reason = ""
	// the bytes contradict the declared type or the extension
	TypeMismatch     Reason = "type_mismatch"
	TypeNotAllowed   Reason = "type_not_allowed"  // the allow-list does not cover it
	UnsupportedImage Reason = "unsupported_image" // a raster image that cannot be cleaned
)

// Check compares what the bytes say with what was declared and what the filename promises. For an
// accepted file it gives the type to record, which decides how it is served; where the three differ
// in a way that is allowed, this is the one to be most careful with, so a text file with markup in
// it is recorded as markup.
func Check(declared mediatype.Type, filename string, content Content,
	allowed mediatype.Patterns) (mediatype.Type, Reason) {
	promised, known := mediatype.OfExtension(filename)
	if !known {
		promised = declared
	}
	if mediatype.UnsupportedRaster(declared) || mediatype.UnsupportedRaster(promised) ||
		mediatype.UnsupportedRaster(content.Type) && !(content.isText() && textual(declared)) {
		return "", UnsupportedImage
	}
	if !compatible(declared, content) || !compatible(promised, content) {
		return "", TypeMismatch
	}
	kind := recorded(declared, promised, content)
	if !allowed.Match(kind) || declared != mediatype.OctetStream && !allowed.Match(declared) {
		return "", TypeNotAllowed
	}
	return kind, Accepted
}

// recorded picks the type of an accepted file: an active one first, else the more precise of the
// declared and the detected one.
func recorded(declared, promised mediatype.Type, content Content) mediatype.Type {
	for _, candidate := range []mediatype.Type{content.Type, declared, promised} {
		if mediatype.Active(candidate) {
			return candidate
		}
	}
	if declared != mediatype.OctetStream {
		return declared
	}
	if promised != mediatype.OctetStream && !content.is(promised) {
		return promised // more precise than text or a container, which is all that the bytes say
	}
	return content.Type
}

// compatible reports whether bytes may be of a claimed type.
func compatible(claimed mediatype.Type, content Content) bool {
	switch {
	case claimed == mediatype.OctetStream || content.is(claimed):
		return true
	case textual(claimed):
		// Much text cannot be told apart by its first bytes: CSV with one column, JSON that is cut
		// off, HTML that starts with prose.
		return content.isText()
	case zipped(claimed):
		// An office file may begin with any of its entries. One with a password is an OLE
		// container, and it is for the scanner to say that it is encrypted.
		return content.Type == mediatype.ZIP || content.Type == oleStorage &&
			strings.Contains(string(claimed), "officedocument")
	case ole(claimed):
		return content.Type == oleStorage
	case claimed.Family() == "audio" || claimed.Family() == "video":
		// The containers are shared: an .m4a sniffs as video/mp4, a .mov as QuickTime or MP4.
		return content.Type.Family() == "audio" || content.Type.Family() == "video"
	}
	// A type without a known signature cannot be contradicted by bytes that have none.
	return content.Type == mediatype.OctetStream && mimetype.Lookup(string(claimed)) == nil &&
		claimed.Family() != "image"
}

const oleStorage mediatype.Type = "application/x-ole-storage"

// textual reports whether a type is made of text.
func textual(t mediatype.Type) bool {
	switch t {
	case "application/json", "application/x-ndjson", "application/x-subrip", "application/yaml",
		"application/toml", "application/sql", "application/rtf":
		return true
	}
	return t.Family() == "text" || t.Family() == "application" &&
		(strings.HasSuffix(string(t), "+xml") || strings.HasSuffix(string(t), "+json"))
}

// zipped reports whether a type is a ZIP with a given inside.
func zipped(t mediatype.Type) bool {
	name := string(t)
	return strings.HasSuffix(name, "+zip") ||
		strings.HasPrefix(name, "application/vnd.oasis.opendocument.") ||
		strings.HasPrefix(name, "application/vnd.openxmlformats-officedocument.")
}

// ole reports whether a type is one of the office formats of before 2007.
func ole(t mediatype.Type) bool {
	switch t {
	case "application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint",
		"application/vnd.ms-outlook":
		return true
	}
	return false
}
