package jpeg

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// maxBlockBytes is more than one block can take: a DC and 63 AC coefficients of 16 bits of code and
// 15 of value each. So much room behind the data lets a block be read without asking where the data
// ends.
const maxBlockBytes = 64*31/8 + 40

// entropy is a scan's data without byte stuffing (B.1.1.5), cut at its restart markers.
type entropy struct {
	data []byte // all intervals, and maxBlockBytes of zeros
	ends []int  // where each restart interval ends
}

// unstuff reads a scan's entropy-coded data into e, whose memory it uses again.
func (e *entropy) unstuff(coded []byte) error {
	if cap(e.data) < len(coded)+maxBlockBytes {
		e.data = make([]byte, 0, len(coded)+maxBlockBytes)
	}
	e.data, e.ends = e.data[:0], e.ends[:0]
	for {
		n := bytes.IndexByte(coded, 0xff)
		if n < 0 || n+1 >= len(coded) {
			if n < 0 {
				n = len(coded)
			}
			e.data = append(e.data, coded[:n]...)
			break
		}
		next := coded[n+1]
		switch next {
		case 0:
			e.data = append(e.data, coded[:n+1]...)
			coded = coded[n+2:]
			continue
		case 0xff:
			e.data = append(e.data, coded[:n]...)
			coded = coded[n+1:]
			continue
		}
		e.data = append(e.data, coded[:n]...)
		if int(next-markerRST0) != len(e.ends)%8 {
			return fmt.Errorf("%w: restart markers out of order", ErrCorrupt)
		}
		e.ends = append(e.ends, len(e.data))
		coded = coded[n+2:]
	}
	e.ends = append(e.ends, len(e.data))
	e.data = append(e.data, make([]byte, maxBlockBytes)...)
	return nil
}

// intervals calls decode for each restart interval of a scan of so many MCUs (E.1.4), with the bits
// that hold it. It notes where each ends.
func (s *scan) intervals(
	e *entropy,
	mcus int,
	decode func(bits *bitReader, first, count int) error,
) error {
	s.used = make([]int, 0, len(e.ends))
	restart := s.restart
	if restart == 0 || restart > mcus {
		restart = mcus
	}
	start := 0
	for i, first := 0, 0; first < mcus; i, first = i+1, first+restart {
		if i >= len(e.ends) {
			return errMissing
		}
		bits := bitReader{data: e.data, pos: start, end: e.ends[i]}
		if err := decode(&bits, first, min(restart, mcus-first)); err != nil {
			return err
		}
		s.used = append(s.used, 8*bits.pos-int(bits.count))
		start = e.ends[i]
	}
	return nil
}

var (
	errMissing = fmt.Errorf("%w: a part of the picture is missing", ErrCorrupt)
	errCode    = fmt.Errorf("%w: bits that are no Huffman code", ErrCorrupt)
	errIndex   = fmt.Errorf("%w: a coefficient beyond its block", ErrCorrupt)
)

// bitReader reads bits from the front of a word that is filled from data. It may read up to
// maxBlockBytes past end; whoever reads asks overrun after each block.
type bitReader struct {
	data     []byte
	pos, end int
	word     uint64 // the next bits, from the highest on
	count    uint   // how many of word's bits are read from data
}

// fill makes at least 56 bits ready.
func (r *bitReader) fill() {
	r.word |= binary.BigEndian.Uint64(r.data[r.pos:]) >> r.count
	r.pos += int((63 - r.count) >> 3)
	r.count |= 56
}

func (r *bitReader) overrun() bool { return 8*r.pos-int(r.count) > 8*r.end }

func (r *bitReader) skip(n uint) {
	r.word <<= n
	r.count -= n
}

// take reads n bits, at most 31, of those that are ready.
func (r *bitReader) take(n uint) uint32 {
	v := uint32(r.word >> 1 >> (63 - n))
	r.skip(n)
	return v
}

// symbol reads a Huffman code.
func (r *bitReader) symbol(h *huffman) (byte, error) {
	length, symbol := h.slow(uint32(r.word >> 48))
	if length == 0 {
		return 0, errCode
	}
	r.skip(length)
	return symbol, nil
}
