package picture

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"slices"

	"github.com/toolboxai-solutions/satchel/shared/mediatype"
)

// Markers of ITU-T T.81, table B.1.
const (
	markerSOF0, markerSOF2, markerSOF15 = 0xc0, 0xc2, 0xcf
	markerDHT, markerJPG, markerDAC     = 0xc4, 0xc8, 0xcc
	markerRST0, markerRST7              = 0xd0, 0xd7
	markerSOI, markerEOI, markerSOS     = 0xd8, 0xd9, 0xda
	markerDQT, markerDRI                = 0xdb, 0xdd
	markerAPP0, markerAPP1, markerAPP2  = 0xe0, 0xe1, 0xe2
	markerAPP14                         = 0xee
)

const (
	exifHeader = "Exif\x00\x00"
	iccHeader  = "ICC_PROFILE\x00" // followed by the segment's number from 1 and the count of segments: ICC.1:2022, B.4
)

// jpegFile gathers what the segments say while they are walked.
type jpegFile struct {
	limits        Limits
	width, height int
	components    []byte // identifiers, in the order of the frame header
	progressive   bool
	adobe, exif   bool
	orientation   int
	profile       [][]byte // parts by number
	scans         int
	seen          map[byte]bool // components whose first scan came
	clean         []byte        // the kept segments after SOI
}

func parseJPEG(source []byte, limits Limits) (parsed, error) {
	f := jpegFile{limits: limits, orientation: upright, seen: map[byte]bool{}}
	if err := f.walk(source[2:]); err != nil {
		return parsed{}, err
	}
	if f.components == nil {
		return parsed{}, fmt.Errorf("%w: no frame header", ErrCorrupt)
	}
	for _, id := range f.components {
		if !f.seen[id] {
			return parsed{}, fmt.Errorf("%w: component %d has no scan", ErrCorrupt, id)
		}
	}
	p := parsed{decode: decodeJPEG}
	if len(f.components) == 4 {
		p.decode, p.foreign = decodeCMYK(f.adobe), true
	}
	want := map[int]string{1: grey, 3: rgb}[len(f.components)]
	p.colour.profile = profileOf(bytes.Join(f.profile, nil), want)
	p.clean = slices.Concat([]byte{0xff, markerSOI}, profileSegments(p.colour.profile), f.clean, []byte{0xff, markerEOI})
	p.Info = Info{Format: mediatype.JPEG, Frames: 1, Orientation: f.orientation}
	p.Width, p.Height = shown(f.width, f.height, f.orientation)
	return p, nil
}

// walk visits the segments up to EOI. Bytes between two segments are skipped, as decoders do.
func (f *jpegFile) walk(rest []byte) error {
	for {
		start := bytes.IndexByte(rest, 0xff)
		if start < 0 || start+1 >= len(rest) {
			return fmt.Errorf("%w: no end of image", ErrCorrupt)
		}
		marker := rest[start+1]
		if marker == 0xff {
			rest = rest[start+1:]
			continue
		}
		rest = rest[start+2:]
		switch {
		case marker == 0 || marker >= markerRST0 && marker <= markerRST7:
			continue
		case marker == markerEOI:
			return nil
		case marker < markerSOF0:
			return fmt.Errorf("%w: reserved marker %02x", ErrCorrupt, marker)
		}
		if len(rest) < 2 || int(binary.BigEndian.Uint16(rest)) < 2 || int(binary.BigEndian.Uint16(rest)) > len(rest) {
			return fmt.Errorf("%w: segment %02x ends beyond the file", ErrCorrupt, marker)
		}
		size := int(binary.BigEndian.Uint16(rest))
		body := rest[2:size]
		rest = rest[size:]
		if err := f.segment(marker, body); err != nil {
			return err
		}
		if marker == markerSOS {
			n := entropyCoded(rest)
			f.clean = append(f.clean, rest[:n]...)
			rest = rest[n:]
		}
	}
}

// entropyCoded is the length of a scan's data: everything up to a marker that is not a restart.
func entropyCoded(data []byte) int {
	for i := 0; ; {
		n := bytes.IndexByte(data[i:], 0xff)
		if n < 0 || i+n+1 >= len(data) {
			return len(data)
		}
		i += n
		if next := data[i+1]; next != 0 && (next < markerRST0 || next > markerRST7) {
			return i
		}
		i += 2
	}
}

// segment keeps what decoding needs and reads what is needed from the rest.
func (f *jpegFile) segment(marker byte, body []byte) error {
	switch marker {
	case markerDHT, markerDQT, markerDRI:
		f.keep(marker, body)
	case markerJPG, markerDAC:
		return fmt.Errorf("%w: JPEG with arithmetic coding", ErrUnsupported)
	case markerSOS:
		if err := f.scan(body); err != nil {
			return err
		}
		f.keep(marker, body)
	case markerAPP0:
		if bytes.HasPrefix(body, []byte("JFIF\x00")) && len(body) >= 14 {
			f.keep(marker, append(slices.Clone(body[:12]), 0, 0)) // no embedded preview: 0 × 0
		}
	case markerAPP1:
		if tiff, found := bytes.CutPrefix(body, []byte(exifHeader)); found && !f.exif {
			f.exif, f.orientation = true, orientation(tiff)
		}
	case markerAPP2:
		f.profilePart(body)
	case markerAPP14:
		if bytes.HasPrefix(body, []byte("Adobe")) && len(body) >= 12 {
			f.adobe = true
			f.keep(marker, body[:12]) // says whether the components are YCbCr or YCCK
		}
	default:
		if marker >= markerSOF0 && marker <= markerSOF15 {
			return f.frame(marker, body)
		}
	}
	return nil
}

