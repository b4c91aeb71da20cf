package jpeg

import "math/bits"

// A band is what a scan of a progressive picture sends of each block: coefficients ss to se, down
// to bit al.
type band struct {
	ss, se, al int
	table      *huffman
	endRun     int // blocks that an EOBn has left: G.1.2.2
}

// first reads the coefficients of a block for the first time: G.1.2.2.
func (b *band) first(r *bitReader, values *[blockSize]int16, nonzero *uint64) error {
	for k := b.ss - 1; k < b.se; {
		r.fill()
		e := b.table.lookup[r.word>>(64-lookupBits)]
		if e != 0 {
			r.skip(uint(e & entryLength))
		} else {
			symbol, err := r.symbol(b.table)
			if err != nil {
				return err
			}
			run, size := uint32(symbol>>4), uint(symbol&15)
			switch {
			case size > 0:
				e = uint32(extend(r.take(size), size))<<16 | (run+1)<<entryAdvance
			case run == 15:
				e = 16 << entryAdvance
			default:
				e = (endOfBlock + run) << entryAdvance
			}
		}
		advance := int(e >> entryAdvance & 0xff)
		if advance >= endOfBlock {
			n := uint(advance - endOfBlock)
			b.endRun = 1<<n + int(r.take(n)) - 1
			return nil
		}
		k += advance
		if k > b.se {
			return errIndex
		}
		if value := int32(e) >> 16; value != 0 {
			values[k&(blockSize-1)] = int16(value << b.al)
			*nonzero |= 1 << k
		}
	}
	return nil
}

// refine adds one bit to the coefficients that are not zero, and new ones in between: G.1.2.3.
func (b *band) refine(r *bitReader, values *[blockSize]int16, nonzero *uint64) error {
	k := b.ss
	for b.endRun == 0 && k <= b.se {
		r.fill()
		symbol, err := r.symbol(b.table)
		if err != nil {
			return err
		}
		run, size := int(symbol>>4), symbol&15
		value := int16(0)
		switch {
		case size == 1:
			value = int16(2*int32(r.take(1))-1) << b.al
		case size > 1:
			return errCode
		case run < 15:
			b.endRun = 1<<run + int(r.take(uint(run)))
			continue
		}
		at := b.skip(*nonzero, k, run)
		b.correct(r, values, *nonzero, k, at)
		if at > b.se && value != 0 {
			return errIndex
		}
		if value != 0 {
			values[at&(blockSize-1)] = value
			*nonzero |= 1 << at
		}
		k = at + 1
	}
	if b.endRun > 0 {
		b.endRun--
		b.correct(r, values, *nonzero, k, b.se+1)
	}
	return nil
}

// skip finds the zero that has so many zeros before it, from coefficient k on; behind the band
// where there are fewer.
func (b *band) skip(nonzero uint64, k, zeros int) int {
	left := ^nonzero >> k << k
	for range zeros {
		left &= left - 1
	}
	return min(bits.TrailingZeros64(left), b.se+1)
}

// correct reads a bit for each nonzero coefficient from k on and before end, and adds it to the
// magnitude.
func (b *band) correct(r *bitReader, values *[blockSize]int16, nonzero uint64, k, end int) {
	left := nonzero >> k << k
	if end < 64 {
		left &= 1<<end - 1
	}
	for left != 0 {
		r.fill() // with 56 bits, of which each coefficient takes one
		for i := 0; i < 56 && left != 0; i++ {
			v := &values[bits.TrailingZeros64(left)&(blockSize-1)]
			sign := int16(*v >> 15)
			step := int16(r.word>>63) << b.al
			*v += (step ^ sign) - sign
			r.word <<= 1
			r.count--
			left &= left - 1
		}
	}
}
