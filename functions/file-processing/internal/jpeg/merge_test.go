package jpeg

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// cosine is a DCT's: A.3.3 for 8 samples, and the same for n.
func cosine(n, sample, frequency int) float64 {
	scale := math.Sqrt(2 / float64(n))
	if frequency == 0 {
		scale = math.Sqrt(1 / float64(n))
	}
	return scale * math.Cos(float64((2*sample+1)*frequency)*math.Pi/float64(2*n))
}

// A merger's blocks are those of the samples that the lowest frequencies of its source's have at
// half the size, by the definition of the DCT; a side that ends within a block is mirrored there.
func TestMergerAgainstSamples(t *testing.T) {
	t.Parallel()
	const across, down = 5, 3
	random := rand.New(rand.NewPCG(10, 10))
	source := make([][blockSize]int32, across*down) // in zigzag order
	for i := range source {
		for k := range source[i] {
			source[i][k] = random.Int32N(41) - 20
		}
	}
	c := &Component{usedX: across, usedY: down, quantization: &[blockSize]uint16{}}
	fine := &[blockSize]uint16{}
	for k := range fine {
		c.quantization[k], fine[k] = uint16(1+k%3), 1
	}
	for _, half := range [][2]bool{{true, true}, {true, false}, {false, true}} {
		t.Run(fmt.Sprint(half), func(t *testing.T) {
			m := newMerger(c, half[0], half[1], fine, orientation{})
			samples := halvedSamples(c, source, half)
			seen := 0
			for i := range source {
				var ac []uint32
				for k := 1; k < blockSize; k++ {
					ac = append(ac, uint32(source[i][k])<<16|uint32(k))
				}
				sums, x, y := m.block(i%across, i/across, source[i][0], ac)
				if sums == nil {
					continue
				}
				seen++
				for at, got := range sums {
					if want := coefficientOf(samples, x, y, at&7, at>>3); math.Abs(
						want-float64(got)) > 0.01 {
						t.Fatalf("%d of block %d, %d is %.2f, want %.2f", at, x, y, got, want)
					}
				}
				*sums = [blockSize]float32{}
			}
			if seen != m.across*m.down {
				t.Errorf("%d blocks of %d × %d", seen, m.across, m.down)
			}
		})
	}
}

// halvedSamples transforms blocks to samples, four along a side that is halved.
func halvedSamples(c *Component, source [][blockSize]int32, half [2]bool) [][]float64 {
	n, keep := [2]int{8, 8}, [2]float64{1, 1} // keep: the brightness
	for i := range n {
		if half[i] {
			n[i], keep[i] = 4, math.Sqrt(0.5)
		}
	}
	samples := make([][]float64, n[1]*c.usedY)
	for y := range samples {
		samples[y] = make([]float64, n[0]*c.usedX)
		for x := range samples[y] {
			block := &source[y/n[1]*c.usedX+x/n[0]]
			for k, v := range block {
				u, w := int(zigzag[k]&7), int(zigzag[k]>>3)
				if u < n[0] && w < n[1] {
					samples[y][x] += float64(v) * float64(c.quantization[k]) * keep[0] * keep[1] *
						cosine(n[0], x%n[0], u) * cosine(n[1], y%n[1], w)
				}
			}
		}
	}
	return samples
}

// coefficientOf transforms the samples of a block, mirrored beyond the edge.
func coefficientOf(samples [][]float64, x, y, u, w int) float64 {
	mirror := func(at, length int) int {
		if at >= length {
			return 2*length - 1 - at
		}
		return at
	}
	sum := 0.0
	for i := range 8 {
		row := samples[mirror(8*y+i, len(samples))]
		for j := range 8 {
			sum += row[mirror(8*x+j, len(row))] * cosine(8, j, u) * cosine(8, i, w)
		}
	}
	return sum
}

// A turned chrominance that is halved in blocks is the upright one turned.
func TestMergerTurns(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(10, 11))
	c := &Component{H: 1, V: 1, usedX: 4, usedY: 6, quantization: quantization(95, 1)}
	steps := quantization(80, 1)
	for exif := 2; exif <= 8; exif++ {
		o := orientationOf(exif)
		layers := make([]*layer, 2)
		mergers := []*merger{newMerger(c, true, true, steps, orientation{}),
			newMerger(c, true, true, steps, o)}
		for i, m := range mergers {
			store, err := newTokens(1<<20, 1)
			if err != nil {
				t.Fatal(err)
			}
			layers[i] = &layer{tokens: store}
			layers[i].allocate(m.orientation.size(8*m.across, 8*m.down))
		}
		for i := range c.usedX * c.usedY {
			dc, ac := random.Int32N(400), []uint32{uint32(random.Int32N(30)) << 16 & 0xffff0000}
			ac[0] |= uint32(1 + i%9)
			for j, m := range mergers {
				if sums, x, y := m.block(i%c.usedX, i/c.usedX, dc, ac); sums != nil {
					m.finish(x, y, sums, layers[j])
				}
			}
		}
		for y := range mergers[0].down {
			for x := range mergers[0].across {
				toX, toY := o.place(x, y, mergers[0].across, mergers[0].down)
				stored := layers[0].dc[y*layers[0].usedX+x]
				if shown := layers[1].dc[toY*layers[1].usedX+toX]; shown != stored {
					t.Errorf("orientation %d: mean of block %d, %d is %d, want %d",
						exif, x, y, shown, stored)
				}
			}
		}
	}
}
