package jpeg

import "math/bits"

// deadZone is what is added before a quotient is cut off, in 1/65536: 0.45 instead of one half.
// Coefficients just above the middle between two steps go to the smaller one, which saves more bits
// than it costs quality (12 % of the bytes at the same butteraugli distance on photographs).
const deadZone = 29500

// DC is rounded to the nearest step: an error there shows as an edge between blocks
const half = 1 << 15

// A requantizer brings coefficients from the steps of the source to those of an output, and to
// their places under an orientation, without leaving the DCT domain.
type requantizer struct {
	factor [blockSize]uint32 // source step ÷ output step × 65536, at most 65536
	moved  bool
	to     [blockSize]uint8
	sign   [blockSize]int32 // -1 where the sign changes, otherwise 0
}

// newRequantizer takes the source's steps as stored and the output's as shown; no output step is
// finer than its source's.
func newRequantizer(source, output *[blockSize]uint16, o orientation) *requantizer {
	r := &requantizer{moved: !o.upright()}
	for k := range source {
		to, negate := o.coefficient(k)
		r.to[k] = uint8(to)
		if negate {
			r.sign[k] = -1
		}
		step := uint32(output[to])
		r.factor[k] = (uint32(source[k])<<16 + step/2) / step
	}
	return r
}

// dc requantises the DC coefficient.
func (r *requantizer) dc(value int32) int32 {
	return int32((int64(value)*int64(r.factor[0]) + half) >> 16)
}

// move requantises the other coefficients and gives them in their new order, as block has them.
func (r *requantizer) move(list []uint32, out *[blockSize]uint32) []uint32 {
	var values [blockSize]int32
	present := uint64(0)
	for _, e := range list {
		k := e & (blockSize - 1)
		sign := int32(e) >> 31
		magnitude := (uint32((int32(e)>>16^sign)-sign)*r.factor[k] + deadZone) >> 16
		magnitude = min(magnitude, maxAC)
		sign ^= r.sign[k]
		to := r.to[k] & (blockSize - 1)
		values[to] = (int32(magnitude) ^ sign) - sign
		present |= uint64((magnitude+maxAC)>>10) << to
	}
	n := 0
	for ; present != 0; present &= present - 1 {
		k := bits.TrailingZeros64(present)
		out[n&(blockSize-1)] = uint32(values[k&(blockSize-1)])<<16 | uint32(k)
		n++
	}
	return out[:n]
}