func (f *jpegFile) keep(marker byte, body []byte) {
	f.clean = append(f.clean, jpegSegment(marker, body)...)
}

// frame reads the frame header: T.81, B.2.2.
func (f *jpegFile) frame(marker byte, body []byte) error {
	if marker > markerSOF2 || len(body) > 0 && body[0] != 8 {
		return fmt.Errorf("%w: JPEG that is lossless, hierarchical, arithmetic or not 8 bits deep", ErrUnsupported)
	}
	if f.components != nil || len(body) < 6 || len(body) != 6+3*int(body[5]) {
		return fmt.Errorf("%w: frame header", ErrCorrupt)
	}
	f.progressive = marker == markerSOF2
	f.height, f.width = int(binary.BigEndian.Uint16(body[1:])), int(binary.BigEndian.Uint16(body[3:]))
	for part := body[6:]; len(part) > 0; part = part[3:] {
		f.components = append(f.components, part[0])
	}
	if n := len(f.components); n != 1 && n != 3 && n != 4 {
		return fmt.Errorf("%w: JPEG with %d components", ErrUnsupported, n)
	}
	if err := f.limits.canvas(f.width, f.height, 1); err != nil {
		return err
	}
	f.keep(marker, body)
	return f.limits.memory(f.width, f.height, f.cost())
}

// cost estimates the bytes per pixel that decoding takes: a byte a sample and a copy for turning; for CMYK
// both the planes and four bytes; for progressive 32-bit coefficients as well.
func (f *jpegFile) cost() int {
	planes := len(f.components)
	if planes == 3 {
		planes = 2 // 4:2:0 has 1.5; 4:4:4, at 3, is rare at sizes where this matters
	}
	cost := planes
	if planes == 4 {
		cost += 8
	}
	if f.progressive {
		cost += 4 * planes
	}
	return cost
}

// scan checks a scan header against T.81, B.2.3, as far as it bounds the work: in a sequential picture a
// component has one scan.
func (f *jpegFile) scan(body []byte) error {
	if f.components == nil || len(body) < 1 || len(body) != 4+2*int(body[0]) {
		return fmt.Errorf("%w: scan header", ErrCorrupt)
	}
	if f.scans++; f.scans > f.limits.Scans {
		return fmt.Errorf("%w: more than %d scans", ErrTooManyPixels, f.limits.Scans)
	}
	n := 1 + 2*int(body[0])
	spectralStart, approximation := body[n], body[n+2]
	for part := body[1:n]; len(part) > 0; part = part[2:] {
		if !f.progressive && f.seen[part[0]] {
			return fmt.Errorf("%w: component %d has two scans", ErrCorrupt, part[0])
		}
		if !f.progressive || spectralStart == 0 && approximation>>4 == 0 {
			f.seen[part[0]] = true
		}
	}
	return nil
}

// profilePart collects a part of an ICC profile. Parts that do not come in order make the profile invalid,
// which its size then shows.
func (f *jpegFile) profilePart(body []byte) {
	part, found := bytes.CutPrefix(body, []byte(iccHeader))
	if found && len(part) > 2 && int(part[0]) == len(f.profile)+1 {
		f.profile = append(f.profile, part[2:])
	}
}

func jpegSegment(marker byte, body []byte) []byte {
	size := len(body) + 2
	return append([]byte{0xff, marker, byte(size >> 8), byte(size)}, body...)
}

// profileSegments writes a profile as APP2 segments.
func profileSegments(profile []byte) []byte {
	const room = 65535 - 2 - len(iccHeader) - 2
	var segments []byte
	count := (len(profile) + room - 1) / room
	for i, part := range slices.Collect(slices.Chunk(profile, room)) {
		body := append([]byte(iccHeader), byte(i+1), byte(count))
		segments = append(segments, jpegSegment(markerAPP2, append(body, part...))...)
	}
	return segments
}

func decodeJPEG(_ context.Context, p parsed) (image.Image, error) {
	pixels, err := jpeg.Decode(bytes.NewReader(p.clean))
	if unsupported := jpeg.UnsupportedError(""); errors.As(err, &unsupported) {
		return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return pixels, nil
}

// decodeCMYK decodes four components, which are CMYK or, as Adobe's marker says, YCCK. Adobe stores both
// inverted and the standard library expects that; without the marker they are not.
func decodeCMYK(adobe bool) func(context.Context, parsed) (image.Image, error) {
	return func(ctx context.Context, p parsed) (image.Image, error) {
		if !adobe {
			marker := jpegSegment(markerAPP14, []byte("Adobe\x00\x64\x00\x00\x00\x00\x00"))
			p.clean = slices.Concat(p.clean[:2], marker, p.clean[2:])
		}
		pixels, err := decodeJPEG(ctx, p)
		if err != nil {
			return nil, err
		}
		cmyk, ok := pixels.(*image.CMYK)
		if !ok {
			return nil, fmt.Errorf("%w: four components decoded as %T", ErrUnsupported, pixels)
		}
		return cmykToRGB(cmyk, !adobe), nil
	}
}

func cmykToRGB(cmyk *image.CMYK, invert bool) *image.RGBA {
	rgba := image.NewRGBA(cmyk.Rect)
	var flip byte
	if invert {
		flip = 0xff
	}
	for y := range cmyk.Rect.Dy() {
		from, to := cmyk.Pix[y*cmyk.Stride:], rgba.Pix[y*rgba.Stride:]
		for x := 0; x < 4*cmyk.Rect.Dx(); x += 4 {
			r, g, b := color.CMYKToRGB(from[x]^flip, from[x+1]^flip, from[x+2]^flip, from[x+3]^flip)
			to[x], to[x+1], to[x+2], to[x+3] = r, g, b, 0xff
		}
	}
	return rgba
}
