package jpeg

// A raster is a component as samples, made block by block: nx × ny of each block's 8 × 8.
type raster struct {
	nx, ny        int
	stride        int
	width, height int // that blocks fill
	samples       []uint8
	// in zigzag order: the quantisation step and both factors of prescale
	step    [blockSize]float32
	quarter [blockSize]uint8 // place among 4 × 4, or 31
	whole   [5]int32         // the first steps without factors
}

func newRaster(c *Component, nx, ny int) *raster {
	r := &raster{nx: nx, ny: ny, stride: nx * c.blocksX, width: nx * c.usedX, height: ny * c.usedY}
	r.samples = make([]uint8, r.stride*r.height)
	for k, step := range c.quantization {
		r.step[k] = float32(step) * prescale(nx, int(zigzag[k])&7) * prescale(ny, int(zigzag[k])>>3)
	}
	for k, place := range zigzag {
		r.quarter[k] = 31
		if x, y := place&7, place>>3; x < 4 && y < 4 {
			r.quarter[k] = 4*y + x
		}
	}
	for k := range r.whole {
		r.whole[k] = int32(c.quantization[k])
	}
	return r
}

// rasterBytes is what newRaster allocates.
func rasterBytes(c *Component, nx, ny int) int64 {
	return int64(nx*c.blocksX) * int64(ny*c.usedY)
}

// block writes a block's samples.
func (r *raster) block(x, y int, dc int32, ac []uint32) {
	out := r.samples[y*r.ny*r.stride+x*r.nx:]
	switch {
	case r.nx == 1 && r.ny == 1:
		out[0] = r.flat(dc)
	case len(ac) == 0:
		v := r.flat(dc)
		for y := range r.ny {
			row := out[y*r.stride:][:r.nx]
			for x := range row {
				row[x] = v
			}
		}
	case r.nx == 2 && r.ny == 2:
		r.quad(out, dc, ac)
	case r.nx == 4 && r.ny == 4:
		r.sixteen(out, dc, ac)
	default:
		r.transform(out, dc, ac)
	}
}

// flat is the mean of a block.
func (r *raster) flat(dc int32) uint8 { return limit((dc*r.whole[0]+4)>>3 + 128) }

// sixteen is transform for 4 × 4 samples.
func (r *raster) sixteen(out []uint8, dc int32, ac []uint32) {
	var b [32]float32 // those of higher frequency go to the last
	b[0] = float32(dc)*r.step[0] + 128
	for _, e := range ac {
		k := e & (blockSize - 1)
		b[r.quarter[k]&31] = float32(int32(e)>>16) * r.step[k]
	}
	for x := range 4 {
		inverse4(&b[x], &b[x+4], &b[x+8], &b[x+12])
	}
	for y := range 4 {
		row := (*[4]uint8)(out[y*r.stride:])
		s := (*[4]float32)(b[4*y:])
		inverse4(&s[0], &s[1], &s[2], &s[3])
		row[0], row[1], row[2], row[3] = clamp(s[0]), clamp(s[1]), clamp(s[2]), clamp(s[3])
	}
}

// quad is transform for 2 × 2 samples, in whole numbers.
func (r *raster) quad(out []uint8, dc int32, ac []uint32) {
	var low [8]int32
	// indexes ascend, so 1, 2 and 4 are among the first four
	for _, e := range ac[:min(len(ac), 4)] {
		low[min(e&(blockSize-1), 7)] = int32(e) >> 16
	}
	c0, c1, c2, c3 := dc*r.whole[0]+128*8+4, low[1]*r.whole[1], low[2]*r.whole[2], low[4]*r.whole[4]
	above, below := c0+c2, c0-c2
	aboveX, belowX := c1+c3, c1-c3
	first, second := out[:2], out[r.stride:][:2]
	first[0], first[1] = limit((above+aboveX)>>3), limit((above-aboveX)>>3)
	second[0], second[1] = limit((below+belowX)>>3), limit((below-belowX)>>3)
}

func (r *raster) transform(out []uint8, dc int32, ac []uint32) {
	var b [blockSize]float32
	b[0] = float32(dc)*r.step[0] + 128
	for _, e := range ac {
		k := e & (blockSize - 1)
		b[zigzag[k]&(blockSize-1)] = float32(int32(e)>>16) * r.step[k]
	}
	inverse(&b, r.nx, r.ny)
	for y := range r.ny {
		row := out[y*r.stride:][:r.nx]
		for x := range row {
			row[x] = clamp(b[y*8+x])
		}
	}
}

func limit(v int32) uint8 {
	if uint32(v) > 255 {
		return uint8(^(v >> 31)) // 0 below, 255 above
	}
	return uint8(v)
}
