package jpeg

import "fmt"

// lookupBits is how many bits a decoder looks at at once: most codes fit with the bits of their
// value.
const lookupBits = 11

// What an entry of huffman.lookup says of the bits that it is found by: how many it takes (0: ask
// slow), by how much the coefficient's index advances, and the coefficient's value.
const (
	entryLength  = 31         // mask
	entryAdvance = 8          // shift; 8 bits
	entryValue   = 0xffff0000 // mask; a signed 16-bit number in the upper half
	endOfBlock   = 128        // added to the advance, with the run's length of an EOBn: G.1.2.2
)

// prefixBits is how many bits are looked at for a symbol alone.
const prefixBits = 8

// huffman is a decoding table: F.2.2.3 with a lookup before it.
type huffman struct {
	lookup [1 << lookupBits]uint32
	// by the first bits of a code: its length and, in the upper byte, its symbol
	prefix [1 << prefixBits]uint16
	limit  [17]uint32 // by length: the first code, aligned to 16 bits, that is longer
	offset [17]int32  // by length: what makes the code an index of values
	values []byte
}

// build makes a decoder of a table. DC tables hold sizes only: table F.6.
func (raw rawTable) build(dc bool) (*huffman, error) {
	if raw == nil {
		return nil, fmt.Errorf("%w: a scan uses a Huffman table that is not there", ErrCorrupt)
	}
	h := &huffman{values: raw[16:]}
	for _, v := range h.values {
		if dc && v > 15 {
			return nil, fmt.Errorf("%w: DC size %d", ErrCorrupt, v)
		}
	}
	code, index := uint32(0), int32(0)
	for length := 1; length <= 16; length++ {
		h.offset[length] = index - int32(code)
		code += uint32(raw[length-1])
		index += int32(raw[length-1])
		if code > 1<<length {
			return nil, fmt.Errorf("%w: a Huffman table has too many codes", ErrCorrupt)
		}
		h.limit[length] = code << (16 - length)
		code <<= 1
	}
	for bits := range h.prefix {
		if length, symbol := h.search(uint32(bits)<<(16-prefixBits), 1); length <= prefixBits {
			h.prefix[bits] = uint16(length) | uint16(symbol)<<8
		}
	}
	for bits := range h.lookup {
		h.lookup[bits] = h.entry(uint32(bits) << (16 - lookupBits))
	}
	return h, nil
}

// slow finds the code at the start of 16 bits. A length of 0 says that there is none.
func (h *huffman) slow(bits uint32) (length uint, symbol byte) {
	if e := h.prefix[bits>>(16-prefixBits)&(1<<prefixBits-1)]; e != 0 {
		return uint(e & 0xff), byte(e >> 8)
	}
	return h.search(bits, prefixBits+1)
}

// search finds a code that is at least so long.
func (h *huffman) search(bits uint32, shortest int) (length uint, symbol byte) {
	for length := shortest; length <= 16; length++ {
		if bits < h.limit[length] {
			return uint(length), h.values[int32(bits>>(16-length))+h.offset[length]]
		}
	}
	return 0, 0
}

// entry is what lookup has for 16 bits of which the first lookupBits are known.
func (h *huffman) entry(bits uint32) uint32 {
	length, symbol := h.slow(bits)
	if length == 0 || length > lookupBits {
		return 0
	}
	run, size := uint32(symbol>>4), uint(symbol&15)
	switch {
	case size == 0 && run == 15:
		return 16<<entryAdvance | uint32(length)
	case size == 0:
		return (endOfBlock+run)<<entryAdvance | uint32(length)
	case length+size > lookupBits:
		return 0
	}
	value := extend(bits>>(16-length-size)&(1<<size-1), size)
	return uint32(value)<<16 | (run+1)<<entryAdvance | uint32(length+size)
}

// extend gives the value of additional bits: F.2.2.1, figure F.12.
func extend(bits uint32, size uint) int32 {
	value := int32(bits)
	if bits < 1<<(size-1) {
		value -= 1<<size - 1
	}
	return value
}
