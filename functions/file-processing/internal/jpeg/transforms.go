package jpeg

// The transforms are those of Arai, Agui and Nakajima in single precision: a factor for each
// frequency is moved into the quantisation steps, and five multiplications are left for eight
// samples.
var aan = [8]float32{
	1,
	1.387039845,
	1.306562965,
	1.175875602,
	1,
	0.785694958,
	0.541196100,
	0.275899379,
}

const (
	invSqrt8 = 0.353553391
	cos1     = 0.923879533 // of π/8
	cos2     = 0.707106781 // of 2π/8
	cos3     = 0.382683433 // of 3π/8
)

// prescale is the factor that inverse moves into the step of a frequency, for n samples along a
// side. Of a block of eight the n lowest frequencies, under a DCT of n points, are the block at n/8
// of its size; the factor keeps its brightness.
func prescale(n, frequency int) float32 {
	switch {
	case frequency >= n:
		return 0
	case n == 8:
		return invSqrt8 * aan[frequency]
	case frequency == 0 || n == 2:
		return invSqrt8
	case frequency == 2:
		return 0.5 * cos2
	}
	return 0.5
}

// inverse transforms the coefficients of a block, each multiplied by both its factors, into nx × ny
// samples. Those are where it reads them from: sample x, y at 8*y + x.
func inverse(b *[blockSize]float32, nx, ny int) {
	switch ny {
	case 8:
		for x := range nx {
			inverse8(&b[x], &b[x+8], &b[x+16], &b[x+24], &b[x+32], &b[x+40], &b[x+48], &b[x+56])
		}
	case 4:
		for x := range nx {
			inverse4(&b[x], &b[x+8], &b[x+16], &b[x+24])
		}
	case 2:
		for x := range nx {
			b[x], b[x+8] = b[x]+b[x+8], b[x]-b[x+8]
		}
	}
	switch nx {
	case 8:
		for y := 0; y < 8*ny; y += 8 {
			inverse8(&b[y], &b[y+1], &b[y+2], &b[y+3], &b[y+4], &b[y+5], &b[y+6], &b[y+7])
		}
	case 4:
		for y := 0; y < 8*ny; y += 8 {
			inverse4(&b[y], &b[y+1], &b[y+2], &b[y+3])
		}
	case 2:
		for y := 0; y < 8*ny; y += 8 {
			b[y], b[y+1] = b[y]+b[y+1], b[y]-b[y+1]
		}
	}
}

func inverse4(p0, p1, p2, p3 *float32) {
	e0, e1 := *p0+*p2, *p0-*p2
	o0, o1 := *p1*cos1+*p3*cos3, *p1*cos3-*p3*cos1
	*p0, *p1, *p2, *p3 = e0+o0, e1+o1, e1-o1, e0-o0
}

func inverse8(p0, p1, p2, p3, p4, p5, p6, p7 *float32) {
	a0, a1 := *p0+*p4, *p0-*p4
	a3 := *p2 + *p6
	a2 := (*p2-*p6)*1.414213562 - a3
	e0, e3, e1, e2 := a0+a3, a0-a3, a1+a2, a1-a2
	z13, z10, z11, z12 := *p5+*p3, *p5-*p3, *p1+*p7, *p1-*p7
	o7 := z11 + z13
	z5 := (z10 + z12) * 1.847759065
	o6 := z5 - z10*2.613125930 - o7
	o5 := (z11-z13)*1.414213562 - o6
	o4 := z5 - z12*1.082392200 - o5
	*p0, *p7 = e0+o7, e0-o7
	*p1, *p6 = e1+o6, e1-o6
	*p2, *p5 = e2+o5, e2-o5
	*p3, *p4 = e3+o4, e3-o4
}

// forward transforms samples, as around zero, into coefficients in reading order, each multiplied
// by 8 and both its factors of aan.
func forward(samples *[8][8]uint8, b *[blockSize]float32) {
	for y := range samples {
		var row [8]float32
		for x, v := range samples[y] {
			row[x] = float32(int32(v) - 128)
		}
		out := (*[8]float32)(b[8*y:])
		forward8(&row, out)
	}
	for x := range 8 {
		column := [8]float32{b[x], b[x+8], b[x+16], b[x+24], b[x+32], b[x+40], b[x+48], b[x+56]}
		forward8(&column, &column)
		b[x], b[x+8], b[x+16], b[x+24] = column[0], column[1], column[2], column[3]
		b[x+32], b[x+40], b[x+48], b[x+56] = column[4], column[5], column[6], column[7]
	}
}

// forwardFactor is what forward multiplies a coefficient by.
func forwardFactor(at uint8) float32 { return 8 * aan[at&7] * aan[at>>3] }

func forward8(in, out *[8]float32) {
	a0, a7 := in[0]+in[7], in[0]-in[7]
	a1, a6 := in[1]+in[6], in[1]-in[6]
	a2, a5 := in[2]+in[5], in[2]-in[5]
	a3, a4 := in[3]+in[4], in[3]-in[4]
	b0, b3, b1, b2 := a0+a3, a0-a3, a1+a2, a1-a2
	out[0], out[4] = b0+b1, b0-b1
	z1 := (b2 + b3) * cos2
	out[2], out[6] = b3+z1, b3-z1
	c0, c1, c2 := a4+a5, a5+a6, a6+a7
	z5 := (c0 - c2) * cos3
	z2 := 0.541196100*c0 + z5
	z4 := 1.306562965*c2 + z5
	z3 := c1 * cos2
	z11, z13 := a7+z3, a7-z3
	out[5], out[3] = z13+z2, z13-z2
	out[1], out[7] = z11+z4, z11-z4
}

// clamp rounds to a sample.
func clamp(v float32) uint8 {
	return uint8(min(max(int32(v+0.5), 0), 255)) // below 0 the cut is upwards, and no matter
}
