package sniff

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// decode returns the beginning of a text as UTF-8 without its byte order mark, and false for bytes
// that are no text. Text is what can be read: in UTF-8, in UTF-16 with or without a mark, or in an
// encoding of one byte for a character, which is returned as it is.
func decode(head []byte) ([]byte, bool) {
	if wide, ok := fromUTF16(head, true); ok {
		return wide, true
	}
	narrow := bytes.TrimPrefix(head, []byte("\ufeff"))
	// What pads a record, and the end of a file on CP/M and DOS.
	body := bytes.TrimRight(bytes.TrimRight(narrow, "\x00"), "\x1a")
	if (len(body) > 0 || len(head) == 0) && fewControls(body) {
		return body, true
	}
	return fromUTF16(head, false)
}

// fewControls reports whether bytes have as few control characters as text has: a stray one, but no
// NUL. Compressed data has one in nine, and every other format here has a NUL.
func fewControls(b []byte) bool {
	controls := 0
	for _, c := range b {
		switch {
		case c == 0:
			return false
		case c < ' ' && !strings.ContainsRune("\t\n\v\f\r\b\x1b", rune(c)), c == 0x7f:
			controls++
		}
	}
	return controls <= 1+len(b)/512
}

// fromUTF16 rewrites UTF-16 as UTF-8, with a byte order mark or without. Then it is recognised by
// its spaces, line ends and other ASCII, which have a zero on one side, while everything can be
// read.
func fromUTF16(head []byte, marked bool) ([]byte, bool) {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		units := make([]uint16, 0, len(head)/2)
		for rest := head; len(rest) >= 2; rest = rest[2:] {
			units = append(units, order.Uint16(rest))
		}
		if (len(units) > 0 && units[0] == 0xfeff) != marked {
			continue
		}
		if marked {
			units = units[1:]
		}
		// A pair of surrogates may be cut in two.
		if n := len(units); n > 0 && units[n-1]&0xfc00 == 0xd800 {
			units = units[:n-1]
		}
		text := utf16.Decode(units)
		if len(text) > 0 && readable(text, marked) {
			return []byte(string(text)), true
		}
	}
	return nil, false
}

func readable(text []rune, marked bool) bool {
	ascii := 0
	for i, r := range text {
		last := i == len(text)-1
		switch {
		case r == utf8.RuneError, r == 0 && !last,
			!unicode.IsPrint(r) && !unicode.IsSpace(r) && r != 0 && r != 0x1a &&
				!unicode.Is(unicode.Cf, r):
			return false
		case r < utf8.RuneSelf:
			ascii++
		}
	}
	return marked || ascii*8 > len(text)
}

// rootElement is the local name of the first element of markup, "" for anything else, and whether
// the head got that far.
func rootElement(head []byte) (name string, complete bool) {
	rest := string(head)
	for {
		rest = strings.TrimLeft(rest, " \t\r\n")
		end := ""
		switch {
		case strings.HasPrefix(rest, "<!--"):
			end = "-->"
		case strings.HasPrefix(rest, "<?"):
			end = "?>"
		case strings.HasPrefix(rest, "<!DOCTYPE"):
			end = ">"
			if subset := strings.IndexByte(rest, '['); subset >= 0 &&
				subset < strings.IndexByte(rest+">", '>') {
				end = "]"
			}
		case strings.HasPrefix(rest, "]"): // of the DOCTYPE's internal subset
			end = ">"
		case strings.HasPrefix(rest, "<"):
			name = rest[1:]
			name = name[:len(name)-len(strings.TrimLeftFunc(name, inName))]
			return name[strings.IndexByte(name, ':')+1:], true
		default:
			return "", true
		}
		_, after, found := strings.Cut(rest, end)
		if !found {
			return "", false
		}
		if rest = after; end == "]" {
			rest = "]" + rest
		}
	}
}

func inName(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(":_-.", r)
}

// inflated is the beginning of what gzip has compressed, as far as head goes.
func inflated(head []byte) []byte {
	reader, err := gzip.NewReader(bytes.NewReader(head))
	if err != nil {
		return nil
	}
	inside := make([]byte, Head)
	n, _ := io.ReadFull(reader, inside) // head ends where it ends
	return inside[:n]
}
