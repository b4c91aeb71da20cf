package rollup

import "time"

// storedRun is a run whose buckets may still get rows from transactions that were open when it
// computed them.
type storedRun struct {
	first, closed time.Time // its buckets: [first, closed)
	computed      bool      // else some of them may never have been
}

// window is what a run computes: buckets that closed since the last run, and buckets that were
// computed before and may have become incomplete.
type window struct {
	fresh, again Period
	rewound      bool // the clock is behind the last run's
}

// leastWindow is how many closed buckets are computed again in any case: a clock that is set back
// by less does no harm.
const leastWindow = 2

// windowOf is the window of a run at a moment before which the buckets are closed. runs is what is
// stored, never empty, ordered by closed.
//
// A transaction gives a row its bucket by the clock, after it got its number (bucket_clock in the
// migrations). So all that can ever add to a bucket have a number when the bucket ends, and a lower
// one than the run that first computes it. As long as one of them is open, that run stays stored
// and its buckets are computed again. pg_snapshot_xmax would be one too low for the run's number:
// it is the latest completed one plus one, which a transaction that is still open may have.
func windowOf(runs []storedRun, closed time.Time) window {
	w := window{}
	begin := closed.Add(-leastWindow * BucketLength)
	last := runs[len(runs)-1].closed
	w.rewound = last.After(closed)
	last = earlier(last, closed)
	for _, r := range runs {
		if !r.computed {
			last = earlier(last, r.first)
		}
		if r.first.Before(begin) {
			begin = r.first
		}
	}
	if last.Before(begin) {
		begin = last
	}
	w.fresh, w.again = Period{last, closed}, Period{begin, last}
	return w
}

// bucketsIn are the starts of the buckets of a period.
func bucketsIn(p Period) []time.Time {
	var all []time.Time
	for at := p.Start; at.Before(p.End); at = at.Add(BucketLength) {
		all = append(all, at)
	}
	return all
}
