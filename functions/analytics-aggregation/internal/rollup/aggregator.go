package rollup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/toolboxai-solutions/satchel/functions/analytics-aggregation/internal/rollup/db"
	"github.com/toolboxai-solutions/satchel/shared/telemetry"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

// Aggregator computes the metrics. Its clock is Postgres's, by which facts fall into buckets too. A
// run can be cut off anywhere and is taken up by the next one; several at once share the work.
type Aggregator struct {
	DB            *tenantdb.DB
	RetentionDays int // the longest that raw rows and five-minute rows are kept
	Metrics       telemetry.Metrics
	Log           *slog.Logger
}

const (
	// reserve is left before the deadline of a run: enough to end the step in hand.
	reserve = 10 * time.Second
	// chunk is how many buckets a run takes on at a time: what it was cut off in is done again.
	chunk = 12
	// page is how many changed buckets are looked up at a time.
	page = 200
)

// Summary counts what a run did.
type Summary struct {
	Buckets   int   `json:"buckets"`   // computed, again ones included
	Tenants   int   `json:"tenants"`   // organizations brought up to date
	TooLate   int64 `json:"too_late"`  // changes of sealed buckets, which were left alone
	Abandoned int64 `json:"abandoned"` // tasks that never ended and were deleted with their week
	Deleted   int64 `json:"deleted"`   // executions of organizations that keep them for a shorter time
	Dropped   int   `json:"dropped"`   // partitions
	Failed    int   `json:"failed"`    // steps that the next run tries again
	// Lag is how many seconds the furthest behind of the organizations is behind the last closed
	// bucket.
	Lag float64 `json:"lag_seconds"`
}

// LogValue makes one group of it.
func (s Summary) LogValue() slog.Value {
	return slog.GroupValue(slog.Int("buckets", s.Buckets), slog.Int("tenants", s.Tenants),
		slog.Int64("too_late", s.TooLate), slog.Int64("abandoned", s.Abandoned),
		slog.Int64("deleted", s.Deleted), slog.Int("dropped", s.Dropped),
		slog.Int("failed", s.Failed), slog.Float64("lag_seconds", s.Lag))
}

// run is one run.
type run struct {
	*Aggregator
	done   Summary
	window window
	oldest string    // the oldest transaction that was open when the run began
	closed time.Time // buckets before this are over
	again  time.Time // what may have become incomplete was computed again up to here
	// every organization is up to date, its usage up to there computed again too
	tenants bool
}

// Run works until everything is computed or the context's deadline is near. What fails is logged
// and stops nothing else; the error says how many steps there were.
func (a *Aggregator) Run(ctx context.Context) (Summary, error) {
	r := &run{Aggregator: a}
	if err := r.begin(ctx); err != nil {
		return r.done, fmt.Errorf("look what is to do: %w", err)
	}
	through := r.computeFresh(ctx)
	r.computeChanged(ctx)
	r.computeAgain(ctx)
	r.tenants = r.updateTenants(ctx, through)
	r.finish(ctx, through)
	r.report()
	a.Log.InfoContext(ctx, "aggregation done", "summary", r.done)
	if r.done.Failed > 0 {
		return r.done, fmt.Errorf("%d steps failed and are left to the next run", r.done.Failed)
	}
	return r.done, nil
}

// begin looks at the clock, and at which transactions are open before anything is computed.
func (r *run) begin(ctx context.Context) error {
	return r.across(ctx, func(q *db.Queries) error {
		now, err := q.BeginRun(ctx)
		if err != nil {
			return err
		}
		rows, err := q.StoredRuns(ctx)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return errors.New("aggregation_runs is empty: its newest row says where to begin")
		}
		var stored []storedRun
		for _, row := range rows {
			stored = append(stored,
				storedRun{row.FirstBucket.UTC(), row.Closed.UTC(), row.Computed})
		}
		r.oldest, r.closed = now.Oldest, bucketOf(now.Now)
		r.window = windowOf(stored, r.closed)
		if !r.window.rewound {
			return nil
		}
		// What is written until the clock is where it was falls into buckets that were computed.
		if err := q.RewindRuns(ctx, r.closed); err != nil {
			return err
		}
		return q.StoreRun(ctx, db.StoreRunParams{FirstBucket: r.window.again.Start,
			Closed: r.window.again.End, Computed: true})
	})
}

// finish forgets the runs whose transactions have all ended, as far as all of their buckets were
// computed after it had looked which were open.
func (r *run) finish(ctx context.Context, through time.Time) {
	if r.tenants {
		r.step(ctx, "forget runs", func() error {
			return r.across(ctx, func(q *db.Queries) error {
				err := q.ForgetRuns(ctx, db.ForgetRunsParams{Oldest: r.oldest, Through: r.again})
				if err != nil {
					return err
				}
				return q.AdvanceRuns(ctx, db.AdvanceRunsParams{Oldest: r.oldest, Through: r.again})
			})
		})
	}
	last := through.Add(-BucketLength)
	r.step(ctx, "platform health", func() error {
		return r.across(ctx, func(q *db.Queries) error {
			return q.ComputePlatform(ctx, db.ComputePlatformParams{PeriodStart: last,
				PeriodEnd: through})
		})
	})
	r.retain(ctx)
}

// step does something whose failure stops nothing else, unless the run was ended.
func (r *run) step(ctx context.Context, name string, do func() error, attrs ...any) (ok bool) {
	if ctx.Err() != nil {
		return false
	}
	err := do()
	if err != nil {
		r.done.Failed++
		r.Log.ErrorContext(ctx, "aggregation step failed",
			append(attrs, "step", name, "error", err)...)
	}
	return err == nil
}

// share is a kind of work's time: half of what is left, so that each kind moves on, also in a run
// that has more to do than it has time for.
func share(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-(time.Until(deadline)-reserve)/2))
}

func (r *run) outOfTime(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && time.Until(deadline) < reserve
}

func (r *run) report() {
	r.Metrics.Emit(map[string]string{"schedule": "analytics-aggregation"},
		telemetry.Metric{Name: "RollupLag", Unit: telemetry.Milliseconds, Value: r.done.Lag * 1000},
		telemetry.Metric{Name: "ChangesTooLate", Unit: telemetry.Count,
			Value: float64(r.done.TooLate)},
		telemetry.Metric{Name: "TasksAbandoned", Unit: telemetry.Count,
			Value: float64(r.done.Abandoned)})
}
