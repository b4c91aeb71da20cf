package picture

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/bits"

	"github.com/toolboxai-solutions/satchel/shared/mediatype"
)

const (
	pngSignature = "\x89PNG\r\n\x1a\n"
	afterIHDR    = len(pngSignature) + 12 + 13
)

// Colour types of the PNG specification (third edition), table 9.
const (
	pngGrey, pngRGB, pngPalette, pngGreyAlpha, pngRGBA = 0, 2, 3, 4, 6
)

type pngChunk struct {
	kind string
	data []byte
}

func (c pngChunk) bytes() []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(c.data)))
	out = append(append(out, c.kind...), c.data...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[4:]))
}

// nextChunk reads one chunk, and says whether its checksum is right.
func nextChunk(rest []byte) (chunk pngChunk, after []byte, whole bool, err error) {
	if len(rest) < 12 || int64(binary.BigEndian.Uint32(rest)) > int64(len(rest)-12) {
		return pngChunk{}, nil, false, fmt.Errorf("%w: no end of image", ErrCorrupt)
	}
	end := 8 + int(binary.BigEndian.Uint32(rest))
	whole = crc32.ChecksumIEEE(rest[4:end]) == binary.BigEndian.Uint32(rest[end:])
	return pngChunk{string(rest[4:8]), rest[8:end]}, rest[end+4:], whole, nil
}

// pngFile gathers what the chunks say while they are walked.
type pngFile struct {
	limits        Limits
	header        []byte
	orientation   int
	colours       map[string][]byte // colour chunks by kind, the first of each
	palette       []byte
	transparency  []byte
	data          [][]byte // of the IDAT chunks
	animated      bool
	seenData, end bool
}

func parsePNG(source []byte, limits Limits) (parsed, error) {
	f := pngFile{limits: limits, orientation: upright, colours: map[string][]byte{}}
	if err := f.walk(source[len(pngSignature):]); err != nil {
		return parsed{}, err
	}
	width, height := f.dimensions()
	if err := limits.memory(width, height, f.cost()); err != nil {
		return parsed{}, err
	}
	p := parsed{decode: f.decode, colour: f.colour(), incomplete: f.animated}
	p.Info = Info{Format: mediatype.PNG, Frames: 1, Orientation: f.orientation}
	p.Width, p.Height = shown(width, height, f.orientation)
	return p, nil
}

// walk visits the chunks. What comes after the image data may be damaged or missing: whether the
// pixels are all there shows when they are decoded.
func (f *pngFile) walk(rest []byte) error {
	for !f.end {
		chunk, after, whole, err := nextChunk(rest)
		switch {
		case err != nil && f.seenData && !startsData(rest):
			return nil
		case err != nil:
			return err
		case (f.header == nil) != (chunk.kind == "IHDR"):
			return fmt.Errorf("%w: header chunk missing or repeated", ErrCorrupt)
		case !whole && chunk.ancillary() || chunk.kind == "IEND":
		case !whole:
			return fmt.Errorf("%w: checksum of a %q chunk", ErrCorrupt, chunk.kind)
		}
		if whole {
			err = f.chunk(chunk)
		}
		if err != nil {
			return err
		}
		f.end, rest = chunk.kind == "IEND", after
	}
	return nil
}

// startsData reports whether what cannot be read was to be image data.
func startsData(rest []byte) bool { return len(rest) >= 8 && string(rest[4:8]) == "IDAT" }

// ancillary reports whether a decoder may do without the chunk: PNG (third edition), 5.4.
func (c pngChunk) ancillary() bool { return c.kind[0]&0x20 != 0 }

// chunk keeps what showing the picture takes, where the standard wants it (5.6): elsewhere decoders
// ignore it.
func (f *pngFile) chunk(c pngChunk) error {
	early := f.palette == nil && !f.seenData
	switch c.kind {
	case "IHDR":
		if len(c.data) != 13 {
			return fmt.Errorf("%w: header of %d bytes", ErrCorrupt, len(c.data))
		}
		if depth := c.data[8]; depth > 16 || bits.OnesCount8(depth) != 1 {
			return fmt.Errorf("%w: %d bits a sample", ErrCorrupt, depth)
		}
		f.header = c.data
		width, height := f.dimensions()
		return f.limits.canvas(width, height, 1)
	case "PLTE":
		if early && len(c.data)%3 == 0 {
			f.palette = c.data
		}
	case "tRNS":
		if f.transparency == nil && !f.seenData {
			f.transparency = c.data
		}
	case "IDAT":
		f.seenData = true
		f.data = append(f.data, c.data)
	case "IEND":
	case "acTL":
		f.animated = true
	case "eXIf":
		f.orientation = orientation(c.data)
	case "iCCP", "sRGB", "gAMA", "cHRM", "cICP":
		size, fixed := map[string]int{"sRGB": 1, "gAMA": 4, "cHRM": 32, "cICP": 4}[c.kind]
		if f.colours[c.kind] == nil && early && (!fixed || len(c.data) == size) {
			f.colours[c.kind] = c.data
		}
	default:
		if !c.ancillary() {
			return fmt.Errorf("%w: PNG with a critical chunk %q", ErrUnsupported, c.kind)
		}
	}
	return nil
}

func (f *pngFile) dimensions() (width, height int) {
	return int(binary.BigEndian.Uint32(f.header)), int(binary.BigEndian.Uint32(f.header[4:]))
}

// colour picks what decides, in the order of precedence of the PNG specification (third edition,
// 4.3): cICP, then iCCP, sRGB, and gAMA with cHRM.
func (f *pngFile) colour() colour {
	var c colour
	if data := f.colours["cICP"]; data != nil {
		c.chunks, c.pngOnly = append(c.chunks, pngChunk{"cICP", data}), true
	}
	space := rgb
	if kind := f.header[9]; kind == pngGrey || kind == pngGreyAlpha {
		space = grey
	}
	if c.profile, c.zipped = inflateProfile(f.colours["iCCP"], space); c.profile != nil {
		c.describe()
		return c
	}
	if data := f.colours["sRGB"]; data != nil {
		c.chunks = append(c.chunks, pngChunk{"sRGB", data})
		return c
	}
	for _, kind := range []string{"gAMA", "cHRM"} {
		if data := f.colours[kind]; data != nil {
			c.chunks = append(c.chunks, pngChunk{kind, data})
			c.pngOnly = c.pngOnly || !saysSRGB(kind, data)
		}
	}
	return c
}

// saysSRGB reports whether a gAMA or cHRM chunk has the values that stand for sRGB (PNG, table 13),
// give or take what encoders round.
func saysSRGB(kind string, data []byte) bool {
	standard := map[string][]uint32{
		"gAMA": {45455},
		"cHRM": {31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000},
	}[kind]
	if len(data) != 4*len(standard) {
		return false
	}
	for i, want := range standard {
		if got := binary.BigEndian.Uint32(data[4*i:]); got > want+200 || got+200 < want {
			return false
		}
	}
	return true
}

// bytes are the chunks that say the colour in a PNG.
func (c colour) bytes() []byte {
	var out []byte
	for _, chunk := range c.chunks {
		out = append(out, chunk.bytes()...)
	}
	if c.profile != nil {
		out = append(out, c.iccp().bytes()...)
	}
	return out
}
