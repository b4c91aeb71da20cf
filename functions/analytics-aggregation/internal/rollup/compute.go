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
// killed then leaves a window that reaches back to it.
func (r *run) computeFresh(ctx context.Context) (through time.Time) {
	through = r.window.fresh.Start
	for through.Before(r.window.fresh.End) {
		part := Period{through, through.Add(chunk * BucketLength)}
		if part.End.After(r.window.fresh.End) {
			part.End = r.window.fresh.End
		}
		stored := r.step(ctx, "store run", func() error {
			return r.across(ctx, func(q *db.Queries) error {
				return q.StoreRun(ctx, db.StoreRunParams{FirstBucket: part.Start, Closed: part.End})
			})
		})
		if !stored || !r.computeAll(ctx, bucketsIn(part), true) {
			r.whole = false
			return through
		}
		through = part.End
	}
	return through
}

// computeAgain computes what may have become incomplete since it was computed.
func (r *run) computeAgain(ctx context.Context) {
	if !r.computeAll(ctx, bucketsIn(r.window.again), true) {
		r.whole = false
	}
}

// computeChanged computes what rows that came late, changed or were deleted have marked, whatever
// its age, for the organizations that they belong to.
func (r *run) computeChanged(ctx context.Context) {
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
		if !found || len(changed) == 0 || !r.computeAll(ctx, changed, false) {
			return
		}
		after = changed[len(changed)-1]
	}
}

// computeAll computes buckets, oldest first, those last that another run is at. It is false when
// one of them is left to the next run.
func (r *run) computeAll(ctx context.Context, buckets []time.Time, whole bool) bool {
	var busy []time.Time
	for _, wait := range []bool{false, true} {
		if wait {
			buckets = busy
		}
		for _, start := range buckets {
			if r.outOfTime(ctx) {
				return false
			}
			taken := true
			ok := r.step(ctx, "compute bucket", func() (err error) {
				taken, err = r.computeBucket(ctx, start.UTC(), whole, wait)
				return err
			}, "bucket", start)
			if !ok {
				return false
			}
			if !taken {
				busy = append(busy, start)
			}
		}
	}
	return true
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
