package rollup

import (
	"fmt"
	"math"
	"slices"
)

const (
	// mostValues is how many values are kept as they are. Beyond it they are counted in bins.
	mostValues = 256
	// growth is the ratio between the edges of a bin. A bin answers with a value that is at most
	// (growth-1)/(growth+1), 0.99 %, away from any value in it (Masson, Rim, Lee: DDSketch, VLDB
	// 2019).
	growth = 1.02
)

// Histogram holds the distribution of whole numbers that are not negative, here microseconds. Up to
// mostValues of them are kept exactly; more are counted in bins. Merging in any order and any
// grouping gives the same histogram.
type Histogram struct {
	values []int64 // sorted, while there are at most mostValues
	bins   []int16 // ascending
	counts []int64 // of bins
	n      int64
}

// HistogramOf is the histogram as it is stored: either values, or bins with their counts.
func HistogramOf(values []int64, bins []int16, counts []int64) (Histogram, error) {
	if len(bins) != len(counts) || len(values) > 0 && len(bins) > 0 {
		return Histogram{}, fmt.Errorf(
			"a histogram of %d values has %d bins and %d counts",
			len(values),
			len(bins),
			len(counts),
		)
	}
	h := Histogram{values: values, bins: bins, counts: counts, n: int64(len(values))}
	if !slices.IsSorted(values) || !slices.IsSorted(bins) {
		return Histogram{}, fmt.Errorf(
			"a histogram of %d values and %d bins is not sorted",
			len(values),
			len(bins),
		)
	}
	for _, c := range counts {
		h.n += c
	}
	return h, nil
}

// Count is how many values it holds.
func (h Histogram) Count() int64 { return h.n }

// Merge is the histogram of both.
func (h Histogram) Merge(other Histogram) Histogram {
	if h.n == 0 {
		return other
	}
	if other.n == 0 {
		return h
	}
	if len(h.bins) == 0 && len(other.bins) == 0 && h.n+other.n <= mostValues {
		values := slices.Concat(h.values, other.values)
		slices.Sort(values)
		return Histogram{values: values, n: h.n + other.n}
	}
	return addBins(h.binned(), other.binned())
}

func (h Histogram) binned() Histogram {
	if len(h.bins) > 0 || h.n == 0 {
		return h
	}
	out := Histogram{n: h.n}
	for _, v := range h.values { // sorted, so the bins come in order
		bin := binOf(v)
		if last := len(out.bins) - 1; last >= 0 && out.bins[last] == bin {
			out.counts[last]++
			continue
		}
		out.bins, out.counts = append(out.bins, bin), append(out.counts, 1)
	}
	return out
}

func addBins(a, b Histogram) Histogram {
	out := Histogram{
		n: a.n + b.n,
		bins: make(
			[]int16,
			0,
			len(a.bins)+len(b.bins),
		), counts: make([]int64, 0, len(a.bins)+len(b.bins)),
	}
	for i, j := 0, 0; i < len(a.bins) || j < len(b.bins); {
		switch {
		case j == len(b.bins) || i < len(a.bins) && a.bins[i] < b.bins[j]:
			out.bins, out.counts = append(out.bins, a.bins[i]), append(out.counts, a.counts[i])
			i++
		case i == len(a.bins) || b.bins[j] < a.bins[i]:
			out.bins, out.counts = append(out.bins, b.bins[j]), append(out.counts, b.counts[j])
			j++
		default:
			out.bins, out.counts = append(
				out.bins,
				a.bins[i],
			), append(
				out.counts,
				a.counts[i]+b.counts[j],
			)
			i, j = i+1, j+1
		}
	}
	return out
}

// Percentile is the smallest value that is not below the share p of all, 0 < p <= 1 (nearest rank,
// as percentile_disc): exact while values are kept, and at most 1 % of it away where they are in
// bins. False when there are no values.
func (h Histogram) Percentile(p float64) (int64, bool) {
	if h.n == 0 {
		return 0, false
	}
	rank := max(1, int64(math.Ceil(p*float64(h.n))))
	if len(h.bins) == 0 {
		return h.values[rank-1], true
	}
	for i, c := range h.counts {
		if rank -= c; rank <= 0 {
			return valueOf(h.bins[i]), true
		}
	}
	return valueOf(h.bins[len(h.bins)-1]), true
}

// zeroBin holds the value 0, which has no logarithm.
const zeroBin = -1

// binOf numbers the bin (growth^(n-1), growth^n] that v is in. bin_of in the migrations is the same
// for Postgres.
func binOf(v int64) int16 {
	if v <= 0 {
		return zeroBin
	}
	return int16(math.Ceil(math.Log(float64(v)) / math.Log(growth)))
}

// valueOf is the value whose relative distance to both edges of the bin is the same.
func valueOf(bin int16) int64 {
	if bin == zeroBin {
		return 0
	}
	return int64(math.Round(2 * math.Pow(growth, float64(bin)) / (growth + 1)))
}
