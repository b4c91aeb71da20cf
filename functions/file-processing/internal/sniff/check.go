package sniff

import (
	"strings"

	"github.com/gabriel-vasile/mimetype"

	"github.com/toolboxai-solutions/satchel/shared/mediatype"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
)

// Identify compares the first Head bytes of a file with the declared type and with the type that
// the filename promises. It returns the type to record and, for a file that is not accepted, the
// type that was found and the reason.
//
// The recorded type decides how the file is served. Where the three differ in a way that is
// allowed, it is the one to be most careful with: a text file with markup in it is recorded as
// markup.
func Identify(head []byte, declaredType, filename string,
	allowed mediatype.Patterns) (mediatype.Type, storedfile.Reason) {
	declared, err := mediatype.Declared(declaredType, filename)
	if err != nil {
		declared = mediatype.OctetStream
	}
	promised, known := mediatype.FromExtension(filename)
	if !known {
		promised = declared
	}
	content := detect(head)
	if promised == mediatype.SVG && content.is("application/gzip") {
		content = detect(inflated(head)) // .svgz
	}
	if content.prolog && (declared == mediatype.SVG || promised == mediatype.SVG) {
		content.Type = mediatype.SVG
	}
	if mediatype.UnsupportedRaster(declared) || mediatype.UnsupportedRaster(promised) ||
		mediatype.UnsupportedRaster(content.Type) && !(content.isText() && declared.IsText()) {
		return content.Type, storedfile.UnsupportedImage
	}
	if !compatible(declared, content) || !compatible(promised, content) {
		return content.Type, storedfile.TypeMismatch
	}
	kind := recorded(declared, promised, content)
	if !allowed.Match(kind) || declared != mediatype.OctetStream && !allowed.Match(declared) {
		return content.Type, storedfile.TypeNotAllowed
	}
	return kind, ""
}

// recorded picks the type of an accepted file: an active one first, else the more precise of the
// declared and the detected one.
func recorded(declared, promised mediatype.Type, content content) mediatype.Type {
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
func compatible(claimed mediatype.Type, content content) bool {
	switch {
	case claimed == mediatype.OctetStream || content.is(claimed):
		return true
	case claimed.IsText():
		// Much text cannot be told apart by its first bytes: CSV with one column, JSON that is cut
		// off, HTML that starts with prose.
		return content.isText()
	case isZipped(claimed):
		// An office file may begin with any of its entries. One with a password is an OLE
		// container, and it is for the scanner to say that it is encrypted.
		return content.Type == mediatype.ZIP || content.Type == oleStorage &&
			strings.Contains(string(claimed), "officedocument")
	case isOLE(claimed):
		return content.Type == oleStorage
	case claimed.IsAudioOrVideo():
		// The containers are shared: an .m4a sniffs as video/mp4, a .mov as QuickTime or MP4.
		return content.Type.IsAudioOrVideo()
	}
	// A type without a known signature cannot be contradicted by bytes that have none.
	return (content.Type == mediatype.OctetStream || content.Type == mediatype.Text) &&
		mimetype.Lookup(string(claimed)) == nil && claimed.Family() != "image"
}

const oleStorage mediatype.Type = "application/x-ole-storage"

// isZipped reports whether a type is a ZIP with a given inside.
func isZipped(t mediatype.Type) bool {
	name := string(t)
	return strings.HasSuffix(name, "+zip") ||
		strings.HasPrefix(name, "application/vnd.oasis.opendocument.") ||
		strings.HasPrefix(name, "application/vnd.openxmlformats-officedocument.")
}

// isOLE reports whether a type is one of the office formats of before 2007.
func isOLE(t mediatype.Type) bool {
	switch t {
	case "application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint",
		"application/vnd.ms-outlook":
		return true
	}
	return false
}
