package rollup

import (
	"fmt"
	"math"
	"time"
)

// Health is an organization's state at the end of a bucket. It follows from the last healthBuckets
// closed buckets alone, so it can be computed again, and it has a memory of an hour and no more.
type Health struct {
	State   State
	Since   time.Time // start of the first bucket of the window in this state
	Score   *float64  // 0–100 of the last bucket; nil without data
	Parts   []Part    // of Score
	Reasons []string  // what is not as it should be, in words
}

// State is what Health comes to.
type State string

// The states. Degraded and healthy differ by the last bucket's score alone; to and from critical
// takes several buckets.
const (
	Healthy  State = "healthy"
	Degraded State = "degraded"
	Critical State = "critical"
	NoData   State = "no_data" // never healthy: nothing is known
)

// Part is one component of the score.
type Part struct {
	Name   string   // success_rate, availability, response_time, queue or error_rate
	Weight float64  // of all parts together 1
	Value  *float64 // nil without data, and then the others weigh more
	Unit   string   // of Value: percent, seconds or tasks
	Score  *float64 // 0–100
	Reason string   // "" when it is as it should be
}

const (
	healthBuckets = 12 // an hour
	// Critical is entered when fallen of the last fallWindow buckets score below criticalBelow, and
	// left when the last riseWindow all score above it: a single bad bucket, or a single good one,
	// changes nothing.
	criticalBelow = 50.0
	healthyAbove  = 75.0
	fallen        = 3
	fallWindow    = 4
	riseWindow    = 6
)

// Vitals are what health needs of a bucket.
type Vitals struct {
	Figures
	Queue int64 // tasks that waited at its end
}

// healthOf judges the last healthBuckets closed buckets, oldest first; the first begins at start.
func healthOf(start time.Time, buckets []Vitals) Health {
	h := Health{State: NoData, Since: start}
	scores := make([]*float64, len(buckets))
	state := NoData
	for i, b := range buckets {
		parts := partsOf(b)
		scores[i] = scoreOf(parts)
		next := stateAfter(state, scores[:i+1])
		if next != state {
			h.Since = start.Add(time.Duration(i) * BucketLength)
		}
		state = next
		if i == len(buckets)-1 {
			h.Score, h.Parts = scores[i], parts
		}
	}
	h.State = state
	h.Reasons = reasonsOf(h)
	return h
}

// stateAfter is the state that follows state once the last of scores is known.
func stateAfter(state State, scores []*float64) State {
	last := scores[len(scores)-1]
	switch {
	case countBelow(scores, fallWindow) >= fallen:
		return Critical
	case state == Critical && !allAbove(scores, riseWindow):
		return Critical
	case last == nil:
		return NoData
	case *last < healthyAbove:
		return Degraded
	default:
		return Healthy
	}
}

func countBelow(scores []*float64, window int) int {
	below := 0
	for _, s := range scores[max(0, len(scores)-window):] {
		if s != nil && *s < criticalBelow {
			below++
		}
	}
	return below
}

func allAbove(scores []*float64, window int) bool {
	if len(scores) < window {
		return false
	}
	for _, s := range scores[len(scores)-window:] {
		if s == nil || *s < criticalBelow {
			return false
		}
	}
	return true
}

// grade is a scale from a value that is as it should be to one that is critical. A value in between
// is on the straight lines from 100 at good through 50 at warning to 0 at critical.
type grade struct {
	name                    string
	unit                    string
	weight                  float64
	good, warning, critical float64
	value                   func(Vitals) *float64
	reason                  string // with the value and the warning
}

// The weights and thresholds are the platform's.
func grades() []grade {
	return []grade{
		{"success_rate", "percent", 0.30, 100, 80, 50, func(v Vitals) *float64 { return v.SuccessRate() },
			"%.1f %% of the tasks completed, less than %.0f %%"},
		{"availability", "percent", 0.25, 100, 80, 50, func(v Vitals) *float64 { return v.Availability() },
			"agents could take work for %.1f %% of the time, less than %.0f %%"},
		{"response_time", "seconds", 0.20, 0, 5, 10, func(v Vitals) *float64 { return v.Execution.Average() },
			"a task took %.1f s on average, more than %.0f s"},
		{"queue", "tasks", 0.15, 0, 50, 100, queueLength,
			"%.0f tasks are waiting, more than %.0f"},
		{"error_rate", "percent", 0.10, 0, 20, 50, func(v Vitals) *float64 { return v.ErrorRate() },
			"%.1f %% of the tasks failed, more than %.0f %%"},
	}
}

func queueLength(v Vitals) *float64 {
	n := float64(v.Queue)
	return &n
}

func partsOf(v Vitals) []Part {
	var parts []Part
	for _, g := range grades() {
		p := Part{Name: g.name, Weight: g.weight, Value: g.value(v), Unit: g.unit}
		if p.Value != nil {
			score := g.score(*p.Value)
			p.Score = &score
			if score < 50 {
				p.Reason = fmt.Sprintf(g.reason, *p.Value, g.warning)
			}
		}
		parts = append(parts, p)
	}
	return parts
}

func (g grade) score(value float64) float64 {
	toWarning, toCritical := (value-g.good)/(g.warning-g.good),
		(value-g.warning)/(g.critical-g.warning)
	if toCritical > 0 {
		return math.Max(0, 50-50*toCritical)
	}
	return math.Min(100, 100-50*toWarning)
}

// scoreOf weighs the parts of which something is known. An empty queue alone says nothing of agents
// that nobody hears of.
func scoreOf(parts []Part) *float64 {
	var sum, weight float64
	known := false
	for _, p := range parts {
		if p.Score == nil {
			continue
		}
		known = known || p.Name != "queue" || *p.Value > 0
		sum, weight = sum+p.Weight**p.Score, weight+p.Weight
	}
	if !known {
		return nil
	}
	score := sum / weight
	return &score
}

func reasonsOf(h Health) []string {
	reasons := []string{}
	for _, p := range h.Parts {
		if p.Reason != "" {
			reasons = append(reasons, p.Reason)
		}
	}
	switch {
	case h.State == Degraded && len(reasons) == 0:
		reasons = append(reasons, fmt.Sprintf(
			"the score is below %.0f, though no part alone scores below %.0f", healthyAbove,
			criticalBelow))
	case h.State == NoData:
		reasons = append(
			reasons,
			"no agent was heard of and no task ended in the last five minutes",
		)
	case h.State == Critical && h.Score != nil && *h.Score >= criticalBelow:
		reasons = append(
			reasons,
			fmt.Sprintf(
				"it recovers once %d buckets in a row score %.0f or more",
				riseWindow,
				criticalBelow,
			),
		)
	case h.State == Critical && h.Score == nil:
		reasons = append(reasons, "it was critical when the last data came")
	}
	return reasons
}
