package jpeg

// A channel takes the blocks of one component to where its outputs are made from.
type channel struct {
	component *Component
	turn      orientation
	small     *raster // for thumbnails; nil where none are made
	layer     *layer  // for the full size, where blocks stay blocks
	steps     *requantizer
	samples   *raster // for the full size, where they cannot
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

// detailed reports whether a picture should not be halved, when all blocks were seen.
func (p *plan) detailed() bool {
	for _, c := range p.channels {
		if c.detail != nil && c.detail.blocks*detailedShare > c.component.usedX*c.component.usedY {
			return true
		}
	}
	return false
}
