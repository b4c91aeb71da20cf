package jpeg

import (
	"fmt"
	"math/bits"
)

// A token is a symbol of the entropy coder with the bits that follow its code: the symbol
// (F.1.2.1.1: size, F.1.2.2.1: run and size) in the upper byte and up to eight bits in the lower.
// More bits are in a word of their own, which follows.
type token = uint16

const (
	endOfBlockToken token = 0x00 << 8
	zeroRunToken    token = 0xf0 << 8
	inlineBits            = 8
)

const (
	chunkTokens    = 1 << 16
	maxBlockTokens = 2*(blockSize-1) + 4 // every coefficient with a word of its own, or runs of zeros, and the end
	maxAC          = 1<<10 - 1           // F.1.2.2.1: ten bits for samples of eight
	maxDC          = 1<<10 - 1           // so that differences have eleven: F.1.2.1.1
)

// tokens holds the AC tokens of many blocks. The first is an end of block, which stands for every
// block without AC coefficients.
type tokens struct {
	chunks [][]token
	used   int // of the last chunk
	budget int // chunks that may still be made
}

func newTokens(budget int64, expected int) (*tokens, error) {
	t := &tokens{budget: int(budget / (2 * chunkTokens))}
	if err := t.grow(min(chunkTokens, max(expected, 1024))); err != nil {
		return nil, err
	}
	t.chunks[0][0], t.used = endOfBlockToken, 1
	return t, nil
}

func (t *tokens) grow(size int) error {
	if t.budget < 1 {
		return fmt.Errorf("%w: more coefficients than memory is for", ErrTooLarge)
	}
	t.budget--
	t.chunks, t.used = append(t.chunks, make([]token, size)), 0
	return nil
}

// at gives tokens by what layer.at says of them.
func (t *tokens) at(place uint32, count uint8) []token {
	return t.chunks[place>>16][place&0xffff:][:count]
}

// A layer is a component of an output: its blocks as shown, ready but for the codes.
type layer struct {
	h, v         int // sampling factors
	usedX, usedY int // as in Component
	quantization *[blockSize]uint16
	class        int // of Huffman tables: 0 luminance, 1 chrominance

	tokens    *tokens
	dc        []int16
	place     []uint32 // of the AC tokens
	count     []uint8
	frequency [256]uint32 // of AC symbols
	failed    error
}

// layerBytes is what a layer takes for a block, its tokens apart.
const layerBytes = 2 + 4 + 1

// allocate makes room for the blocks of width × height samples.
func (l *layer) allocate(width, height int) {
	l.usedX, l.usedY = ceilDiv(width, 8), ceilDiv(height, 8)
	blocks := l.usedX * l.usedY
	l.dc, l.place, l.count = make([]int16, blocks), make([]uint32, blocks), make([]uint8, blocks)
	for i := range l.count {
		l.count[i] = 1 // of the token at place 0
	}
}

// put writes a block: its quantised DC coefficient, and the others as block lists them, in order
// and none of them zero.
func (l *layer) put(index int, dc int32, ac []uint32) {
	l.dc[index] = int16(min(max(dc, -maxDC), maxDC))
	if len(ac) == 0 {
		l.frequency[0]++
		return
	}
	t := l.tokens
	if len(t.chunks[len(t.chunks)-1])-t.used < maxBlockTokens {
		if err := t.grow(chunkTokens); err != nil {
			l.failed = err
			t.used = 0
			t.chunks[len(t.chunks)-1] = make([]token, maxBlockTokens)
		}
	}
	chunk := len(t.chunks) - 1
	out := (*[maxBlockTokens]token)(t.chunks[chunk][t.used:])
	n, last := 0, 0
	for _, e := range ac {
		k := int(e & (blockSize - 1))
		run := k - last - 1
		last = k
		for ; run > 15; run -= 16 {
			out[n] = zeroRunToken
			n++
			l.frequency[zeroRunToken>>8]++
		}
		sign := int32(e) >> 31
		magnitude := uint32((int32(e)>>16 ^ sign) - sign)
		size := uint32(bits.Len32(magnitude))
		low := (magnitude ^ uint32(sign)) & (1<<size - 1)
		symbol := uint32(run)<<4 | size
		l.frequency[symbol&0xff]++
		if size > inlineBits {
			out[n] = token(symbol << 8)
			n++
			out[n] = token(low)
		} else {
			out[n] = token(symbol<<8 | low)
		}
		n++
	}
	if last != blockSize-1 {
		out[n] = endOfBlockToken
		n++
		l.frequency[0]++
	}
	l.place[index] = uint32(chunk)<<16 | uint32(t.used)
	l.count[index] = uint8(n)
	t.used += n
}
