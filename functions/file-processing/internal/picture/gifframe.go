package picture

import (
	"bytes"
	"compress/lzw"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"io"
	"slices"
)

// A gifFrame is an image of a GIF as it came.
type gifFrame struct {
	control []byte // its control extension, or nil
	head    []byte // descriptor, local colour table, smallest code size
	coded   []byte // its pixels: sub-blocks with their terminator
}

// area is where the image lies on the screen.
func (g gifFrame) area() image.Rectangle {
	field := func(i int) int { return int(binary.LittleEndian.Uint16(g.head[i:])) }
	return image.Rect(0, 0, field(5), field(7)).Add(image.Pt(field(1), field(3)))
}

// rewrite gives the frame with its pixels and nothing after them. The colours are of its own table,
// or of one of global bytes.
func (g gifFrame) rewrite(global int) ([]byte, error) {
	area := g.area()
	width := int(g.head[len(g.head)-1]) // of the smallest code
	colours := global / 3
	if local := tableSize(g.head[9]); local > 0 {
		colours = local / 3
	}
	if width < 2 || width > 8 || area.Dx() == 0 || area.Dy() == 0 || colours == 0 {
		return nil, fmt.Errorf("%w: image without pixels or colours", ErrCorrupt)
	}
	data := &counter{data: join(g.coded)}
	reader := lzw.NewReader(data, lzw.LSB, width)
	pixels := make([]byte, area.Dx()*area.Dy())
	if _, err := io.ReadFull(reader, pixels); err != nil {
		return nil, fmt.Errorf("%w: pixels of an image: %w", ErrCorrupt, err)
	}
	if int(slices.Max(pixels)) >= colours {
		return nil, fmt.Errorf("%w: a pixel of no colour", ErrCorrupt)
	}
	_, err := io.ReadFull(reader, make([]byte, 1))
	coded := data.data[:data.read]
	if !errors.Is(err, io.EOF) {
		// No end, or more than the pixels: something could be hidden there.
		var out bytes.Buffer
		writer := lzw.NewWriter(&out, lzw.LSB, width)
		_, _ = writer.Write(pixels) // a bytes.Buffer takes everything
		_ = writer.Close()
		coded = out.Bytes()
	}
	return slices.Concat(g.control, g.head, split(coded)), nil
}

// join gives the content of sub-blocks.
func join(blocks []byte) []byte {
	out := make([]byte, 0, len(blocks))
	for len(blocks) > 0 && blocks[0] > 0 {
		size := int(blocks[0])
		out = append(out, blocks[1:1+size]...)
		blocks = blocks[1+size:]
	}
	return out
}

// split makes sub-blocks, with a terminator.
func split(data []byte) []byte {
	out := make([]byte, 0, len(data)+len(data)/255+2)
	for part := range slices.Chunk(data, 255) {
		out = append(append(out, byte(len(part))), part...)
	}
	return append(out, 0)
}

// A counter knows how much of its data was read. It is read byte by byte.
type counter struct {
	data []byte
	read int
}

func (c *counter) ReadByte() (byte, error) {
	if c.read >= len(c.data) {
		return 0, io.EOF
	}
	c.read++
	return c.data[c.read-1], nil
}

func (c *counter) Read(p []byte) (int, error) {
	n := copy(p, c.data[c.read:])
	c.read += n
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}
