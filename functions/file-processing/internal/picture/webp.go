package picture

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"slices"

	"golang.org/x/image/webp"

	"github.com/toolboxai-solutions/satchel/shared/mediatype"
)

// exifHeader is what some writers leave before the TIFF structure, as in a JPEG.
const exifHeader = "Exif\x00\x00"

// Flags of the VP8X chunk: RFC 9649, section 2.7.
const (
	webpAnimated, webpAlpha, webpProfile = 1 << 1, 1 << 4, 1 << 5
)

type riffChunk struct {
	kind string
	data []byte
}

func (c riffChunk) bytes() []byte {
	out := binary.LittleEndian.AppendUint32([]byte(c.kind), uint32(len(c.data)))
	out = append(out, c.data...)
	return append(out, make([]byte, len(c.data)%2)...)
}

var errWebPEnds = fmt.Errorf("%w: a chunk ends beyond its container", ErrCorrupt)

func riffChunks(data []byte) ([]riffChunk, error) {
	var chunks []riffChunk
	for len(data) > 0 {
		if len(data) < 8 || int64(binary.LittleEndian.Uint32(data[4:])) > int64(len(data)-8) {
			return nil, errWebPEnds
		}
		size := int(binary.LittleEndian.Uint32(data[4:]))
		chunks = append(chunks, riffChunk{string(data[:4]), data[8 : 8+size]})
		if data = data[8+size:]; size%2 == 1 {
			if len(data) == 0 {
				return nil, errWebPEnds
			}
			data = data[1:]
		}
	}
	return chunks, nil
}

func riffFile(chunks ...[]byte) []byte {
	body := slices.Concat(append([][]byte{[]byte("WEBP")}, chunks...)...)
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
}

// webpFile gathers what the chunks say while they are walked.
type webpFile struct {
	limits        Limits
	width, height int
	extended      bool
	flags         byte
	loop          []byte // the ANIM chunk's data
	colour        colour
	orientation   int
	frames        []webpFrame
}

type webpFrame struct {
	head        []byte // the ANMF chunk's 16 bytes of place and time; nil for a still
	at          image.Point
	alpha, data riffChunk // ALPH, absent without a kind, and VP8 or VP8L
}

func parseWebP(source []byte, limits Limits) (parsed, error) {
	size := int64(binary.LittleEndian.Uint32(source[4:])) + 8
	if size < 12 || size > int64(len(source)) {
		return parsed{}, fmt.Errorf("%w: no end of image", ErrCorrupt)
	}
	chunks, err := riffChunks(source[12:size])
	if err != nil {
		return parsed{}, err
	}
	f := webpFile{limits: limits, orientation: upright}
	if err := f.walk(chunks); err != nil {
		return parsed{}, err
	}
	if err := limits.memory(f.width, f.height, f.cost()); err != nil {
		return parsed{}, err
	}
	p := parsed{decode: f.decode, colour: f.colour}
	p.Info = Info{Format: mediatype.WebP, Frames: len(f.frames), Orientation: f.orientation}
	p.Width, p.Height = shown(f.width, f.height, f.orientation)
	return p, nil
}

func (f *webpFile) walk(chunks []riffChunk) error {
	var still webpFrame
	for i, chunk := range chunks {
		switch chunk.kind {
		case "VP8X":
			if i != 0 || len(chunk.data) != 10 {
				return fmt.Errorf("%w: VP8X chunk", ErrCorrupt)
			}
			f.extended, f.flags = true, chunk.data[0]
			f.width, f.height = uint24(chunk.data[4:])+1, uint24(chunk.data[7:])+1
			if err := f.limits.canvas(f.width, f.height, 1); err != nil {
				return err
			}
		case "ICCP":
			f.colour.profile = profileOf(chunk.data, rgb)
			f.colour.describe()
		case "EXIF":
			f.orientation = orientation(bytes.TrimPrefix(chunk.data, []byte(exifHeader)))
		case "ANIM":
			if len(chunk.data) != 6 {
				return fmt.Errorf("%w: ANIM chunk", ErrCorrupt)
			}
			f.loop = chunk.data
		case "ALPH":
			still.alpha = chunk
		case "VP8 ", "VP8L":
			if still.data.kind != "" {
				return fmt.Errorf("%w: two images in one frame", ErrCorrupt)
			}
			still.data = chunk
		case "ANMF":
			if err := f.animationFrame(chunk.data); err != nil {
				return err
			}
		}
	}
	return f.settle(still)
}

// settle takes the still image, where there is one, and checks that the file is one thing or the
// other.
func (f *webpFile) settle(still webpFrame) error {
	animated := f.extended && f.flags&webpAnimated != 0
	if animated != (f.loop != nil) || animated != (len(f.frames) > 0) ||
		animated == (still.data.kind != "") {
		return fmt.Errorf("%w: neither a still nor an animation", ErrCorrupt)
	}
	if animated {
		return nil
	}
	width, height, err := still.dimensions()
	if err != nil {
		return err
	}
	if f.extended && (width != f.width || height != f.height) {
		return fmt.Errorf(
			"%w: %d × %d pixels on a canvas of %d × %d",
			ErrCorrupt,
			width,
			height,
			f.width,
			f.height,
		)
	}
	f.width, f.height, f.frames = width, height, []webpFrame{still}
	return f.limits.canvas(width, height, 1)
}

