// Package schedule invokes functions at intervals and on demand, as EventBridge Scheduler does.
package schedule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// ErrUnknown says that no schedule has this name.
var ErrUnknown = errors.New("no such schedule")

// Schedule fires one function.
type Schedule struct {
	Name, Function string
	Every          time.Duration
	// Input is what the function receives, with the time of the run in the place of scheduledTime.
	Input string
}

// scheduledTime is EventBridge Scheduler's name for the time of a run
// (https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html).
const scheduledTime = "<aws.scheduler.scheduled-time>"

// Runner fires a table of schedules.
type Runner struct {
	Schedules []Schedule
	Invoke    func(ctx context.Context, function string, payload []byte) ([]byte, error)
	Log       *slog.Logger
	Now       func() time.Time
}

// Run fires each schedule at its interval until the context ends, the first time after one
// interval. A schedule whose function still runs is not fired again.
func (r Runner) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, s := range r.Schedules {
		all.Go(func() {
			tick := time.NewTicker(s.Every)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
					if _, err := r.fire(ctx, s); err != nil && ctx.Err() == nil {
						r.Log.Error("schedule failed", "schedule", s.Name, "error", err)
					}
				}
			}
		})
	}
	all.Wait()
}

// Fire invokes the function of a schedule now and waits for its answer.
func (r Runner) Fire(ctx context.Context, name string) (json.RawMessage, error) {
	for _, s := range r.Schedules {
		if s.Name == name {
			return r.fire(ctx, s)
		}
	}
	return nil, fmt.Errorf("fire %s: %w", name, ErrUnknown)
}

func (r Runner) fire(ctx context.Context, s Schedule) (json.RawMessage, error) {
	input := strings.ReplaceAll(s.Input, scheduledTime,
		r.Now().UTC().Format("2006-01-02T15:04:05Z"))
	answer, err := r.Invoke(ctx, s.Function, []byte(input))
	if err != nil {
		return nil, fmt.Errorf("fire %s: %w", s.Name, err)
	}
	return answer, nil
}
