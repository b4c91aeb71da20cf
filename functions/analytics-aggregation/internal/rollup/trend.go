package rollup

import (
	"math"
	"slices"
)

// Trend is the slope of a series of hours, by Theil and Sen: the median of the slopes between all
// pairs of values, which a few outliers do not turn. Low and High bound it with 95 % confidence
// (Sen, Journal of the American Statistical Association 63, 1968), as far as the values are
// independent of one another.
type Trend struct {
	PerHour   float64
	Low, High float64
	Samples   int
}

// Direction is rising or falling when the confidence interval leaves no doubt, and flat otherwise.
func (t Trend) Direction() string {
	switch {
	case t.Low > 0:
		return "rising"
	case t.High < 0:
		return "falling"
	default:
		return "flat"
	}
}

// leastPoints is how many values a trend needs: with fewer the interval has no bounds.
const leastPoints = 8

// trendOf takes one value an hour; nil is a gap. False when there are too few values.
func trendOf(series []*float64) (Trend, bool) {
	var slopes []float64
	n := 0
	for j, later := range series {
		if later == nil {
			continue
		}
		n++
		for i, earlier := range series[:j] {
			if earlier != nil {
				slopes = append(slopes, (*later-*earlier)/float64(j-i))
			}
		}
	}
	if n < leastPoints {
		return Trend{}, false
	}
	slices.Sort(slopes)
	const z = 1.959964 // of the normal distribution at 97.5 %
	spread := z * math.Sqrt(float64(n)*float64(n-1)*float64(2*n+5)/18)
	pairs := float64(len(slopes))
	low := slopes[clamp((pairs-spread)/2-1, len(slopes))]
	high := slopes[clamp((pairs+spread)/2, len(slopes))]
	return Trend{PerHour: median(slopes), Low: low, High: high, Samples: n}, true
}

func clamp(rank float64, n int) int { return min(max(int(math.Round(rank)), 0), n-1) }
