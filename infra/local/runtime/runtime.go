// Package runtime runs shipped Lambda binaries the way Lambda does: each sandbox is one process
// that speaks the Runtime API (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html) to a
// listener of its own.
package runtime

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/uuid"
)

const (
	// MaxPayload is Lambda's limit for a synchronous request and for its response, in bytes.
	MaxPayload = 6 * 1024 * 1024
	// initTimeout is how long Lambda lets a sandbox initialise before its first invocation.
	initTimeout = 10 * time.Second

	defaultTimeout     = 3 * time.Second
	defaultMemoryMB    = 128
	defaultConcurrency = 4
	region             = "us-east-1"
	account            = "000000000000"
)

// Function is one Lambda: a binary with its settings and limits.
type Function struct {
	Name   string
	Binary string
	// Env is all that the process sees besides what Lambda itself sets; nothing is inherited.
	Env map[string]string
	// Timeout of one invocation, 3 s by default as in Lambda.
	Timeout time.Duration
	// MemoryMB is the resident memory above which the sandbox is killed, 128 by default as in
	// Lambda. It is enforced where /proc tells it (Linux).
	MemoryMB int
	// Concurrency is how many sandboxes may run at once; an Invoke above it waits for a free one. 4
	// by default.
	Concurrency int
}

// Config of a Host.
type Config struct {
	Functions []Function
	// Dir holds the scratch directories of sandboxes; each is removed when its sandbox ends.
	Dir string
	// Log is called with each line that a function prints, by several goroutines at once. It must
	// not keep the line. Nil discards it.
	Log func(function string, line []byte)
	// Report is called after each invocation, when set. It must not block.
	Report func(Report)
}

// Report tells what one invocation took, like the REPORT line of Lambda's log.
type Report struct {
	Function, RequestID string
	Duration            time.Duration
	// Init is how long the sandbox needed from start to its first poll; zero when it was warm.
	Init time.Duration
	// CPU is the processor time that the sandbox used until the function answered, user and system,
	// that of its start included; zero when the process is gone, and outside Linux.
	CPU time.Duration
	// MaxMemory is the sandbox's peak resident memory in bytes; zero where /proc does not tell.
	MaxMemory int64
	Err       error
}

// FunctionError is an invocation that the function, or the sandbox around it, failed.
// Its JSON is what Lambda answers with X-Amz-Function-Error.
type FunctionError struct {
	Function string          `json:"-"`
	Message  string          `json:"errorMessage"`
	Type     string          `json:"errorType"`
	Trace    json.RawMessage `json:"stackTrace,omitempty"`
}

func (e *FunctionError) Error() string {
	return fmt.Sprintf("function %s: %s: %s", e.Function, e.Type, e.Message)
}

// The error types of the sandbox itself; every other comes from the function.
const (
	TypeTimeout     = "Sandbox.Timedout"
	TypeExit        = "Runtime.ExitError"
	TypeOutOfMemory = "Runtime.OutOfMemory"
	TypeTooLarge    = "Function.ResponseSizeTooLarge"
)

// Errors of Invoke that are not the function's.
var (
	ErrUnknownFunction = errors.New("no such function")
	ErrTooLarge        = fmt.Errorf("payload is larger than %d bytes", MaxPayload)
	ErrClosed          = errors.New("the runtime is stopped")
)

// Host runs a set of functions.
type Host struct {
	functions map[string]*function
	stop      context.CancelCauseFunc
	running   *sync.WaitGroup
}

// Start makes a host; it starts no process before the first Invoke. Every binary must exist.
func Start(ctx context.Context, cfg Config) (*Host, error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the sandboxes' directory: %w", err)
	}
	if cfg.Log == nil {
		cfg.Log = func(string, []byte) {}
	}
	ctx, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	h := &Host{functions: map[string]*function{}, stop: stop, running: &sync.WaitGroup{}}
	for _, fn := range cfg.Functions {
		binary, err := filepath.Abs(fn.Binary)
		if err == nil {
			_, err = os.Stat(binary)
		}
		if err != nil {
			return nil, fmt.Errorf("binary of function %s: %w", fn.Name, err)
		}
		fn.Binary = binary
		fn.Timeout = cmp.Or(fn.Timeout, defaultTimeout)
		fn.MemoryMB = cmp.Or(fn.MemoryMB, defaultMemoryMB)
		fn.Concurrency = cmp.Or(fn.Concurrency, defaultConcurrency)
		h.functions[fn.Name] = &function{
			Function: fn, dir: cfg.Dir, log: cfg.Log, report: cfg.Report,
			stopped: ctx, running: h.running,
			slots: make(chan struct{}, fn.Concurrency), sandboxes: map[*sandbox]bool{},
		}
	}
	return h, nil
}

// Invoke runs one function with one event and returns its answer. The error is a *FunctionError
// when the function failed, timed out, crashed or ran out of memory. As in Lambda, an invocation
// whose caller goes away runs to its end.
func (h *Host) Invoke(ctx context.Context, name string, payload []byte) ([]byte, error) {
	f, ok := h.functions[name]
	if !ok {
		return nil, fmt.Errorf("invoke %s: %w", name, ErrUnknownFunction)
	}
	if len(payload) > MaxPayload {
		return nil, fmt.Errorf("invoke %s: %w", name, ErrTooLarge)
	}
	return f.invoke(ctx, &invocation{id: uuid.NewString(), payload: payload,
		done: make(chan result, 1)})
}

// Kill ends every sandbox of a function with SIGKILL, also in the middle of an invocation, and
// returns how many there were. The next Invoke starts a new one.
func (h *Host) Kill(name string) int {
	f, ok := h.functions[name]
	if !ok {
		return 0
	}
	return f.killAll()
}

// Busy tells how many sandboxes of a function are working now.
func (h *Host) Busy(name string) int {
	if f, ok := h.functions[name]; ok {
		return len(f.slots)
	}
	return 0
}

// Close kills every sandbox and returns when no process is left.
func (h *Host) Close() {
	h.stop(ErrClosed)
	for _, f := range h.functions {
		f.killAll()
	}
	h.running.Wait()
}
