package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/toolboxai-solutions/satchel/infra/local/runtime"
	"github.com/toolboxai-solutions/satchel/infra/local/stack"
)

// patience bounds what is waited for.
const patience = time.Minute

// The functions that are measured, by the names that template.yaml gives them.
const (
	fileAPI         = "satchel-file-api-http"
	fileMaintenance = "satchel-file-api-maintenance"
	fileProcessing  = "satchel-file-processing-events"
	dispatcher      = "satchel-notification-dispatcher-delivery"
)

// fixture is a running stack with many rows in its database, and what its functions report.
type fixture struct {
	*stack.Stack
	options   options
	superuser *pgxpool.Pool // past every policy
	dir       string
	tenant    tenants

	mu      sync.Mutex
	reports map[string][]runtime.Report // by function
}

func newFixture(ctx context.Context, o options) (*fixture, error) {
	w := &fixture{options: o, reports: map[string][]runtime.Report{}}
	if err := w.start(ctx); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *fixture) start(ctx context.Context) (err error) {
	if w.dir, err = os.MkdirTemp("", "satchel-bench-*"); err != nil {
		return err
	}
	// PostgreSQL may run as another user who has to pass
	if err := os.Chmod(w.dir, 0o711); err != nil {
		return err
	}
	w.Stack, err = stack.Start(ctx, stack.Options{
		DataDir: w.dir + "/stack", Clamd: stack.ScannerOff, Progress: os.Stderr, Report: w.note,
		NoSchedules: true, Throwaway: true,
		// What is measured is how fast it goes, not the pace that it is held to.
		Tune: func(f *runtime.Function) { f.Env["ENABLE_RATE_LIMITING"] = "false" },
	})
	if err != nil {
		return err
	}
	if w.superuser, err = pgxpool.New(ctx, w.Ready.DatabaseURL); err != nil {
		return err
	}
	w.tenant, err = seed(ctx, w.superuser)
	return err
}

func (w *fixture) close() error {
	var err error
	if w.superuser != nil {
		w.superuser.Close()
	}
	if w.Stack != nil {
		err = w.Stop()
	}
	return errors.Join(err, os.RemoveAll(w.dir))
}

func (w *fixture) note(r runtime.Report) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reports[r.Function] = append(w.reports[r.Function], r)
}

// take returns a function's reports since the last take. One of a failed invocation spoils a
// measurement.
func (w *fixture) take(function string) ([]runtime.Report, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	reports := w.reports[function]
	delete(w.reports, function)
	for _, r := range reports {
		if r.Err != nil {
			return nil, fmt.Errorf("an invocation failed: %w", r.Err)
		}
	}
	return reports, nil
}

// takeAll waits for the reports of what was started: a file is available a moment before its
// function answers.
func (w *fixture) takeAll(ctx context.Context, function string,
	want int) (all []runtime.Report, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		reports, err := w.take(function)
		if err != nil {
			return nil, err
		}
		if all = append(all, reports...); len(all) == want {
			return all, nil
		}
		if len(all) > want {
			return nil, fmt.Errorf("%d invocations of %s where %d were expected", len(all),
				function, want)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for %s: %w", function, ctx.Err())
		case <-time.After(time.Millisecond):
		}
	}
}

// invoke runs a function and returns its answer with the report of it.
func (w *fixture) invoke(ctx context.Context, function string,
	event []byte) ([]byte, runtime.Report, error) {
	if _, err := w.take(function); err != nil {
		return nil, runtime.Report{}, err
	}
	answer, err := w.Runtime.Invoke(ctx, function, event)
	if err != nil {
		return nil, runtime.Report{}, err
	}
	reports, err := w.takeAll(ctx, function, 1)
	if err != nil {
		return nil, runtime.Report{}, err
	}
	return answer, reports[0], nil
}

// await waits until a file is in a final state, which has to be available. It looks into the
// database, because asking the API would take more processor time from what is measured.
func (w *fixture) await(ctx context.Context, file uuid.UUID, every time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		var status, reason string
		err := w.superuser.QueryRow(ctx, `SELECT status, coalesce(status_reason, '') FROM files
			WHERE id = $1 AND organization_id = $2`,
			file, w.tenant.uploads).Scan(&status, &reason)
		switch {
		case err != nil:
			return fmt.Errorf("wait for file %s: %w", file, err)
		case status == "available":
			return nil
		case status != "pending" && status != "processing":
			return fmt.Errorf("file %s is %s: %s", file, status, reason)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("file %s is still %s: %w", file, status, ctx.Err())
		case <-time.After(every):
		}
	}
}
