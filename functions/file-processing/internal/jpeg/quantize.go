package jpeg

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// A quantizer makes quantised coefficients of samples.
type quantizer struct {
	scale [blockSize]float32 // in reading order: by what a coefficient becomes a number of steps
	least [blockSize]uint32  // the bits of the least magnitude that is not rounded to zero
	list  [blockSize]uint32
}

// nearest is the fraction of a step from which a coefficient is rounded up: see deadZone.
const nearest = 1 - float32(deadZone)/65536

// newQuantizer makes one of coefficients that are multiplied by a factor, which depends on their
// place in reading order.
func newQuantizer(steps *[blockSize]uint16, factor func(at uint8) float32) *quantizer {
	q := &quantizer{}
	for k, step := range steps {
		at := zigzag[k]
		q.scale[at] = 1 / (float32(step) * factor(at))
		q.least[at] = math.Float32bits(nearest / q.scale[at])
	}
	return q
}

// block gives a block as channel.block takes it, until it is called again.
func (q *quantizer) block(samples *[8][8]uint8) (dc int32, ac []uint32) {
	if value, flat := flat(samples); flat {
		return round(float32(64*(int32(value)-128)) * q.scale[0]), nil
	}
	var b [blockSize]float32
	forward(samples, &b)
	return q.levels(&b)
}

// levels gives a block of coefficients in reading order as channel.block takes it, until it is
// called again.
func (q *quantizer) levels(b *[blockSize]float32) (dc int32, ac []uint32) {
	present := uint64(0)
	for i, v := range b {
		if math.Float32bits(v)&^(1<<31) >= q.least[i] { // magnitudes are in the order of their bits
			present |= 1 << unzigzag[i]
		}
	}
	n := 0
	for present &^= 1; present != 0; present &= present - 1 {
		k := bits.TrailingZeros64(present)
		at := zigzag[k&(blockSize-1)] & (blockSize - 1)
		v := b[at] * q.scale[at]
		level := min(max(int32(1-nearest+max(v, -v)), 1), maxAC)
		if v < 0 {
			level = -level
		}
		q.list[n&(blockSize-1)] = uint32(level)<<16 | uint32(k)
		n++
	}
	return round(b[0] * q.scale[0]), q.list[:n]
}

// flat gives the value of a block that has only one.
func flat(samples *[8][8]uint8) (value uint8, flat bool) {
	first := binary.LittleEndian.Uint64(samples[0][:])
	other := uint64(0)
	for i := range samples {
		other |= first ^ binary.LittleEndian.Uint64(samples[i][:])
	}
	return uint8(first), other == 0 && first == uint64(uint8(first))*0x0101010101010101
}

func round(v float32) int32 {
	if v < 0 {
		return -int32(0.5 - v)
	}
	return int32(v + 0.5)
}
