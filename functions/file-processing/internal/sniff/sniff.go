// Package sniff decides what an uploaded file is, from its first bytes and what was said of it, and
// whether it may stay. It reads nothing itself: every decision is a function of its arguments.
package sniff

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"

	"github.com/gabriel-vasile/mimetype"

	"github.com/toolboxai-solutions/satchel/shared/mediatype"
)

// Head is how many bytes from the start of a file Identify looks at. More do no harm.
const Head = 4096

// content is what the bytes of a file say.
type content struct {
	Type mediatype.Type // the most precise type, OctetStream when nothing is recognised
	// Kinds are Type and the wider types that it is one of, as a JSON file is text and a DOCX a
	// ZIP.
	kinds []*mimetype.MIME
}

// detect recognises the type by signatures in the first Head bytes. Markup in UTF-16 is recognised
// too.
func detect(head []byte) content {
	head = head[:min(len(head), Head)]
	found := signature(head)
	if found.Type == mediatype.Text {
		if narrow, ok := narrowed(head); ok {
			if inside := signature(narrow); inside.isText() {
				return inside
			}
		}
	}
	return found
}

func signature(head []byte) content {
	found := mimetype.Detect(head)
	kind, err := mediatype.Parse(found.String())
	if err != nil {
		kind = mediatype.OctetStream
	}
	c := content{Type: kind}
	for m := found; m.Parent() != nil; m = m.Parent() {
		c.kinds = append(c.kinds, m)
	}
	return c
}

// is reports whether the content is of a type, under any of its names, or of a narrower one.
func (c content) is(t mediatype.Type) bool {
	if c.Type == t {
		return true
	}
	for _, kind := range c.kinds {
		if kind.Is(string(t)) {
			return true
		}
	}
	return false
}

func (c content) isText() bool { return c.is(mediatype.Text) }

// narrowed rewrites UTF-16 text that starts with a byte order mark as UTF-8.
func narrowed(head []byte) ([]byte, bool) {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(head, []byte("\xff\xfe")):
		order = binary.LittleEndian
	case bytes.HasPrefix(head, []byte("\xfe\xff")):
		order = binary.BigEndian
	default:
		return nil, false
	}
	units := make([]uint16, 0, len(head)/2)
	for rest := head[2:]; len(rest) >= 2; rest = rest[2:] {
		units = append(units, order.Uint16(rest))
	}
	return []byte(string(utf16.Decode(units))), true
}
