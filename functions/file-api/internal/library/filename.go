package library

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/toolboxai-solutions/satchel/shared/fault"
)

// maxFilenameBytes is NAME_MAX of the common file systems: a longer name cannot be saved by who
// downloads the file.
const maxFilenameBytes = 255

// cleanFilename is the last element of what a client calls a file: without a path (of either kind
// of separator), without the invisible characters that turn the reading direction and so disguise
// an extension, and without spaces at its ends. Every other character stays, in any script. Control
// characters are refused and not removed: no file picker sends them, and a name that changes
// silently is not found again.
func cleanFilename(name string) (string, error) {
	if !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return "", invalidFilename(
			"The filename contains control characters. Rename the file and send it again.")
	}
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.TrimSpace(strings.Map(dropDirection, name))
	if strings.Trim(name, ".") == "" {
		return "", invalidFilename(
			"The filename is empty. Give the file a name such as report.pdf.")
	}
	if len(name) > maxFilenameBytes {
		return "", fault.New(fault.Invalid, "filename-too-long",
			"The filename is longer than 255 bytes of UTF-8. Shorten it and send it again.")
	}
	return name, nil
}

// dropDirection removes the bidirectional formatting characters of Unicode Standard Annex 9 and the
// line and paragraph separators.
func dropDirection(r rune) rune {
	switch {
	case r >= 0x202A && r <= 0x202E, r >= 0x2066 && r <= 0x2069,
		r == 0x200E, r == 0x200F, r == 0x061C, r == 0x2028, r == 0x2029:
		return -1
	}
	return r
}

// extensionOf is the extension in lower case without its dot, or "" when there is none that a
// person would call so.
func extensionOf(filename string) string {
	extension := strings.ToLower(strings.TrimPrefix(path.Ext(filename), "."))
	if len(extension) > 16 || strings.ContainsFunc(extension,
		func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		return ""
	}
	return extension
}

func invalidFilename(detail string) error {
	return fault.New(fault.Invalid, "invalid-filename", detail)
}
