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
	chunkTokens = 1 << 16
	tokenRoom   = 1 << 8    // more than a block can have: every coefficient with a word of its own
	maxAC       = 1<<10 - 1 // F.1.2.2.1: ten bits for samples of eight
	maxDC       = 1<<10 - 1 // so that differences have eleven: F.1.2.1.1
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
	frequency [256]uint32       // of AC symbols; the first is of no use
	ends      uint32            // blocks that do not go on to their last coefficient
	exact     [blockSize]uint32 // factors of one
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
	for k := range l.exact {
		l.exact[k] = 1 << 16
	}
}

// open makes room for the tokens of a block.
func (l *layer) open() *[tokenRoom]token {
	t := l.tokens
	if len(t.chunks[len(t.chunks)-1])-t.used < tokenRoom {
		if err := t.grow(chunkTokens); err != nil {
			l.failed = err
			t.used = 0
			t.chunks[len(t.chunks)-1] = make([]token, tokenRoom)
		}
	}
	return (*[tokenRoom]token)(t.chunks[len(t.chunks)-1][t.used:])
}

// close notes that a block has n tokens, of which the last belongs to coefficient last.
func (l *layer) close(index int, out *[tokenRoom]token, n uint8, last uint32) {
	t := l.tokens
	if last != blockSize-1 {
		out[n] = endOfBlockToken
		n++
		l.ends++
	}
	l.place[index] = uint32(len(t.chunks)-1)<<16 | uint32(t.used)
	l.count[index] = n
	t.used += int(n)
}

// put writes a block: its quantised DC coefficient, and the others as block lists them, in order,
// each multiplied by its factor and rounded (see requantizer). Those that become zero are left out.
//
// Which do is as good as random, and a branch on it would be mispredicted at every third. So all is
// worked out for each coefficient, and one that is zero is overwritten by the next.
func (l *layer) put(index int, dc int32, ac []uint32, factor *[blockSize]uint32) {
	l.dc[index] = int16(min(max(dc, -maxDC), maxDC))
	if len(ac) == 0 {
		l.ends++
		return
	}
	out := l.open()
	frequency := &l.frequency
	n, last := uint8(0), uint32(0)
	for _, e := range ac {
		k := e & (blockSize - 1)
		sign := int32(e) >> 31
		magnitude := min((uint32((int32(e)>>16^sign)-sign)*factor[k]+deadZone)>>16, maxAC)
		kept := uint32(-int32(magnitude)) >> 31 // 1, or 0 for a coefficient of zero
		run := k - last - 1
		if run > 15 && kept == 1 {
			for ; run > 15; run -= 16 {
				out[n] = zeroRunToken
				n++
				frequency[zeroRunToken>>8]++
			}
		}
		last += (k - last) & -kept
		size := uint32(bits.Len32(magnitude))
		low := (magnitude ^ uint32(sign)) & (1<<size - 1)
		symbol := (run<<4 | size) & -kept
		frequency[symbol&0xff]++
		if size > inlineBits {
			out[n] = token(symbol << 8)
			n++
			out[n] = token(low)
		} else {
			out[n] = token(symbol<<8 | low)
		}
		n += uint8(kept)
	}
	l.close(index, out, n, last)
}
