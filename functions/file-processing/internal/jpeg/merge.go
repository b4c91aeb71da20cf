package jpeg

import "math"

// A merger halves a chrominance along one side or both without leaving the DCT domain: of two
// blocks that lie next to each other the four lowest frequencies, under a DCT of four points, are
// four samples each, and a DCT of these eight is the block of the output. Both transforms in one
// are a matrix of 4 × 8 for each of the two. A coefficient that is zero costs nothing.
//
// Blocks have to come in rows, each from left to right.
type merger struct {
	component    *Component
	halfX, halfY bool
	matrices     [3][8][8]float32     // see merging
	step         [blockSize]float32   // in zigzag order
	sums         [][blockSize]float32 // of a row of blocks of the output, in reading order
	row          [4][8]float32        // of two blocks side by side: sums along x, by frequency of y
	rows         uint                 // a bit for each that is not zero
	quantizer    *quantizer
	turn         *requantizer // to other places, with the same steps
	orientation  orientation
	across, down int // blocks of the output, as stored
}

func newMerger(c *Component, halfX, halfY bool, steps *[blockSize]uint16, o orientation) *merger {
	m := &merger{component: c, halfX: halfX, halfY: halfY, matrices: merging(), orientation: o}
	for k, step := range c.quantization {
		m.step[k] = float32(step)
	}
	m.across, m.down = c.usedX, c.usedY
	if halfX {
		m.across = ceilDiv(m.across, 2)
	}
	if halfY {
		m.down = ceilDiv(m.down, 2)
	}
	m.sums = make([][blockSize]float32, m.across)
	m.quantizer = newQuantizer(steps, func(uint8) float32 { return 1 })
	m.turn = newRequantizer(steps, o.table(steps), o)
	return m
}

// merging gives the matrices by place: of the first block, of the second, and of a last one without
// a second, which is mirrored. By frequency of a block: what it adds to each of the output.
func merging() (m [3][8][8]float32) {
	scale := func(frequency, n int) float64 {
		if frequency == 0 {
			return math.Sqrt(1 / float64(n))
		}
		return math.Sqrt(2 / float64(n))
	}
	for k := range 4 {
		for u := range 8 {
			sum := 0.0
			for i := range 4 {
				sample := scale(k, 4) * math.Cos(float64((2*i+1)*k)*math.Pi/8) / math.Sqrt2
				sum += scale(u, 8) * math.Cos(float64((2*i+1)*u)*math.Pi/16) * sample
			}
			m[0][k][u] = float32(sum)
			m[1][k][u] = float32(sum)
			if (k+u)&1 == 1 {
				m[1][k][u] = -m[0][k][u]
			}
			if u&1 == 0 {
				m[2][k][u] = 2 * m[0][k][u]
			}
		}
	}
	return m
}

// placeOf gives the block of the output that one of so many belongs to, its place there, and
// whether it is the last.
func placeOf(at, of int, half bool) (to, place int, last bool) {
	switch {
	case !half:
		return at, 0, true
	case at&1 == 0 && at == of-1:
		return at / 2, 2, true
	}
	return at / 2, at & 1, at&1 == 1
}

// block adds a block, and gives the coefficients of the one of the output that is complete with it,
// or nil.
func (m *merger) block(x, y int, dc int32, ac []uint32) (
	whole *[blockSize]float32, toX, toY int) {
	toX, placeX, lastX := placeOf(x, m.component.usedX, m.halfX)
	toY, placeY, lastY := placeOf(y, m.component.usedY, m.halfY)
	sums := &m.sums[toX]
	alongX, alongY := &m.matrices[placeX], &m.matrices[placeY]
	m.add(sums, float32(dc)*m.step[0], 0, alongX, alongY)
	for _, e := range ac {
		k := e & (blockSize - 1)
		m.add(sums, float32(int32(e)>>16)*m.step[k], zigzag[k], alongX, alongY)
	}
	if lastX && m.halfX && m.halfY {
		m.addRows(sums, alongY)
	}
	if lastX && lastY {
		return sums, toX, toY
	}
	return nil, toX, toY
}

// add adds a coefficient to the sums or, where both sides are halved, to those along x.
func (m *merger) add(sums *[blockSize]float32, v float32, at uint8,
	alongX, alongY *[8][8]float32) {
	u, w := at&7, at>>3&7
	switch {
	case !m.halfX:
		for i, factor := range &alongY[w] {
			sums[8*i+int(u)] += v * factor
		}
	case !m.halfY:
		into := (*[8]float32)(sums[8*w:])
		for i, factor := range &alongX[u] {
			into[i] += v * factor
		}
	case u < 4 && w < 4:
		m.rows |= 1 << w
		into := &m.row[w]
		for i, factor := range &alongX[u] {
			into[i] += v * factor
		}
	}
}

func (m *merger) addRows(sums *[blockSize]float32, along *[8][8]float32) {
	for w := range m.row {
		if m.rows>>w&1 == 0 {
			continue
		}
		row := &m.row[w]
		for i, factor := range &along[w] {
			into := (*[8]float32)(sums[8*i:])
			into[0] += factor * row[0]
			into[1] += factor * row[1]
			into[2] += factor * row[2]
			into[3] += factor * row[3]
			into[4] += factor * row[4]
			into[5] += factor * row[5]
			into[6] += factor * row[6]
			into[7] += factor * row[7]
		}
		*row = [8]float32{}
	}
	m.rows = 0
}

// finish quantises the sums of a block and starts them anew.
func (m *merger) finish(x, y int, sums *[blockSize]float32, to *layer) {
	dc, ac := m.quantizer.levels(sums)
	*sums = [blockSize]float32{}
	if m.turn.moved {
		var list [blockSize]uint32
		ac = m.turn.move(ac, &list)
		x, y = m.orientation.place(x, y, m.across, m.down)
	}
	to.put(y*to.usedX+x, dc, ac, &to.exact)
}
