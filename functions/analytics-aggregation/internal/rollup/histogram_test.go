package rollup

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

func histogram(t testing.TB, values ...int64) Histogram {
	t.Helper()
	slices.Sort(values)
	var h Histogram
	for part := range slices.Chunk(values, mostValues) {
		one, err := HistogramOf(part, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		h = h.Merge(one)
	}
	return h
}

// nearestRank is written apart from the code under test.
func nearestRank(values []int64, p float64) int64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(1, int(math.Ceil(p*float64(len(sorted)))))-1]
}

func distributions(r *rand.Rand, n int) map[string][]int64 {
	all := map[string][]int64{}
	for range n {
		all["lognormal"] = append(all["lognormal"], int64(math.Exp(r.NormFloat64()*2+14)))
		all["uniform"] = append(all["uniform"], r.Int64N(10_000_000))
		all["constant"] = append(all["constant"], 1_234_567)
		all["two humps"] = append(
			all["two humps"],
			[]int64{900 + r.Int64N(100), 30_000_000 + r.Int64N(1_000_000)}[r.IntN(2)],
		)
		all["zeros"] = append(all["zeros"], r.Int64N(3))
		all["a year"] = append(all["a year"], 31_622_400_000_000-r.Int64N(1000))
	}
	return all
}

func TestPercentilesOfAHistogram(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 2, 3, 10, 255, 256, 257, 1000, 20_000} {
		for name, values := range distributions(r, n) {
			h := histogram(t, slices.Clone(values)...)
			if h.Count() != int64(n) {
				t.Fatalf("%s of %d counts %d", name, n, h.Count())
			}
			for _, p := range []float64{0.01, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1} {
				got, ok := h.Percentile(p)
				want := nearestRank(values, p)
				off := math.Abs(float64(got - want))
				if !ok || n <= mostValues && got != want || off > max(0.5, 0.01*float64(want)) {
					t.Errorf("%s of %d: p%v is %d, want %d", name, n, p*100, got, want)
				}
			}
		}
	}
	if _, ok := (Histogram{}).Percentile(0.5); ok {
		t.Error("nothing has a median")
	}
}

// However the values are split and in whatever order they come together, the histogram is the same.
func TestMergingIsAssociativeAndCommutative(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{5, 200, 256, 257, 700, 3000} {
		for name, values := range distributions(r, n) {
			want := histogram(t, slices.Clone(values)...)
			for range 5 {
				r.Shuffle(
					len(values),
					func(i, j int) { values[i], values[j] = values[j], values[i] },
				)
				var parts []Histogram
				for rest := slices.Clone(values); len(rest) > 0; {
					cut := 1 + r.IntN(len(rest))
					parts = append(parts, histogram(t, rest[:cut]...))
					rest = rest[cut:]
				}
				for len(parts) > 1 {
					i := r.IntN(len(parts) - 1)
					parts[i] = parts[i+1].Merge(parts[i])
					parts = slices.Delete(parts, i+1, i+2)
				}
				if !reflect.DeepEqual(parts[0], want) {
					t.Fatalf("%s of %d: merged in another order it is another histogram", name, n)
				}
			}
		}
	}
}

func TestWhatIsNoHistogramIsRefused(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"counts without bins": func() error {
			_,
				err := HistogramOf(nil, nil, []int64{1})
			return err
		}(),
		"values and bins": func() error {
			_,
				err := HistogramOf([]int64{1}, []int16{1}, []int64{1})
			return err
		}(),
		"unsorted values": func() error {
			_,
				err := HistogramOf([]int64{2, 1}, nil, nil)
			return err
		}(),
		"unsorted bins": func() error {
			_,
				err := HistogramOf(nil, []int16{2, 1}, []int64{1, 1})
			return err
		}(),
	} {
		if err == nil {
			t.Errorf("%s were taken", name)
		}
	}
}
