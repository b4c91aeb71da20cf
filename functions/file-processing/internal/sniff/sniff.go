// Package sniff decides what an uploaded file is, from its first bytes and what was said of it, and
// whether it may stay. It reads nothing itself: every decision is a function of its arguments.
package sniff

import (
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
	// text is whether it can be read as text, whatever its beginning resembles: "GIF89a is a
	// format" is a sentence.
	text bool
	// prolog is whether markup has not got to its first element: what it is comes later.
	prolog bool
}

// detect recognises the type by signatures in the first Head bytes, in UTF-16 too.
func detect(head []byte) content {
	head = head[:min(len(head), Head)]
	readable, isText := decode(head)
	if !isText {
		return signature(head)
	}
	found := signature(readable)
	found.text = true
	if found.Type == mediatype.OctetStream {
		found.Type = mediatype.Text
	}
	switch root, complete := rootElement(readable); {
	case root == "svg":
		found.Type = mediatype.SVG
	case !complete:
		found.prolog = true
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

func (c content) isText() bool { return c.text || c.is(mediatype.Text) }
