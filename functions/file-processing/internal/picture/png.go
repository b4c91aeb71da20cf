package picture

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/png"
	"slices"

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

// nextChunk reads one chunk. Its checksum is compared where verify says that the chunk matters.
func nextChunk(rest []byte, verify func(kind string) bool) (pngChunk, []byte, error) {
	if len(rest) < 12 || int64(binary.BigEndian.Uint32(rest)) > int64(len(rest)-12) {
		return pngChunk{}, nil, fmt.Errorf("%w: no end of image", ErrCorrupt)
	}
	end := 8 + int(binary.BigEndian.Uint32(rest))
	chunk := pngChunk{string(rest[4:8]), rest[8:end]}
	if verify(chunk.kind) &&
		crc32.ChecksumIEEE(rest[4:end]) != binary.BigEndian.Uint32(rest[end:]) {
		return pngChunk{}, nil, fmt.Errorf("%w: checksum of a %q chunk", ErrCorrupt, chunk.kind)
	}
	return chunk, rest[end+4:], nil
}

// pngFile gathers what the chunks say while they are walked.
type pngFile struct {
	header      []byte
	orientation int
	colours     map[string][]byte // colour chunks by kind, the first of each
	image       []byte            // PLTE, tRNS and IDAT as they came
}

func parsePNG(source []byte, limits Limits) (parsed, error) {
	f := pngFile{orientation: upright, colours: map[string][]byte{}}
	if err := f.walk(source[len(pngSignature):], limits); err != nil {
		return parsed{}, err
	}
	width, height := f.dimensions()
	if err := limits.memory(width, height, f.cost()); err != nil {
		return parsed{}, err
	}
	p := parsed{decode: decodePNG, colour: f.colour()}
	p.Info = Info{Format: mediatype.PNG, Frames: 1, Orientation: f.orientation}
	p.Width, p.Height = shown(width, height, f.orientation)
	p.clean = slices.Concat(
		[]byte(pngSignature),
		pngChunk{"IHDR", f.header}.bytes(),
		p.colour.bytes(),
		f.image,
		pngChunk{"IEND", nil}.bytes(),
	)
	return p, nil
}

func (f *pngFile) walk(rest []byte, limits Limits) error {
	for first := true; ; first = false {
		chunk, after, err := nextChunk(rest, pngNeeds)
		if err != nil {
			return err
		}
		if first != (chunk.kind == "IHDR") {
			return fmt.Errorf("%w: header chunk missing or repeated", ErrCorrupt)
		}
		switch chunk.kind {
		case "IHDR":
			if len(chunk.data) != 13 {
				return fmt.Errorf("%w: header of %d bytes", ErrCorrupt, len(chunk.data))
			}
			f.header = chunk.data
			width, height := f.dimensions()
			if err := limits.canvas(width, height, 1); err != nil {
				return err
			}
		case "PLTE", "tRNS", "IDAT":
			f.image = append(f.image, rest[:len(rest)-len(after)]...)
		case "IEND":
			return nil
		case "eXIf":
			f.orientation = orientation(chunk.data)
		case "iCCP", "sRGB", "gAMA", "cHRM", "cICP":
			if _, repeated := f.colours[chunk.kind]; !repeated {
				f.colours[chunk.kind] = chunk.data
			}
		default:
			if chunk.kind[0]&0x20 == 0 { // the bit that makes a chunk ancillary
				return fmt.Errorf("%w: PNG with a critical chunk %q", ErrUnsupported, chunk.kind)
			}
		}
		rest = after
	}
}

// pngNeeds names the chunks that are kept or read, so must be whole.
func pngNeeds(kind string) bool {
	switch kind {
	case "IHDR", "PLTE", "tRNS", "IDAT", "IEND", "iCCP", "sRGB", "gAMA", "cHRM", "cICP":
		return true
	}
	return false
}

func (f *pngFile) dimensions() (width, height int) {
	return int(binary.BigEndian.Uint32(f.header)), int(binary.BigEndian.Uint32(f.header[4:]))
}

// cost estimates the bytes per pixel: those of the decoded picture, half of it again for the last
// pass of an interlaced one, and a copy where it has to be turned.
func (f *pngFile) cost() int {
	depth, kind, interlaced := f.header[8], f.header[9], f.header[12] != 0
	cost := 4
	if kind == pngGrey || kind == pngPalette {
		cost = 1
	}
	if depth == 16 {
		cost *= 2
	}
	switch {
	case f.orientation != upright:
		return 2 * cost
	case interlaced:
		return cost + (cost+1)/2
	}
	return cost
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

func decodePNG(_ context.Context, p parsed) (image.Image, error) {
	pixels, err := png.Decode(bytes.NewReader(p.clean))
	if unsupported := png.UnsupportedError(""); errors.As(err, &unsupported) {
		return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return pixels, nil
}
