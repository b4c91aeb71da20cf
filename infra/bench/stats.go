package main

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// percentile is the smallest value that is not below p per cent of all (nearest rank); p is over 0,
// at most 100.
func percentile(values []float64, p float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(1, int(math.Ceil(p/100*float64(len(sorted)))))-1]
}

// median is the middle value, or the mean of the two in the middle.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// ratio compares two sides that were measured in turn: the median of the pairs' ratios, and the
// extremes.
type ratio struct {
	median, low, high float64
	pairs             int
}

func ratioOf(over, under []float64) ratio {
	var all []float64
	for i := range min(len(over), len(under)) {
		all = append(all, over[i]/under[i])
	}
	if len(all) == 0 {
		return ratio{median: math.NaN(), low: math.NaN(), high: math.NaN()}
	}
	return ratio{median(all), slices.Min(all), slices.Max(all), len(all)}
}

func (r ratio) String() string {
	return fmt.Sprintf("%.2f (%.2f–%.2f, %d pairs)", r.median, r.low, r.high, r.pairs)
}

// alternate measures every side once in a round, and returns the figures by side. Each round begins
// with another side, so that whatever drifts on the machine falls on all of them.
func alternate(rounds int, sides ...func() (float64, error)) ([][]float64, error) {
	figures := make([][]float64, len(sides))
	for round := range rounds {
		for i := range sides {
			side := (round + i) % len(sides)
			figure, err := sides[side]()
			if err != nil {
				return nil, err
			}
			figures[side] = append(figures[side], figure)
		}
	}
	return figures, nil
}

// timed is a side that repeats something and takes the mean of its milliseconds.
func timed(times int, do func() error) func() (float64, error) {
	return func() (float64, error) {
		began := time.Now()
		for range times {
			if err := do(); err != nil {
				return 0, err
			}
		}
		return milliseconds(time.Since(began)) / float64(times), nil
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
