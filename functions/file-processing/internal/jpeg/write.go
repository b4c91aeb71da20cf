package jpeg

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// An output is a picture that is ready to be written: blocks of all components, as shown.
type output struct {
	width, height int
	profile       []byte // ICC, nil for sRGB
	layers        []*layer
}

// write gives the output as a sequential JPEG in one scan, with optimal Huffman tables.
func (o *output) write() []byte {
	classes := o.layers[len(o.layers)-1].class + 1
	mcusX, mcusY := o.mcus()
	var frequency [2][2][256]uint32 // DC and AC by class
	for _, l := range o.layers {
		blocks := l.differences(mcusX, mcusY, &frequency[0][l.class])
		frequency[1][l.class][endOfBlockToken>>8] += uint32(blocks) + l.ends
		for symbol := 1; symbol < len(l.frequency); symbol++ {
			frequency[1][l.class][symbol] += l.frequency[symbol]
		}
	}
	var books [2][2]*codebook
	length := 0 // in bits
	for kind := range books {
		for class := range classes {
			books[kind][class] = newCodebook(&frequency[kind][class])
			for symbol, n := range frequency[kind][class] {
				length += int(n) * int(books[kind][class].codes[symbol]&0xff)
			}
		}
	}
	coded := o.scan(&books, length)
	out := make(
		[]byte,
		0,
		1024+len(o.profile)+len(o.profile)/1024+len(coded)+bytes.Count(coded, []byte{0xff}),
	)
	out = o.headers(out, &books, classes)
	return append(stuff(out, coded), 0xff, markerEOI)
}

func (o *output) mcus() (x, y int) {
	return ceilDiv(o.width, 8*o.layers[0].h), ceilDiv(o.height, 8*o.layers[0].v)
}

// differences replaces each DC coefficient by its difference to the one before it in the scan,
// F.1.1.5.1, and counts their sizes. It returns how many blocks MCUs have beside those that hold
// samples: A.2.4 leaves their content open, and a difference of zero and no AC coefficients takes
// the fewest bits.
func (l *layer) differences(mcusX, mcusY int, frequency *[256]uint32) (empty int) {
	last := int16(0)
	for y := 0; y < mcusY*l.v; y += l.v {
		for x := 0; x < mcusX*l.h; x += l.h {
			for i := y; i < y+l.v; i++ {
				for j := x; j < x+l.h; j++ {
					if i >= l.usedY || j >= l.usedX {
						frequency[0]++
						empty++
						continue
					}
					dc := &l.dc[i*l.usedX+j]
					difference := *dc - last
					last, *dc = *dc, difference
					frequency[bits.Len16(uint16(max(difference, -difference)))]++
				}
			}
		}
	}
	return empty
}

// A bitWriter writes to memory that is known to be long enough.
type bitWriter struct {
	out   []byte
	pos   int
	word  uint64 // the bits that are not written, from the highest on
	count uint   // how many
}

// put writes the lowest n bits, at most 57 with those that are left over.
func (w *bitWriter) put(value uint64, n uint) {
	w.word |= value << (64 - w.count - n)
	w.count += n
	binary.BigEndian.PutUint64(w.out[w.pos:], w.word)
	w.pos += int(w.count >> 3)
	w.word <<= w.count &^ 7
	w.count &= 7
}

// scan writes the entropy-coded data, of length bits, without byte stuffing.
func (o *output) scan(books *[2][2]*codebook, length int) []byte {
	w := bitWriter{out: make([]byte, length/8+16)}
	mcusX, mcusY := o.mcus()
	end := []token{endOfBlockToken}
	for y := range mcusY {
		for x := range mcusX {
			for _, l := range o.layers {
				dc, ac := &books[0][l.class].codes, &books[1][l.class].codes
				for i := y * l.v; i < (y+1)*l.v; i++ {
					for j := x * l.h; j < (x+1)*l.h; j++ {
						if i >= l.usedY || j >= l.usedX {
							w.block(0, end, dc, ac)
							continue
						}
						at := i*l.usedX + j
						w.block(int32(l.dc[at]), l.tokens.at(l.place[at], l.count[at]), dc, ac)
					}
				}
			}
		}
	}
	if w.count > 0 { // the last byte is filled with ones: F.1.2.3
		w.put(1<<(8-w.count)-1, 8-w.count)
	}
	return w.out[:w.pos]
}

// block writes a block: the difference of its DC coefficient and its AC tokens. Two codes with
// their bits, of 26 at most each, go into the word at once.
func (w *bitWriter) block(difference int32, list []token, dc, ac *[256]uint64) {
	sign := difference >> 31
	size := uint(bits.Len32(uint32((difference ^ sign) - sign)))
	low := uint64(uint32(difference+sign)) & (1<<size - 1)
	code := dc[size]
	out, pos, word, count := w.out, w.pos, w.word, w.count
	bits, n := code>>8|low, uint(code&0xff)
	for i := 0; ; {
		if i < len(list) {
			t := list[i]
			i++
			code := ac[t>>8]
			low := uint64(t & 0xff)
			if t>>8&15 > inlineBits && i < len(list) {
				low = uint64(list[i])
				i++
			}
			bits = bits<<(code&63) | code>>8 | low
			n += uint(code & 63)
		}
		word |= bits << (64 - count - n)
		count += n
		binary.BigEndian.PutUint64(out[pos:], word)
		pos += int(count >> 3)
		word <<= count &^ 7
		count &= 7
		if i >= len(list) {
			break
		}
		t := list[i]
		i++
		code := ac[t>>8]
		bits, n = code>>8|uint64(t&0xff), uint(code&63)
		if t>>8&15 > inlineBits && i < len(list) {
			bits |= uint64(list[i])
			i++
		}
	}
	w.pos, w.word, w.count = pos, word, count
}

// stuff appends entropy-coded data with a zero after each byte of ones: B.1.1.5.
func stuff(out, coded []byte) []byte {
	for {
		n := bytes.IndexByte(coded, 0xff)
		if n < 0 {
			return append(out, coded...)
		}
		out = append(append(out, coded[:n+1]...), 0)
		coded = coded[n+1:]
	}
}
