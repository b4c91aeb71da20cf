package jpeg

import "math/bits"

// coefficients holds all quantised coefficients of a component, in zigzag order, for scans that
// send them bit by bit.
type coefficients struct {
	dc      []int16         // apart, because scans of them visit every block
	ac      []int16         // blockSize of each block, the first unused
	nonzero []uint64        // a bit for each AC coefficient that is not zero, by block
	stride  int             // blocks in a row
	bit     [blockSize]int8 // up to which bit each coefficient was sent (G.1.1.1.2); -1 not at all
}

func newCoefficients(c *Component) *coefficients {
	blocks := c.blocksX * c.blocksY
	store := &coefficients{
		dc: make([]int16, blocks), ac: make([]int16, blocks*blockSize),
		nonzero: make([]uint64, blocks), stride: c.blocksX,
	}
	for k := range store.bit {
		store.bit[k] = -1
	}
	return store
}

// coefficientBytes is what newCoefficients allocates for a block.
const coefficientBytes = 2 + 2*blockSize + 8

func (s *coefficients) block(index int) *[blockSize]int16 {
	return (*[blockSize]int16)(s.ac[index*blockSize:])
}

// whole reports whether every coefficient was sent to its last bit.
func (s *coefficients) whole() bool {
	for _, bit := range s.bit {
		if bit != 0 {
			return false
		}
	}
	return true
}

// list gives a block as channel.block takes it.
func (s *coefficients) list(index int, into *[blockSize]uint32) (dc int32, ac []uint32) {
	n := 0
	if left := s.nonzero[index]; left != 0 {
		values := s.block(index)
		for ; left != 0; left &= left - 1 {
			k := bits.TrailingZeros64(left)
			into[n&(blockSize-1)] = uint32(values[k&(blockSize-1)])<<16 | uint32(k)
			n++
		}
	}
	return int32(s.dc[index]), into[:n]
}
