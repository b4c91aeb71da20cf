package rollup

import (
	"math"
	"slices"
	"time"
)

const (
	// leastSamples is how many weeks must have a value for an hour before anything can be unusual
	// at that hour.
	leastSamples = 5
	// mostWeeks is how far back the same hour of the week is looked at.
	mostWeeks = 12
	// unusual is the modified z-score from which a value is an anomaly (Iglewicz and Hoaglin, How
	// to Detect and Handle Outliers, 1993).
	unusual = 3.5
	// consistent makes the median absolute deviation estimate the standard deviation of a normal
	// distribution (same source).
	consistent = 0.6745
)

// Comparison is a value against those of the same hour of earlier weeks.
type Comparison struct {
	Seen     float64
	Expected float64 // median of the samples
	Score    float64 // modified z-score: below zero where less was seen than expected
	Samples  int
}

// Anomalous reports whether the value is further from what is usual than chance explains.
func (c Comparison) Anomalous() bool { return math.Abs(c.Score) >= unusual }

// compare is false when there are too few samples to say. Where the samples hardly differ, floor is
// the deviation that is taken to be usual: without it the first task that fails after a perfect
// month would be infinitely unusual.
func compare(seen float64, samples []float64, floor float64) (Comparison, bool) {
	if len(samples) < leastSamples {
		return Comparison{}, false
	}
	expected := median(samples)
	deviations := make([]float64, len(samples))
	for i, s := range samples {
		deviations[i] = math.Abs(s - expected)
	}
	usual := max(median(deviations), floor, 1e-9)
	return Comparison{
		Seen:     seen,
		Expected: expected,
		Score:    consistent * (seen - expected) / usual,
		Samples:  len(samples),
	}, true
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// sameHours are the starts of the same hour of the week in the weeks before, newest first. The hour
// is the one on the wall: a school begins at eight in summer and in winter.
func sameHours(hour time.Time, zone *time.Location) []time.Time {
	local := hour.In(zone)
	var hours []time.Time
	for week := 1; week <= mostWeeks; week++ {
		then := time.Date(
			local.Year(),
			local.Month(),
			local.Day()-7*week,
			local.Hour(),
			local.Minute(),
			0,
			0,
			zone,
		)
		if then.Hour() != local.Hour() {
			continue // the clocks were changed and skipped it
		}
		hours = append(hours, then.UTC())
	}
	return hours
}
