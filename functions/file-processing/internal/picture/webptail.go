package picture

import (
	"bytes"
	"encoding/binary"
	"slices"
	"sort"

	"golang.org/x/image/vp8"
	"golang.org/x/image/vp8l"
)

// unread is how many bytes a coder may leave at the end of a VP8 frame that its decoder does not
// ask for: what it flushes.
const unread = 8

// used gives the part of a frame's chunk that its pixels need: whatever decoders do not read is a
// place to hide something in. Data that does not decode is given back whole.
func (c riffChunk) used(width, height int) []byte {
	switch c.kind {
	case "VP8 ":
		return c.data[:vp8Length(c.data)]
	case "VP8L":
		return c.data[:losslessLength(c.data, 0)]
	case "ALPH":
		return c.data[:alphaLength(c.data, width, height)]
	}
	return c.data
}

// vp8Length finds the end by decoding without the last bytes, which fails for all but odd files.
// The decoder says that something is missing, but not how much it has read.
func vp8Length(data []byte) int {
	decodes := func(n int) bool {
		d := vp8.NewDecoder()
		d.Init(bytes.NewReader(data[:n]), n)
		if _, err := d.DecodeFrameHeader(); err != nil {
			return false
		}
		_, err := d.DecodeFrame()
		return err == nil
	}
	end := len(data) - unread
	if end < 0 || !decodes(end) {
		return len(data)
	}
	return sort.Search(end, decodes)
}

// losslessLength is how much a VP8L decoder reads, which reads byte by byte, after a head of so
// many bytes.
func losslessLength(data []byte, head int) int {
	source := &counter{data: data}
	if _, err := vp8l.Decode(source); err != nil {
		return len(data) - head
	}
	return source.read - head
}

// alphaLength reads an alpha plane: RFC 9649, 2.7.1.2. Its first byte says how it is compressed.
func alphaLength(data []byte, width, height int) int {
	if len(data) == 0 {
		return 0
	}
	if data[0]&3 == 0 {
		return min(len(data), 1+width*height)
	}
	// A lossless picture without its header: RFC 9649, 3.4.
	packed := uint32(width-1) | uint32(height-1)<<14
	header := binary.LittleEndian.AppendUint32([]byte{0x2f}, packed)
	return 1 + losslessLength(slices.Concat(header, data[1:]), len(header))
}
