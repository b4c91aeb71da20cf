package picture

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
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
	head          []byte     // signature, screen descriptor, global colour table
	loop          []byte     // how often an animation repeats
	control       []byte     // a control extension, waiting for the image that it is about
	frames        []gifFrame // each image with its control extension
	incomplete    bool       // there was more, which cannot be read
}

// parseGIF takes what browsers take: the end mark may be missing or have zeros before it, and an
// animation that breaks off is shown up to there.
func parseGIF(source []byte, limits Limits) (parsed, error) {
	f := gifFile{limits: limits}
	rest, err := f.screen(source)
	if err != nil {
		return parsed{}, err
	}
	for len(rest) > 0 && rest[0] != gifTrailer && !f.incomplete {
		after, err := f.block(rest)
		if err != nil && (len(f.frames) == 0 || !errors.Is(err, ErrCorrupt)) {
			return parsed{}, err
		}
		f.incomplete, rest = err != nil, after
	}
	if len(f.frames) == 0 {
		return parsed{}, errGIFEnds
	}
	p := parsed{decode: f.decode}
	p.Info = Info{
		Format: mediatype.GIF, Width: f.width, Height: f.height,
		Frames: len(f.frames), Orientation: upright,
	}
	return p, nil
}

var errGIFEnds = fmt.Errorf("%w: no end of image", ErrCorrupt)

func (f *gifFile) screen(source []byte) (rest []byte, err error) {
	if len(source) < 13 {
		return nil, errGIFEnds
	}
	f.width = int(binary.LittleEndian.Uint16(source[6:]))
	f.height = int(binary.LittleEndian.Uint16(source[8:]))
	end := 13 + tableSize(source[10])
	if end > len(source) {
		return nil, errGIFEnds
	}
	f.head = slices.Clone(source[:end])
	if f.width == 0 || f.height == 0 {
		return source[end:], nil // the first image says
	}
	return source[end:], f.fits(f.width, f.height)
}

// fits checks a screen or an image against the limits: an index and a canvas.
func (f *gifFile) fits(width, height int) error {
	if err := f.limits.canvas(width, height, 1); err != nil {
		return err
	}
	return f.limits.memory(width, height, 6)
}

// tableSize is the length of the colour table that a packed field announces.
func tableSize(packed byte) int {
	if packed&0x80 == 0 {
		return 0
	}
	return 3 << (packed&7 + 1)
}

func (f *gifFile) block(rest []byte) ([]byte, error) {
	switch {
	case rest[0] == 0: // a terminator too many
		return rest[1:], nil
	case rest[0] == gifImage:
		return f.image(rest)
	case rest[0] != gifExtension:
		return nil, fmt.Errorf("%w: unknown block %02x", ErrCorrupt, rest[0])
	case len(rest) < 2:
		return nil, errGIFEnds
	}
	size, err := subBlocks(rest[2:])
	if err != nil {
		return nil, err
	}
	f.extension(rest[1], rest[:2+size])
	return rest[2+size:], nil
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
	frame := gifFrame{control: f.control, head: rest[:data], coded: rest[data : data+size]}
	f.control = nil
	area := frame.area()
	if f.width == 0 || f.height == 0 {
		f.width, f.height = area.Max.X, area.Max.Y
		binary.LittleEndian.PutUint16(f.head[6:], uint16(f.width))
		binary.LittleEndian.PutUint16(f.head[8:], uint16(f.height))
	}
	if err := f.fits(area.Max.X, area.Max.Y); err != nil {
		return nil, err
	}
	f.frames = append(f.frames, frame)
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

// decode reads every frame, so that nothing is kept behind its pixels, and gives the first on a
// transparent canvas. What comes after a later frame that cannot be read is left out.
func (f *gifFile) decode(ctx context.Context, p *parsed) (image.Image, error) {
	p.clean = slices.Concat(f.head, f.loop)
	global := tableSize(f.head[10])
	for i := range f.frames {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		frame, err := f.frames[i].rewrite(global)
		if err != nil && i == 0 {
			return nil, err
		}
		if err != nil {
			p.Frames, f.incomplete = i, true
			break
		}
		p.clean = append(p.clean, frame...)
	}
	p.clean = append(p.clean, gifTrailer)
	p.incomplete = f.incomplete
	return f.first()
}

// first decodes the first frame, on a screen that is large enough for it, and cuts it to its own.
func (f *gifFile) first() (image.Image, error) {
	area := f.frames[0].area()
	head := slices.Clone(f.head)
	binary.LittleEndian.PutUint16(head[6:], uint16(max(f.width, area.Max.X)))
	binary.LittleEndian.PutUint16(head[8:], uint16(max(f.height, area.Max.Y)))
	frame, err := f.frames[0].rewrite(tableSize(f.head[10]))
	if err != nil {
		return nil, err
	}
	pixels, err := gif.Decode(bytes.NewReader(slices.Concat(head, frame, []byte{gifTrailer})))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return onCanvas(pixels, pixels.Bounds().Min, f.width, f.height), nil
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
