package library

import (
	"path"
	"strings"

	"github.com/toolboxai-solutions/satchel/shared/mediatype"
)

// contentDisposition is the header that makes a browser save the content under the filename and
// never show it: RFC 6266, with a plain ASCII name for old clients beside the exact one in the
// encoding of RFC 8187.
func contentDisposition(filename string) string {
	return `attachment; filename="` + asciiName(filename) + `"; filename*=UTF-8''` +
		extendedValue(filename)
}

func asciiName(filename string) string {
	return strings.Map(func(r rune) rune {
		// "%" too: some clients decode it here although they should not
		if r < ' ' || r > '~' || strings.ContainsRune(`"\%/`, r) {
			return '_'
		}
		return r
	}, filename)
}

// extendedValue percent-encodes everything but attr-char of RFC 8187, section 3.2.1.
func extendedValue(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
			strings.IndexByte("!#$&+-.^_`|~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}

// nameAs is the filename with an extension that tells the truth about contentType: a variant may be
// of another type than its original. Types that this function has no extension for keep the name as
// it is.
func nameAs(filename string, contentType mediatype.Type) string {
	extension := extensionFor(contentType)
	if extension == "" {
		return filename
	}
	told, known := mediatype.FromExtension(filename)
	if told == contentType {
		return filename
	}
	if known {
		filename = strings.TrimSuffix(filename, path.Ext(filename))
	}
	for len(filename)+len(extension) > maxFilenameBytes {
		runes := []rune(filename)
		filename = string(runes[:len(runes)-1])
	}
	return filename + extension
}

func extensionFor(t mediatype.Type) string {
	switch t {
	case mediatype.JPEG:
		return ".jpg"
	case mediatype.PNG:
		return ".png"
	case mediatype.GIF:
		return ".gif"
	case mediatype.WebP:
		return ".webp"
	}
	return ""
}
