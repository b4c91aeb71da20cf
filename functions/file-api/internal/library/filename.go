package library

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/mediatype"
)

// maxFilenameBytes is NAME_MAX of the common file systems: a longer name cannot be saved by who
// downloads the file.
const maxFilenameBytes = 255

// cleanFilename is the last element of what a client calls a file: without a path (of either kind
// of separator), without the invisible characters that disguise an extension, and without spaces at
// its ends or dots at the end, which Windows drops. Every other character stays, in any script.
// Control characters are refused and not removed: no file picker sends them, and a name that
// changes silently is not found again.
func cleanFilename(name string) (string, error) {
	if !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return "", invalidFilename(
			"The filename contains control characters. Rename the file and send it again.")
	}
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.TrimSpace(strings.Map(dropInvisible, name))
	if name = strings.TrimRight(name, ". "); name == "" {
		return "", invalidFilename(
			"The filename is empty. Give the file a name such as report.pdf.")
	}
	if len(name) > maxFilenameBytes {
		return "", fault.New(fault.Invalid, "filename-too-long",
			"The filename is longer than 255 bytes of UTF-8. Shorten it and send it again.")
	}
	return name, nil
}

// dropInvisible removes formatting characters and the line and paragraph separators. The joiners
// stay, without which Persian, Hindi and some emoji are misspelt.
func dropInvisible(r rune) rune {
	const nonJoiner, joiner = '\u200c', '\u200d'
	if unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) && r != nonJoiner && r != joiner {
		return -1
	}
	return r
}

// extensionOf is the extension in lower case without its dot, or "" when there is none that a
// person would call so.
func extensionOf(filename string) string {
	extension := mediatype.Extension(filename)
	if len(extension) > 16 || strings.ContainsFunc(extension,
		func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		return ""
	}
	return extension
}

func invalidFilename(detail string) error {
	return fault.New(fault.Invalid, "invalid-filename", detail)
}
