package rollup

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/functions/analytics-aggregation/internal/rollup/db"
)

// Classes of advisory locks: of buckets, by their number, and of organizations.
const (
	bucketLocks int32 = 0x5a7c01
	tenantLocks int32 = 0x5a7c02
)

// computeFresh computes the buckets that closed since the last run, oldest first, and returns up to
// where it came. Each chunk is stored as a run before its first bucket is computed: a run that is
// killed then leaves word that the next begins there, whatever it had computed of the chunk.
func (r *run) computeFresh(ctx context.Context) (through time.Time) {
	ctx, end := share(ctx)
	defer end()
	through = r.window.fresh.Start
	for through.Before(r.window.fresh.End) {
		part := chunkOf(Period{through, r.window.fresh.End})
		stored := r.step(ctx, "store run", func() error {
			return r.across(ctx, func(q *db.Queries) error {
				return q.StoreRun(ctx, db.StoreRunParams{FirstBucket: part.Start,
					Closed: part.End})
			})
		})
		if !stored {
			return through
		}
		if left, ok := r.computeAll(ctx, bucketsIn(part), true); !ok {
			r.cutOff(ctx, Period{part.Start, left})
			return left
		}
		through = part.End
		r.step(ctx, "mark run", func() error {
			return r.across(ctx, func(q *db.Queries) error {
				return q.MarkComputed(ctx, db.MarkComputedParams{
					FirstBucket: r.window.fresh.Start, Closed: part.End})
			})
		})
	}
	return through
}

// cutOff stores as a run what was computed of a chunk: the next run begins where this one ended.
func (r *run) cutOff(ctx context.Context, computed Period) {
	r.step(ctx, "store run", func() error {
		return r.across(ctx, func(q *db.Queries) error {
			if err := q.RewindRuns(ctx, computed.Start); err != nil {
				return err
			}
			return q.StoreRun(ctx, db.StoreRunParams{FirstBucket: computed.Start,
				Closed: computed.End, Computed: true})
		})
	})
}

// chunkOf is the first chunk of a period.
func chunkOf(p Period) Period {
	return Period{p.Start, earlier(p.End, p.Start.Add(chunk*BucketLength))}
}

// computeAgain computes what may have become incomplete since it was computed, oldest first. After
// an outage that is all that was caught up; what it does not come to, it leaves to the next run.
func (r *run) computeAgain(ctx context.Context) {
	ctx, end := share(ctx)
	defer end()
	r.again = r.window.again.Start
	for r.again.Before(r.window.again.End) {
		part := chunkOf(Period{r.again, r.window.again.End})
		left, ok := r.computeAll(ctx, bucketsIn(part), true)
		if r.again = left; !ok {
			return
		}
	}
}

// computeChanged computes what rows that came late, changed or were deleted have marked, whatever
// its age, for the organizations that they belong to.
func (r *run) computeChanged(ctx context.Context) {
	ctx, end := share(ctx)
	defer end()
	after := time.Time{}
	for !r.outOfTime(ctx) {
		var changed []time.Time
		found := r.step(ctx, "find changes", func() error {
			return r.across(ctx, func(q *db.Queries) (err error) {
				changed, err = q.ChangedBuckets(ctx,
					db.ChangedBucketsParams{Before: r.window.fresh.End, After: after, Page: page})
				return err
			})
		})
		if !found || len(changed) == 0 {
			return
		}
		if _, ok := r.computeAll(ctx, changed, false); !ok {
			return
		}
		after = changed[len(changed)-1]
	}
}

// computeAll computes buckets, of which there is at least one, oldest first, those last that
// another run is at. It is false when one of them is left to the next run; left is the first of
// these, or the end of the last.
func (r *run) computeAll(ctx context.Context, buckets []time.Time,
	whole bool) (left time.Time, ok bool) {
	left = buckets[len(buckets)-1].Add(BucketLength)
	var busy []time.Time
	for _, wait := range []bool{false, true} {
		if wait {
			buckets = busy
		}
		for _, start := range buckets {
			first := start // that is not computed
			if !wait && len(busy) > 0 {
				first = busy[0]
			}
			if r.outOfTime(ctx) {
				return first, false
			}
			taken := true
			ok := r.step(ctx, "compute bucket", func() (err error) {
				taken, err = r.computeBucket(ctx, start.UTC(), whole, wait)
				return err
			}, "bucket", start)
			if !ok {
				return first, false
			}
			if !taken {
				busy = append(busy, start)
			}
		}
	}
	return left, true
}

// computeBucket computes one bucket in one transaction: whole, or for those organizations alone
// whose changes it drains. The lock is a statement of its own, so that the snapshots of the next
// ones are taken once it is held; the drain comes before the figures, whose snapshot then shows
// every row of which a note was drained. False: another run is at it.
func (r *run) computeBucket(ctx context.Context, start time.Time, whole,
	wait bool) (taken bool, err error) {
	var tooLate int64
	err = r.across(ctx, func(q *db.Queries) error {
		if taken, err = lockBucket(ctx, q, start, wait); err != nil || !taken {
			return err
		}
		changed, err := q.DrainBucket(ctx, start)
		if err != nil {
			return err
		}
		var organizations []uuid.UUID // nil: all
		if !whole {
			organizations = []uuid.UUID{}
		}
		for _, c := range changed {
			switch {
			case c.Sealed:
				tooLate += c.Marks
			case !whole:
				organizations = append(organizations, c.OrganizationID)
			}
		}
		end := start.Add(BucketLength)
		if whole || len(organizations) > 0 {
			err = q.ComputeBucket(ctx, db.ComputeBucketParams{
				PeriodStart: start, PeriodEnd: &end, Organizations: organizations,
			})
		}
		if whole && err == nil {
			err = q.ComputeQueue(ctx, db.ComputeQueueParams{PeriodStart: start, PeriodEnd: end})
		}
		return err
	})
	if err == nil && taken {
		r.done.Buckets++
		r.done.TooLate += tooLate
	}
	return taken, err
}

func lockBucket(ctx context.Context, q *db.Queries, start time.Time, wait bool) (bool, error) {
	number := int32(start.Unix() / int64(BucketLength/time.Second))
	if !wait {
		return q.TryLockBucket(ctx, db.TryLockBucketParams{Class: bucketLocks, Bucket: number})
	}
	return true, q.LockBucket(ctx, db.LockBucketParams{Class: bucketLocks, Bucket: number})
}
