package rollup

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	steady := []float64{98, 100, 102, 99, 101, 100, 97, 103}
	for name, c := range map[string]struct {
		seen, floor float64
		samples     []float64
		said, odd   bool
	}{
		"as ever":                       {101, 1, steady, true, false},
		"far above":                     {140, 1, steady, true, true},
		"far below":                     {60, 1, steady, true, true},
		"too few weeks":                 {140, 1, steady[:4], false, false},
		"one wild week does not matter": {140, 1, append([]float64{5000}, steady...), true, true},
		"a constant series, a little": {99.5, 1, []float64{100, 100, 100, 100, 100, 100}, true,
			false},
		"a constant series, a lot": {90, 1, []float64{100, 100, 100, 100, 100, 100}, true,
			true},
	} {
		got, ok := compare(c.seen, c.samples, c.floor)
		if ok != c.said || ok && got.Anomalous() != c.odd || math.IsNaN(got.Score) ||
			math.IsInf(got.Score, 0) {
			t.Errorf("%s: %+v, %v", name, got, ok)
		}
	}
	got, _ := compare(110, steady, 0)
	if got.Expected != 100 || math.Abs(got.Score-0.6745*10/1.5) > 1e-9 || got.Samples != 8 {
		t.Errorf("by hand it is another: %+v", got)
	}
}

// Eight in the morning of a Monday stays eight in the morning when the clocks change.
func TestSameHoursFollowTheClockOnTheWall(t *testing.T) {
	t.Parallel()
	berlin := zone(t, "Europe/Berlin")
	monday := time.Date(2026, 4, 6, 8, 0, 0, 0, berlin) // the first Monday but one of summer time
	hours := sameHours(monday, berlin)
	if len(hours) != mostWeeks {
		t.Fatalf("%d hours", len(hours))
	}
	for _, h := range hours {
		if local := h.In(berlin); local.Weekday() != time.Monday || local.Hour() != 8 {
			t.Errorf("%s", local)
		}
	}
	skipped := time.Date(2026, 4, 5, 2, 0, 0, 0, berlin) // two o'clock did not come a week before
	if got := sameHours(skipped, berlin); len(got) != mostWeeks-1 {
		t.Errorf("%d hours, with one that there was not", len(got))
	}
}

func TestTrend(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 8))
	series := func(n int, slope, noise float64) []*float64 {
		var all []*float64
		for i := range n {
			v := 50 + slope*float64(i) + noise*r.NormFloat64()
			all = append(all, &v)
		}
		return all
	}
	rising := series(24, 2, 1)
	if got, ok := trendOf(rising); !ok || got.Direction() != "rising" ||
		math.Abs(got.PerHour-2) > 0.3 ||
		got.Low > 2.2 ||
		got.High < 1.8 {
		t.Errorf("rising: %+v, %v", got, ok)
	}
	wild := 9e9
	rising[5], rising[6] = nil, &wild
	if got, _ := trendOf(rising); got.Direction() != "rising" || math.Abs(got.PerHour-2) > 0.4 ||
		got.Samples != 23 {
		t.Errorf("an outlier and a gap turn it: %+v", got)
	}
	if got, _ := trendOf(series(168, -1, 2)); got.Direction() != "falling" {
		t.Errorf("falling: %+v", got)
	}
	if _, ok := trendOf(series(7, 1, 0)); ok {
		t.Error("seven values have a trend")
	}
	if got, ok := trendOf(series(24, 0, 0)); !ok || got.Direction() != "flat" || got.PerHour != 0 {
		t.Errorf("constant: %+v", got)
	}
	// of series without a trend one in twenty may seem to have one
	wrong := 0
	for range 400 {
		if got, _ := trendOf(series(24, 0, 1)); got.Direction() != "flat" {
			wrong++
		}
	}
	if wrong < 5 || wrong > 40 {
		t.Errorf("%d of 400 flat series are said to move", wrong)
	}
}
