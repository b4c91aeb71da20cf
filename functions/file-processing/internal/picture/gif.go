package picture

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"image/draw"
	"image/gif"
	"slices"

	"github.com/toolboxai-solutions/satchel/shared/mediatype"
)

// Blocks and extensions of the GIF89a specification, appendix A.
const (
	gifExtension, gifImage, gifTrailer                        = 0x21, 0x2c, 0x3b
	gifPlainText, gifControl, gifComment, gifApplication byte = 0x01, 0xf9, 0xfe, 0xff
)

// gifFile gathers what the blocks say while they are walked.
type gifFile struct {
	limits        Limits
	width, height int
	head          []byte   // signature, screen descriptor, global colour table
	loop          []byte   // how often an animation repeats
	control       []byte   // a control extension, waiting for the image that it is about
	frames        [][]byte // each image with its control extension
}

func parseGIF(source []byte, limits Limits) (parsed, error) {
	f := gifFile{limits: limits}
	rest, err := f.screen(source)
	if err != nil {
		return parsed{}, err
	}
	for len(rest) == 0 || rest[0] != gifTrailer {
		if rest, err = f.block(rest); err != nil {
			return parsed{}, err
		}
	}
	if len(f.frames) == 0 {
		return parsed{}, fmt.Errorf("%w: no image", ErrCorrupt)
	}
	p := parsed{decode: f.decode}
	p.Info = Info{
		Format:      mediatype.GIF,
		Width:       f.width,
		Height:      f.height,
		Frames:      len(f.frames),
		Orientation: upright,
	}
	p.clean = slices.Concat(f.head, f.loop, slices.Concat(f.frames...), []byte{gifTrailer})
	return p, nil
}

var errGIFEnds = fmt.Errorf("%w: no end of image", ErrCorrupt)

func (f *gifFile) screen(source []byte) (rest []byte, err error) {
	if len(source) < 13 {
		return nil, errGIFEnds
	}
	f.width, f.height = int(
		binary.LittleEndian.Uint16(source[6:]),
	), int(
		binary.LittleEndian.Uint16(source[8:]),
	)
	if err := f.limits.canvas(f.width, f.height, 1); err != nil {
		return nil, err
	}
	end := 13 + tableSize(source[10])
	if end > len(source) {
		return nil, errGIFEnds
	}
	f.head = source[:end]
	return source[end:], f.limits.memory(f.width, f.height, 5) // an index and a canvas
}

// tableSize is the length of the colour table that a packed field announces.
func tableSize(packed byte) int {
	if packed&0x80 == 0 {
		return 0
	}
	return 3 << (packed&7 + 1)
}

func (f *gifFile) block(rest []byte) ([]byte, error) {
	if len(rest) < 2 {
		return nil, errGIFEnds
	}
	switch rest[0] {
	case gifExtension:
		size, err := subBlocks(rest[2:])
		if err != nil {
			return nil, err
		}
		f.extension(rest[1], rest[:2+size])
		return rest[2+size:], nil
	case gifImage:
		return f.image(rest)
	}
	return nil, fmt.Errorf("%w: unknown block %02x", ErrCorrupt, rest[0])
}

// extension keeps timing and loop count, and drops comments, texts and what other applications
// wrote.
func (f *gifFile) extension(label byte, whole []byte) {
	switch label {
	case gifControl:
		f.control = nil
		if len(whole) == 8 {
			f.control = whole
		}
	case gifPlainText:
		f.control = nil
	case gifApplication:
		const head = 14 // introducer, label, size 11, name
		name := string(whole[3:min(head, len(whole))])
		if (name == "NETSCAPE2.0" || name == "ANIMEXTS1.0") && len(whole) >= head+5 &&
			whole[head] == 3 &&
			whole[head+1] == 1 {
			f.loop = append(slices.Clone(whole[:head+4]), 0)
		}
	}
}

func (f *gifFile) image(rest []byte) ([]byte, error) {
	if len(rest) < 10 {
		return nil, errGIFEnds
	}
	data := 10 + tableSize(rest[9]) + 1 // the smallest code size
	if data > len(rest) {
		return nil, errGIFEnds
	}
	size, err := subBlocks(rest[data:])
	if err != nil {
		return nil, err
	}
	f.frames = append(f.frames, slices.Concat(f.control, rest[:data+size]))
	f.control = nil
	return rest[data+size:], f.limits.canvas(f.width, f.height, len(f.frames))
}

// subBlocks is the length of a sequence of sub-blocks with its terminator.
func subBlocks(data []byte) (int, error) {
	for i := 0; i < len(data); i += 1 + int(data[i]) {
		if data[i] == 0 {
			return i + 1, nil
		}
	}
	return 0, errGIFEnds
}

// decode checks every frame, one at a time so that a long animation takes no more memory than one
// frame, and gives the first on a transparent canvas.
func (f *gifFile) decode(ctx context.Context, _ parsed) (image.Image, error) {
	var first image.Image
	for i, frame := range f.frames {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		single := slices.Concat(f.head, frame, []byte{gifTrailer})
		pixels, err := gif.Decode(bytes.NewReader(single))
		if err != nil {
			return nil, fmt.Errorf("%w: frame %d: %w", ErrCorrupt, i+1, err)
		}
		if first == nil {
			first = onCanvas(pixels, pixels.Bounds().Min, f.width, f.height)
		}
	}
	return first, nil
}

// onCanvas places a frame at its offset; around it the canvas is transparent.
func onCanvas(frame image.Image, at image.Point, width, height int) image.Image {
	if frame.Bounds() == image.Rect(0, 0, width, height) {
		return frame
	}
	canvas := image.NewNRGBA(image.Rect(0, 0, width, height))
	draw.Draw(
		canvas,
		image.Rectangle{Min: at, Max: at.Add(frame.Bounds().Size())},
		frame,
		frame.Bounds().Min,
		draw.Src,
	)
	return canvas
}
