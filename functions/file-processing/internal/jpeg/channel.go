package jpeg

import (
	"context"
	"errors"
)

// A channel takes the blocks of one component to where its outputs are made from.
type channel struct {
	component *Component
	turn      orientation
	small     *raster // for thumbnails; nil where none are made
	layer     *layer  // for the full size, where blocks stay blocks
	steps     *requantizer
	merger    *merger // for the full size, where they are halved to the layer's; nil otherwise
	samples   *raster // for the full size, where they are neither
	detail    *detail // nil where nothing depends on it
}

// block takes a block: its DC coefficient, and the others each as its value in the upper half of a
// word and its index from 1 to 63 in the lower, in order. An entry may have the value 0.
func (c *channel) block(x, y int, dc int32, ac []uint32) {
	if x >= c.component.usedX || y >= c.component.usedY {
		return // holds no samples
	}
	if c.small != nil {
		c.small.block(x, y, dc, ac)
	}
	if c.samples != nil {
		c.samples.block(x, y, dc, ac)
	}
	if c.detail != nil {
		c.detail.block(ac)
	}
	if c.merger != nil {
		if sums, x, y := c.merger.block(x, y, dc, ac); sums != nil {
			c.merger.finish(x, y, sums, c.layer)
		}
		return
	}
	if c.layer != nil {
		if !c.steps.moved {
			c.layer.put(y*c.layer.usedX+x, c.steps.dc(dc), ac, &c.steps.factor)
			return
		}
		var list [blockSize]uint32
		x, y = c.turn.place(x, y, c.component.usedX, c.component.usedY)
		c.layer.put(y*c.layer.usedX+x, c.steps.dc(dc), c.steps.move(ac, &list), &c.layer.exact)
	}
}

// detail counts the blocks of a chrominance that would lose what is seen if it were halved.
type detail struct {
	// by index: what a coefficient's square counts; 0 for those that halving keeps
	energy [blockSize]float32
	blocks int
}

const (
	// visible is the energy of a loss that is seen: a root mean square of 12 in the 64 samples of a
	// block.
	visible = 64 * 12 * 12
	// detailedShare is the share of such blocks, one in so many, from which a picture is drawn
	// rather than photographed: red lines turn purple when their chrominance is halved.
	detailedShare = 200
)

func newDetail(c *Component) *detail {
	d := &detail{}
	for k, step := range c.quantization {
		if zigzag[k]&7 >= 4 || zigzag[k]>>3 >= 4 {
			d.energy[k] = float32(step) * float32(step)
		}
	}
	return d
}

func (d *detail) block(ac []uint32) {
	lost := float32(0)
	for _, e := range ac {
		v := float32(int32(e) >> 16)
		lost += v * v * d.energy[e&(blockSize-1)]
	}
	if lost > visible {
		d.blocks++
	}
}

// enough reports whether so many blocks of a component lose that it should not be halved.
func (d *detail) enough(c *Component) bool {
	return d != nil && d.blocks*detailedShare > c.usedX*c.usedY
}

// errDetailed stops the decoding of a picture that is planned with less than it needs.
var errDetailed = errors.New("chrominance has to keep its sampling")

// row is asked after a row of MCUs whether to go on.
func row(ctx context.Context, channels []*channel) error {
	for _, c := range channels {
		if c.detail.enough(c.component) {
			return errDetailed
		}
	}
	return ctx.Err()
}
