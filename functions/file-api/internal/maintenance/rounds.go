package maintenance

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// kind is one kind of work, done a page at a time, the oldest first.
type kind struct {
	name string
	page func(ctx context.Context, s slice) (done Summary, more bool, err error)
	more bool
}

// slice ends the turn of a kind: the zero value never.
type slice struct{ end time.Time }

func (s slice) over(ctx context.Context) bool {
	return ctx.Err() != nil || !s.end.IsZero() && !time.Now().Before(s.end)
}

// rounds gives each kind an equal part of the time that is left, and what one does not use to the
// others: a backlog of one kind, or one whose service hangs, keeps none from moving in each run.
func (m *Runner) rounds(ctx context.Context, kinds []*kind) (all Summary) {
	for _, k := range kinds {
		k.more = true
	}
	for left := len(kinds); left > 0 && !share(ctx, 1).over(ctx); {
		turns := left
		for _, k := range kinds {
			if !k.more {
				continue
			}
			all.add(m.turn(ctx, k, share(ctx, turns)))
			turns--
			if !k.more {
				left--
			}
		}
	}
	return all
}

// turn does pages of one kind until there is no more, or its slice is over, and one in any case.
func (m *Runner) turn(ctx context.Context, k *kind, s slice) (all Summary) {
	for first := true; k.more && (first || !s.over(ctx)); first = false {
		done, more, err := k.page(ctx, s)
		all.add(done)
		k.more = more
		if err != nil {
			all.Failed++
			m.Log.ErrorContext(ctx, "maintenance step failed", "step", k.name, "error", err)
			k.more = false
		}
	}
	return all
}

// share is the part of the remaining time that falls to the first of so many turns.
func share(ctx context.Context, turns int) slice {
	deadline, limited := ctx.Deadline()
	if !limited {
		return slice{}
	}
	now := time.Now()
	return slice{now.Add(deadline.Add(-deadlineMargin).Sub(now) / time.Duration(turns))}
}

// each works on the items of one page, several at once, and reports whether another page is worth a
// look: this one was full, and some of it got done.
func each[T any](ctx context.Context, m *Runner, s slice, atOnce int, items []T,
	work func(T) (Summary, error), attrs func(T) []any) (all Summary, more bool) {
	var (
		lock     sync.Mutex
		progress int
		workers  errgroup.Group
	)
	workers.SetLimit(atOnce)
	for i, item := range items {
		if i >= atOnce && s.over(ctx) {
			break
		}
		workers.Go(func() error {
			done, err := work(item)
			lock.Lock()
			defer lock.Unlock()
			all.add(done)
			if err != nil {
				all.Failed++
				m.Log.ErrorContext(ctx, "maintenance item failed",
					append(attrs(item), "error", err)...)
				return nil
			}
			progress++
			return nil
		})
	}
	_ = workers.Wait() // no work returns an error
	return all, len(items) == page && progress > 0
}
