package rollup

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func vitals(completed, failed int64, seconds, available float64, queue int64) Vitals {
	return Vitals{Figures: Figures{
		Completed: completed, Failed: failed,
		Execution: Sum{Millionths(seconds * 1e6 * float64(completed+failed)),
			completed + failed},
		Registered: 300e6, InService: 300e6, Up: 300e6,
		Available: Millionths(available / 100 * 300e6),
	}, Queue: queue}
}

func good() Vitals { return vitals(100, 0, 1, 100, 0) }
func bad() Vitals  { return vitals(20, 80, 20, 40, 500) }

func fill(n int, v Vitals) []Vitals { return slices.Repeat([]Vitals{v}, n) }

func TestScore(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in   Vitals
		want float64
	}{
		"all as it should be": {vitals(100, 0, 0, 100, 0), 100},
		// each part halfway: 80 % completed (and 20 % failed), 80 % available, 5 s, 50 waiting
		"all at the warning":  {vitals(80, 20, 5, 80, 50), 50},
		"all at the critical": {vitals(50, 50, 10, 50, 100), 0},
		"beyond the critical": {vitals(0, 100, 100, 0, 1000), 0},
		// 65 % completed is halfway from warning to critical: 25; 35 % failed as well
		"half of the tasks' part": {vitals(65, 35, 0, 100, 0),
			0.30*25 + 0.25*100 + 0.20*100 + 0.15*100 + 0.10*25},
		// without tasks, availability and the queue weigh 0.25 and 0.15
		"no tasks": {Vitals{Figures: Figures{InService: 100, Available: 90}},
			(0.25*75 + 0.15*100) / 0.40},
	} {
		got := scoreOf(partsOf(c.in))
		if got == nil || math.Abs(*got-c.want) > 1e-9 {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	var weights float64
	for _, g := range grades() {
		weights += g.weight
	}
	if math.Abs(weights-1) > 1e-12 {
		t.Errorf("the weights come to %v", weights)
	}
}

func TestNoDataIsNeverHealthy(t *testing.T) {
	t.Parallel()
	for name, last := range map[string]Vitals{"nothing": {},
		"agents that were declared offline": {Figures: Figures{Registered: 1}}} {
		h := healthOf(time.Time{}, append(fill(11, good()), last))
		if h.State != NoData || h.Score != nil || len(h.Reasons) == 0 {
			t.Errorf("%s: %+v", name, h)
		}
	}
	if h := healthOf(time.Time{}, nil); h.State != NoData {
		t.Errorf("no bucket at all: %+v", h)
	}
	// agents that fell silent in a crisis have not recovered from it
	if h := healthOf(time.Time{}, slices.Concat(fill(8, good()), fill(3, bad()),
		fill(1, Vitals{}))); h.State != Critical {
		t.Errorf("silent after a crisis: %+v", h)
	}
}

// b is a bad bucket, g a good one and - one without data.
func TestHealthDoesNotFlap(t *testing.T) {
	t.Parallel()
	for series, want := range map[string]State{
		"gggggggggggg": Healthy, "gggggggggggb": Degraded, "ggggggggggbb": Degraded,
		"gggggggggbbb": Critical,
		"ggggggggbgbb": Critical, "ggggggggbbgb": Critical, "gggggggbgbgb": Degraded,
		"ggggggggbbbg": Critical,
		"ggggbbbggggg": Critical, "gggbbbgggggg": Healthy, "ggbbbggbgggg": Critical,
		"bbbggggggggg": Healthy,
		"gggggggggg--": NoData, "ggggbbb-----": Critical, "ggbbbggg-ggg": Critical,
	} {
		var in []Vitals
		for _, c := range series {
			in = append(in, map[rune]Vitals{'g': good(), 'b': bad(), '-': {}}[c])
		}
		if got := healthOf(time.Time{}, in); got.State != want {
			t.Errorf("%s is %s, want %s", series, got.State, want)
		}
	}
}

func TestHealthSaysSinceWhenAndWhy(t *testing.T) {
	t.Parallel()
	start := at(t, "2026-03-01T10:00:00Z")
	h := healthOf(start, slices.Concat(fill(8, good()), fill(4, bad())))
	if !h.Since.Equal(start.Add(10 * BucketLength)) {
		t.Errorf("critical since %s", h.Since)
	}
	want := []string{
		"20.0 % of the tasks completed, less than 80 %",
		"agents could take work for 40.0 % of the time, less than 80 %",
		"a task took 20.0 s on average, more than 5 s",
		"500 tasks are waiting, more than 50",
		"80.0 % of the tasks failed, more than 20 %",
	}
	if !slices.Equal(h.Reasons, want) {
		t.Errorf("reasons %q", h.Reasons)
	}
	h = healthOf(start, slices.Concat(fill(5, good()), fill(4, bad()), fill(3, good())))
	if h.State != Critical || len(h.Reasons) != 1 || !strings.Contains(h.Reasons[0], "recovers") {
		t.Errorf("on the way out: %+v", h)
	}
}

// Whatever comes, the state leaves and enters critical by its two rules only, and the same buckets
// give the same answer.
func TestHealthIsAFunctionOfItsBuckets(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	for range 2000 {
		var in []Vitals
		for range healthBuckets {
			in = append(
				in,
				[]Vitals{good(), bad(), {}, vitals(r.Int64N(50), r.Int64N(50), r.Float64()*12,
					r.Float64()*100, r.Int64N(200))}[r.IntN(4)],
			)
		}
		h := healthOf(time.Time{}, in)
		if !reflect.DeepEqual(h, healthOf(time.Time{}, slices.Clone(in))) {
			t.Fatal("the same buckets gave another answer")
		}
		var scores []*float64
		for _, v := range in {
			scores = append(scores, scoreOf(partsOf(v)))
		}
		if countBelow(scores, fallWindow) >= fallen && h.State != Critical ||
			allAbove(scores, riseWindow) && h.State == Critical {
			t.Fatalf("state %s", h.State)
		}
		if (h.State == Healthy || h.State == Degraded) && h.Score == nil {
			t.Fatal("healthy without a score")
		}
	}
}

// Whoever is not healthy is told why, also where no part alone is below its warning.
func TestWhatIsNotHealthyHasAReason(t *testing.T) {
	t.Parallel()
	h := healthOf(time.Time{}, fill(healthBuckets, vitals(85, 15, 3.5, 90, 30)))
	if h.State != Degraded || len(h.Reasons) != 1 {
		t.Errorf("%s at %v, because %q", h.State, *h.Score, h.Reasons)
	}
	if h := healthOf(time.Time{}, fill(healthBuckets, good())); len(h.Reasons) != 0 {
		t.Errorf("healthy, because %q", h.Reasons)
	}
}
