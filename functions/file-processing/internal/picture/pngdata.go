package picture

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/adler32"
	"image"
	"image/png"
	"io"
	"slices"

	"github.com/klauspost/compress/zlib"
)

// maxIDAT is the most bytes of a chunk: PNG (third edition), 5.3.
const maxIDAT = 1<<31 - 1

// bitsPerPixel is what a pixel takes in the image data: 11.1.
func (f *pngFile) bitsPerPixel() int {
	channels := map[byte]int{pngGrey: 1, pngRGB: 3, pngPalette: 1, pngGreyAlpha: 2, pngRGBA: 4}
	return channels[f.header[9]] * int(f.header[8])
}

func (f *pngFile) interlaced() bool { return f.header[12] != 0 }

// cost estimates the bytes per pixel: the image data, the decoded picture, half of it again for the
// last pass of an interlaced one, and a copy where it has to be turned.
func (f *pngFile) cost() int {
	kind := f.header[9]
	cost := 4
	if kind == pngGrey || kind == pngPalette {
		cost = 1
	}
	if f.header[8] == 16 {
		cost *= 2
	}
	decoded := cost
	switch {
	case f.orientation != upright:
		decoded = 2 * cost
	case f.interlaced():
		decoded = cost + (cost+1)/2
	}
	return decoded + ceilDiv(f.bitsPerPixel(), 8)
}

// size is the length of the image data without compression: rows, each with the filter's byte, of
// one pass or of the seven of Adam7 (8.1).
func (f *pngFile) size() int {
	width, height := f.dimensions()
	pass := func(x, y, stepX, stepY int) int {
		if width <= x || height <= y {
			return 0
		}
		columns, rows := ceilDiv(width-x, stepX), ceilDiv(height-y, stepY)
		return rows * (1 + ceilDiv(columns*f.bitsPerPixel(), 8))
	}
	if !f.interlaced() {
		return pass(0, 0, 1, 1)
	}
	return pass(0, 0, 8, 8) + pass(4, 0, 8, 8) + pass(0, 4, 4, 8) + pass(2, 0, 4, 4) +
		pass(0, 2, 2, 4) + pass(1, 0, 2, 2) + pass(0, 1, 1, 2)
}

// decode inflates the image data once, with a decoder that is faster than the standard library's
// and says where the data ends, and hands it on as stored blocks. The clean file has the data up to
// there.
func (f *pngFile) decode(_ context.Context, p *parsed) (image.Image, error) {
	if f.bitsPerPixel() == 0 {
		return nil, fmt.Errorf("%w: PNG of colour type %d", ErrUnsupported, f.header[9])
	}
	joined := slices.Concat(f.data...)
	f.data = nil
	source := bytes.NewReader(joined)
	stored, exact, err := f.inflate(source)
	if err != nil {
		return nil, fmt.Errorf("%w: image data: %w", ErrCorrupt, err)
	}
	pixels, err := png.Decode(bytes.NewReader(f.file(nil, stored)))
	if unsupported := png.UnsupportedError(""); errors.As(err, &unsupported) {
		return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if exact {
		p.clean = f.file(p.colour.bytes(), joined[:len(joined)-source.Len()])
	} else {
		p.clean, err = encodePNG(pixels, p.colour, png.DefaultCompression)
	}
	return pixels, err
}

// inflate gives the image data as zlib data of stored blocks (RFC 1951, 3.2.4). It is exact when
// there is no more of it than the pixels.
func (f *pngFile) inflate(source io.Reader) (stored []byte, exact bool, err error) {
	reader, err := zlib.NewReader(source)
	if err != nil {
		return nil, false, err
	}
	const block, head = 65535, 5
	size := f.size()
	stored = make([]byte, 0, 2+size+ceilDiv(size, block)*head+4)
	stored = append(stored, 0x78, 0x01)
	sum := adler32.New()
	for left := size; left > 0; {
		n := min(left, block)
		left -= n
		last := byte(0)
		if left == 0 {
			last = 1
		}
		stored = append(stored, last, byte(n), byte(n>>8), byte(^n), byte(^n>>8))
		stored = stored[:len(stored)+n]
		part := stored[len(stored)-n:]
		if _, err := io.ReadFull(reader, part); err != nil {
			return nil, false, err
		}
		_, _ = sum.Write(part) // never fails
	}
	n, err := io.ReadFull(reader, make([]byte, 1))
	if n == 0 && !errors.Is(err, io.EOF) {
		return nil, false, err
	}
	return binary.BigEndian.AppendUint32(stored, sum.Sum32()), n == 0, nil
}

// file writes a PNG with the colour's chunks and the image data.
func (f *pngFile) file(colour, data []byte) []byte {
	out := slices.Concat([]byte(pngSignature), pngChunk{"IHDR", f.header}.bytes(), colour)
	palette, transparency := f.tables()
	if palette != nil {
		out = append(out, pngChunk{"PLTE", palette}.bytes()...)
	}
	if transparency != nil {
		out = append(out, pngChunk{"tRNS", transparency}.bytes()...)
	}
	for part := range slices.Chunk(data, maxIDAT) {
		out = append(out, pngChunk{"IDAT", part}.bytes()...)
	}
	return append(out, pngChunk{"IEND", nil}.bytes()...)
}

// tables gives the palette and the transparency (11.3.1.1) as far as pixels can refer to them.
func (f *pngFile) tables() (palette, transparency []byte) {
	depth, transparency := f.header[8], f.transparency
	switch f.header[9] {
	case pngPalette:
		palette = f.palette[:min(len(f.palette), 3<<depth)]
		return palette, transparency[:min(len(transparency), len(palette)/3)]
	case pngGrey, pngRGB:
		if want := map[byte]int{pngGrey: 2, pngRGB: 6}[f.header[9]]; len(transparency) < want {
			return nil, nil
		} else if transparency = slices.Clone(transparency[:want]); depth < 16 {
			for i := 0; i < want; i += 2 {
				sample := binary.BigEndian.Uint16(transparency[i:]) & (1<<depth - 1)
				binary.BigEndian.PutUint16(transparency[i:], sample)
			}
		}
		return nil, transparency
	}
	return nil, nil
}
