package main

import (
	"math"
	"slices"
	"testing"
)

func TestPercentile(t *testing.T) {
	t.Parallel()
	values := []float64{15, 50, 20, 40, 35}
	for p, want := range map[float64]float64{1: 15, 30: 20, 40: 20, 50: 35, 95: 50, 100: 50} {
		if got := percentile(values, p); got != want {
			t.Errorf("percentile %v = %v, want %v", p, got, want)
		}
	}
	if !slices.Equal(values, []float64{15, 50, 20, 40, 35}) {
		t.Error("the values were sorted in place")
	}
	if !math.IsNaN(percentile(nil, 50)) || !math.IsNaN(median(nil)) {
		t.Error("nothing has a figure")
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	if got := median([]float64{9, 1, 5}); got != 5 {
		t.Errorf("of three: %v", got)
	}
	if got := median([]float64{9, 1, 5, 6}); got != 5.5 {
		t.Errorf("of four: %v", got)
	}
}

// The median of the ratios is not the ratio of the medians: here that would be 1.
func TestRatioIsOfPairs(t *testing.T) {
	t.Parallel()
	r := ratioOf([]float64{2, 10, 30}, []float64{1, 20, 10})
	if r != (ratio{median: 2, low: 0.5, high: 3, pairs: 3}) {
		t.Errorf("got %+v", r)
	}
	if got := r.String(); got != "2.00 (0.50–3.00, 3 pairs)" {
		t.Errorf("printed as %s", got)
	}
}

func TestAlternateTurns(t *testing.T) {
	t.Parallel()
	order := ""
	side := func(name string, figure float64) func() (float64, error) {
		return func() (float64, error) {
			order += name
			return figure, nil
		}
	}
	figures, err := alternate(3, side("a", 1), side("b", 2))
	if err != nil || order != "abbaab" {
		t.Errorf("order %s, %v", order, err)
	}
	if !slices.Equal(figures[0], []float64{1, 1, 1}) ||
		!slices.Equal(figures[1], []float64{2, 2, 2}) {
		t.Errorf("figures %v", figures)
	}
}