func (f *webpFile) animationFrame(data []byte) error {
	if len(data) < 16 || !f.extended {
		return fmt.Errorf("%w: ANMF chunk", ErrCorrupt)
	}
	chunks, err := riffChunks(data[16:])
	if err != nil {
		return err
	}
	frame := webpFrame{head: data[:16], at: image.Pt(2*uint24(data), 2*uint24(data[3:]))}
	for _, chunk := range chunks {
		switch {
		case chunk.kind == "ALPH":
			frame.alpha = chunk
		case chunk.kind == "VP8 " || chunk.kind == "VP8L":
			if frame.data.kind != "" {
				return fmt.Errorf("%w: two images in one frame", ErrCorrupt)
			}
			frame.data = chunk
		}
	}
	width, height, err := frame.dimensions()
	if err != nil {
		return err
	}
	area := image.Rectangle{Min: frame.at, Max: frame.at.Add(image.Pt(width, height))}
	if width != uint24(data[6:])+1 || height != uint24(data[9:])+1 ||
		!area.In(image.Rect(0, 0, f.width, f.height)) {
		return fmt.Errorf("%w: a frame does not fit its canvas", ErrCorrupt)
	}
	f.frames = append(f.frames, frame)
	return f.limits.canvas(f.width, f.height, len(f.frames))
}

// dimensions reads the bitstream's header: RFC 6386, section 9.1, or RFC 9649, section 3.4.
func (f webpFrame) dimensions() (width, height int, err error) {
	data := f.data.data
	switch {
	case f.data.kind == "VP8 " && len(data) >= 10 && data[0]&1 == 0 &&
		string(data[3:6]) == "\x9d\x01\x2a":
		width, height = int(
			binary.LittleEndian.Uint16(data[6:]),
		)&0x3fff, int(
			binary.LittleEndian.Uint16(data[8:]),
		)&0x3fff
	case f.data.kind == "VP8L" && len(data) >= 5 && data[0] == 0x2f && f.alpha.kind == "":
		packed := binary.LittleEndian.Uint32(data[1:])
		width, height = int(packed&0x3fff)+1, int(packed>>14&0x3fff)+1
	default:
		return 0, 0, fmt.Errorf("%w: no image in a frame", ErrCorrupt)
	}
	return width, height, nil
}

// cost estimates the bytes per pixel, with a copy for turning or for an animation's canvas. A
// lossless picture takes a second copy while it is decoded, and an alpha plane is decoded like one.
func (f *webpFile) cost() int {
	cost := 4
	for _, frame := range f.frames {
		switch {
		case frame.alpha.kind != "":
			cost = max(cost, 12)
		case frame.data.kind == "VP8L":
			cost = max(cost, 8)
		}
	}
	return cost
}

// clean writes the file with the chunks that show the picture: RFC 9649, section 2.7.
func (f *webpFile) clean() []byte {
	if !f.extended {
		return riffFile(f.frames[0].data.bytes())
	}
	flags := f.flags & (webpAnimated | webpAlpha)
	var chunks [][]byte
	if f.colour.profile != nil {
		flags |= webpProfile
		chunks = append(chunks, riffChunk{"ICCP", f.colour.profile}.bytes())
	}
	if f.loop != nil {
		chunks = append(chunks, riffChunk{"ANIM", f.loop}.bytes())
	}
	for _, frame := range f.frames {
		chunks = append(chunks, frame.bytes())
	}
	return riffFile(append([][]byte{vp8x(flags, f.width, f.height)}, chunks...)...)
}

func (f webpFrame) bytes() []byte {
	var body []byte
	if f.alpha.kind != "" {
		body = f.alpha.bytes()
	}
	body = append(body, f.data.bytes()...)
	if f.head == nil {
		return body
	}
	return riffChunk{"ANMF", slices.Concat(f.head, body)}.bytes()
}

func vp8x(flags byte, width, height int) []byte {
	w, h := width-1, height-1
	return riffChunk{
		"VP8X",
		[]byte{
			flags,
			0,
			0,
			0,
			byte(w),
			byte(w >> 8),
			byte(w >> 16),
			byte(h),
			byte(h >> 8),
			byte(h >> 16),
		},
	}.bytes()
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

// decode checks every frame, one at a time, and gives the first on a transparent canvas.
func (f *webpFile) decode(ctx context.Context, p *parsed) (image.Image, error) {
	var first image.Image
	for i := range f.frames {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		frame := &f.frames[i]
		pixels, err := frame.decode()
		if err != nil {
			return nil, fmt.Errorf("%w: frame %d: %w", ErrCorrupt, i+1, err)
		}
		if first == nil {
			first = onCanvas(pixels, frame.at, f.width, f.height)
		}
		size := pixels.Bounds().Size()
		frame.data.data = frame.data.used(size.X, size.Y)
		frame.alpha.data = frame.alpha.used(size.X, size.Y)
	}
	p.clean = f.clean()
	return first, nil
}

func (f webpFrame) decode() (image.Image, error) {
	file := riffFile(f.data.bytes())
	if f.alpha.kind != "" {
		width, height, err := f.dimensions()
		if err != nil {
			return nil, err
		}
		file = riffFile(vp8x(webpAlpha, width, height), f.alpha.bytes(), f.data.bytes())
	}
	pixels, err := webp.Decode(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	switch decoded := pixels.(type) {
	case *image.YCbCr:
		if beyondRange(decoded) {
			return televisionToRGB(decoded), nil
		}
		fullRange(decoded)
		return decoded, nil
	case *image.NYCbCrA:
		out := televisionToRGB(&decoded.YCbCr)
		for y := range out.Rect.Dy() {
			for x := range out.Rect.Dx() {
				out.Pix[y*out.Stride+4*x+3] = decoded.A[y*decoded.AStride+x]
			}
		}
		return out, nil
	}
	return pixels, nil
}
