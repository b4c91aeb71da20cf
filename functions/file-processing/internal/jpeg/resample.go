package jpeg

import "math"

// lanczosLobes is the reach of the Lanczos kernel on each side, in samples of the coarser grid.
const lanczosLobes = 3

func lanczos(x float64) float64 {
	if x == 0 {
		return 1
	}
	if x <= -lanczosLobes || x >= lanczosLobes {
		return 0
	}
	x *= math.Pi
	return lanczosLobes * math.Sin(x) * math.Sin(x/lanczosLobes) / (x * x)
}

// An axis places n samples over a row of others: the first begins at start, and each is step of
// them wide.
type axis struct {
	start, step float64
	n           int
}

// weightBits are the bits after the point of a filter's weights.
const weightBits = 14

// A filter gives each sample of an axis as a weighted sum of taps others.
type filter struct {
	taps    int
	first   []int   // of the samples that are summed
	weights []int64 // taps of each
}

// filter works the weights out for a row of so many samples; its ends are repeated.
func (a axis) filter(length int) filter {
	scale := max(a.step, 1)
	reach := lanczosLobes * scale
	taps := min(int(math.Ceil(2*reach))+1, length)
	f := filter{taps: taps, first: make([]int, a.n), weights: make([]int64, a.n*taps)}
	exact := make([]float64, taps)
	for i := range a.n {
		centre := a.start + (float64(i)+0.5)*a.step - 0.5
		from, to := int(math.Ceil(centre-reach)), int(math.Floor(centre+reach))
		first := min(max(from, 0), length-taps)
		clear(exact)
		sum := 0.0
		for j := from; j <= to; j++ {
			w := lanczos((float64(j) - centre) / scale)
			exact[min(max(j, 0), length-1)-first] += w
			sum += w
		}
		weights := f.weights[i*taps:][:taps]
		left, largest := int64(1<<weightBits), 0
		for j, w := range exact {
			weights[j] = int64(math.Round(w / sum * (1 << weightBits)))
			left -= weights[j]
			if weights[j] > weights[largest] {
				largest = j
			}
		}
		weights[largest] += left // so that a flat area keeps its value
		f.first[i] = first
	}
	return f
}

// resample scales a plane with a Lanczos filter, rows first.
func (p plane) resample(x, y axis) plane {
	if x.is(p.width) && y.is(p.height) {
		return p
	}
	fx, fy := x.filter(p.width), y.filter(p.height)
	top, bottom := p.height, 0
	for _, first := range fy.first {
		top, bottom = min(top, first), max(bottom, first+fy.taps)
	}
	pairs := (x.n + 1) / 2
	rows := make([]int64, (bottom-top+1)&^1*pairs)
	both := make([]int64, p.width)
	for row := top; row < bottom; row += 2 {
		pack(both, p.row(row), p.row(min(row+1, p.height-1)))
		fx.rows(both, rows[(row-top)*pairs:][:pairs], rows[(row-top+1)*pairs:][:pairs], x.n)
	}
	out := plane{make([]uint8, x.n*y.n), x.n, x.n, y.n}
	sums := make([]int64, pairs)
	for i := range y.n {
		fy.column(i, rows[(fy.first[i]-top)*pairs:], sums)
		unpack(sums, out.row(i))
	}
	return out
}

func (a axis) is(n int) bool { return a.start == 0 && a.step == 1 && a.n == n }

func (p plane) row(y int) []uint8 { return p.samples[y*p.stride:][:p.width] }

// Two numbers share a word, so that one multiplication does for both: a in the lower half, b added
// above it. A negative a borrows from b, which halves gives back. It holds while each stays a
// signed number of 32 bits.
func pair(a, b int32) int64 { return int64(a) + int64(b)<<32 }

func halves(
	word int64,
) (a, b int32) {
	return int32(word), int32((word - int64(int32(word))) >> 32)
}

func pack(both []int64, a, b []uint8) {
	a, b = a[:len(both)], b[:len(both)]
	for i := range both {
		both[i] = int64(a[i]) | int64(b[i])<<32
	}
}

// midBits are the bits after the point that are kept between rows and columns.
const midBits = 6

// rows filters two rows, packed into one, to n samples each, packed in neighbours.
func (f *filter) rows(both, a, b []int64, n int) {
	for i := range a {
		left := f.sum(both, 2*i)
		right := left
		if 2*i+1 < n {
			right = f.sum(both, 2*i+1)
		}
		leftA, leftB := halves(left)
		rightA, rightB := halves(right)
		const shift, round = weightBits - midBits, 1 << (weightBits - midBits - 1)
		a[i] = pair((leftA+round)>>shift, (rightA+round)>>shift)
		b[i] = pair((leftB+round)>>shift, (rightB+round)>>shift)
	}
}

func (f *filter) sum(samples []int64, i int) int64 {
	weights := f.weights[i*f.taps:][:f.taps]
	samples = samples[f.first[i]:][:len(weights)]
	var even, odd int64
	j := 0
	for ; j+1 < len(weights); j += 2 {
		even += weights[j] * samples[j]
		odd += weights[j+1] * samples[j+1]
	}
	if j < len(weights) {
		even += weights[j] * samples[j]
	}
	return even + odd
}

// column adds up the rows that make row i of the output; rows begins with the first of them.
func (f *filter) column(i int, rows, sums []int64) {
	weights := f.weights[i*f.taps:][:f.taps]
	n := len(sums)
	const round = 1 << (weightBits + midBits - 1)
	for x := range sums {
		sums[x] = pair(round, round)
	}
	for ; len(weights) >= 4; weights, rows = weights[4:], rows[4*n:] {
		w0, w1, w2, w3 := weights[0], weights[1], weights[2], weights[3]
		r0, r1, r2, r3 := rows[:n], rows[n:][:n], rows[2*n:][:n], rows[3*n:][:n]
		for x := range sums {
			sums[x] += w0*r0[x] + w1*r1[x] + w2*r2[x] + w3*r3[x]
		}
	}
	for _, w := range weights {
		for x, v := range rows[:n] {
			sums[x] += w * v
		}
		rows = rows[n:]
	}
}

func unpack(sums []int64, out []uint8) {
	for i, word := range sums {
		a, b := halves(word)
		out[2*i] = limit(a >> (weightBits + midBits))
		if 2*i+1 < len(out) {
			out[2*i+1] = limit(b >> (weightBits + midBits))
		}
	}
}
