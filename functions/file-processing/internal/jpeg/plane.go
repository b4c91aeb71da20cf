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

// block gives the samples of the block at x, y, in blocks. Beyond the edge the last sample is
// repeated.
func (c *cursor) block(x, y int, into *[8][8]uint8) {
	x, y = 8*x, 8*y
	if c.stepX == 1 && x+8 <= c.shownX && y+8 <= c.shownY {
		at := c.start + y*c.stepY + x
		for i := range into {
			into[i] = [8]uint8(c.samples[at : at+8])
			at += c.stepY
		}
		return
	}
	for i := range into {
		at := c.start + min(y+i, c.shownY-1)*c.stepY
		for j := range into[i] {
			into[i][j] = c.samples[at+min(x+j, c.shownX-1)*c.stepX]
		}
	}
}

// encode transforms and quantises a plane into a layer, turned.
func (l *layer) encode(p plane, o orientation) error {
	c := p.cursor(o)
	q := newQuantizer(l.quantization, forwardFactor)
	var samples [8][8]uint8
	for y := range l.usedY {
		for x := range l.usedX {
			c.block(x, y, &samples)
			dc, ac := q.block(&samples)
			l.put(y*l.usedX+x, dc, ac, &l.exact)
		}
	}
	return l.failed
}
