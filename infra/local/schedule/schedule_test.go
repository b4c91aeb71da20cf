package schedule

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"
)

func TestRunFiresAtItsInterval(t *testing.T) {
	t.Parallel()
	fired := make(chan string)
	r := Runner{
		Schedules: []Schedule{{Name: "fast", Function: "fn", Every: time.Millisecond,
			Input: `{"schedule":"fast","time":"<aws.scheduler.scheduled-time>"}`},
			{Name: "slow", Function: "fn", Every: time.Hour}},
		Invoke: func(_ context.Context, function string, payload []byte) ([]byte, error) {
			fired <- function + " " + string(payload)
			return nil, errors.New("a failure does not stop the schedule")
		},
		Log: slog.New(slog.DiscardHandler),
		Now: func() time.Time {
			return time.Date(2026, 5, 4, 3, 2, 1, 9,
				time.FixedZone("", 3600))
		},
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { r.Run(ctx); close(ended) }()
	for range 3 {
		if got, want := <-fired, `fn {"schedule":"fast","time":"2026-05-04T02:02:01Z"}`; got != want {
			t.Errorf("fired %s, want %s", got, want)
		}
	}
	cancel()
	for {
		select {
		case <-fired:
		case <-ended:
			return
		}
	}
}

func TestFire(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	r := Runner{
		Schedules: []Schedule{{Name: "works", Function: "works", Every: time.Hour},
			{Name: "fails", Function: "fails", Every: time.Hour}},
		Invoke: func(_ context.Context, function string, _ []byte) ([]byte, error) {
			if function == "fails" {
				return nil, broken
			}
			return []byte(`{"done":1}`), nil
		},
		Now: time.Now,
	}
	if answer, err := r.Fire(t.Context(), "works"); err != nil || string(answer) != `{"done":1}` {
		t.Errorf("works: %s, %v", answer, err)
	}
	if _, err := r.Fire(t.Context(), "fails"); !errors.Is(err, broken) {
		t.Errorf("fails: %v", err)
	}
	if _, err := r.Fire(t.Context(), "never"); !errors.Is(err, ErrUnknown) {
		t.Errorf("never: %v", err)
	}
}
