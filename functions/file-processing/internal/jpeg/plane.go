package jpeg

// A plane is a component as samples, as stored.
type plane struct {
	samples       []uint8
	stride        int
	width, height int
}

func (r *raster) plane(c *Component) plane {
	return plane{
		r.samples,
		r.stride,
		min(r.width, ceilDiv(c.width*r.nx, 8)),
		min(r.height, ceilDiv(c.height*r.ny, 8)),
	}
}

// A cursor gives the samples of a plane in the order in which they are shown.
type cursor struct {
	plane
	start        int // of the sample that is shown first
	stepX, stepY int // from one shown sample to the next
	shownX       int
	shownY       int
}

func (p plane) cursor(o orientation) cursor {
	c := cursor{plane: p, stepX: 1, stepY: p.stride}
	if o.flipX {
		c.start, c.stepX = p.width-1, -1
	}
	if o.flipY {
		c.start, c.stepY = c.start+(p.height-1)*p.stride, -p.stride
	}
	c.shownX, c.shownY = o.size(p.width, p.height)
	if o.transpose {
		c.stepX, c.stepY = c.stepY, c.stepX
	}
	return c
}

// read gives the block at x, y, in blocks, around zero. Beyond the edge the last sample is
// repeated.
func (c *cursor) read(x, y int, b *[blockSize]float32) {
	x, y = 8*x, 8*y
	if c.stepX == 1 && x+8 <= c.shownX && y+8 <= c.shownY {
		for i := range 8 {
			row := c.samples[c.start+(y+i)*c.stepY+x:][:8]
			for j, v := range row {
				b[i*8+j] = float32(int32(v) - 128)
			}
		}
		return
	}
	for i := range 8 {
		at := c.start + min(y+i, c.shownY-1)*c.stepY
		for j := range 8 {
			b[i*8+j] = float32(int32(c.samples[at+min(x+j, c.shownX-1)*c.stepX]) - 128)
		}
	}
}

// encode transforms and quantises a plane into a layer, turned.
func (l *layer) encode(p plane, o orientation) error {
	c := p.cursor(o)
	var scale [blockSize]float32 // by which a coefficient becomes a number of steps
	for k, step := range l.quantization {
		scale[k] = 1 / (float32(step) * aan[zigzag[k]&7] * aan[zigzag[k]>>3] * 8)
	}
	var samples [blockSize]float32
	var list [blockSize]uint32
	for y := range l.usedY {
		for x := range l.usedX {
			c.read(x, y, &samples)
			forward(&samples)
			dc, ac := quantize(&samples, &scale, &list)
			l.put(y*l.usedX+x, dc, ac)
		}
	}
	return l.failed
}

// nearest is the fraction of a step from which a coefficient is rounded up: see deadZone.
const nearest = 1 - float32(deadZone)/65536

func quantize(b, scale *[blockSize]float32, list *[blockSize]uint32) (dc int32, ac []uint32) {
	n := 0
	for k := 1; k < blockSize; k++ {
		v := b[zigzag[k]&(blockSize-1)] * scale[k]
		if v < nearest && v > -nearest {
			continue
		}
		var level int32
		if v < 0 {
			level = -min(int32(1-nearest-v), maxAC)
		} else {
			level = min(int32(1-nearest+v), maxAC)
		}
		list[n&(blockSize-1)] = uint32(level)<<16 | uint32(k)
		n++
	}
	v := b[0] * scale[0]
	if v < 0 {
		return -int32(0.5 - v), list[:n]
	}
	return int32(v + 0.5), list[:n]
}
