// Package schedule invokes functions at intervals and on demand, as EventBridge Scheduler does.
package schedule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// ErrUnknown says that no schedule has this name.
var ErrUnknown = errors.New("no such schedule")

// Schedule fires one function.
type Schedule struct {
	Name, Function string
	Every          time.Duration
}

// Event is what a function receives from its schedule.
type Event struct {
	Schedule string    `json:"schedule"`
	Time     time.Time `json:"time"`
}

// Runner fires a table of schedules.
type Runner struct {
	Schedules []Schedule
	Invoke    func(ctx context.Context, function string, payload []byte) ([]byte, error)
	Log       *slog.Logger
	Now       func() time.Time
}

// Run fires each schedule at its interval until the context ends, the first time after one interval. A
// schedule whose function still runs is not fired again.
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
	payload, err := json.Marshal(Event{Schedule: s.Name, Time: r.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return nil, fmt.Errorf("event of %s: %w", s.Name, err)
	}
	answer, err := r.Invoke(ctx, s.Function, payload)
	if err != nil {
		return nil, fmt.Errorf("fire %s: %w", s.Name, err)
	}
	return answer, nil
}
