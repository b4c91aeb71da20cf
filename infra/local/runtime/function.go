package runtime

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// invocation is one event on its way through a sandbox.
type invocation struct {
	id       string
	payload  []byte
	deadline time.Time
	done     chan result
}

type result struct {
	body []byte
	err  error
}

// function is a pool of sandboxes. A slot is held from before a sandbox is chosen until it polls
// for more work or is gone, so that there are never more processes than slots.
type function struct {
	Function
	dir     string
	log     func(function string, line []byte)
	report  func(Report)
	stopped context.Context
	running *sync.WaitGroup
	slots   chan struct{}

	mu        sync.Mutex
	idle      []*sandbox
	sandboxes map[*sandbox]bool
}

func (f *function) invoke(ctx context.Context, inv *invocation) ([]byte, error) {
	select {
	case f.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("invoke %s: %w", f.Name, ctx.Err())
	case <-f.stopped.Done():
		return nil, fmt.Errorf("invoke %s: %w", f.Name, ErrClosed)
	}
	go func() {
		r := f.serve(inv)
		<-f.slots
		inv.done <- r
	}()
	select {
	case r := <-inv.done:
		return r.body, r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("invoke %s: %w", f.Name, ctx.Err())
	}
}

// serve gives the invocation to a warm sandbox, else to a new one, and keeps the sandbox if it
// lives on.
func (f *function) serve(inv *invocation) result {
	s, init, err := f.hand(inv)
	if err != nil {
		return result{err: err}
	}
	began := time.Now()
	timeout := time.NewTimer(time.Until(inv.deadline))
	defer timeout.Stop()

	var r result
	select {
	case r = <-s.results:
	case <-timeout.C:
		r.err = f.fail(TypeTimeout, fmt.Sprintf("%s %s Task timed out after %.2f seconds",
			time.Now().UTC().Format(time.RFC3339), inv.id, f.Timeout.Seconds()))
		s.kill()
	case <-s.exited:
		r = s.lastWords(inv)
	}
	taken, peak := time.Since(began), peakMemory(s.pid())
	used := max(0, processorTime(s.pid())-s.spent)

	// A function that panicked answers first and exits then: only one that polls again is warm. The
	// caller gets its answer after that, so that whoever calls in sequence meets one sandbox.
	select {
	case <-s.polls:
		f.keep(s)
	case <-s.exited:
	case <-timeout.C:
		s.kill()
	}
	if f.report != nil {
		f.report(Report{Function: f.Name, RequestID: inv.id, Duration: taken, Init: init, CPU: used,
			MaxMemory: peak, Err: r.err})
	}
	return r
}

// hand passes the invocation to a sandbox that waits for work. The duration is the sandbox's own
// start.
func (f *function) hand(inv *invocation) (*sandbox, time.Duration, error) {
	for {
		s := f.takeIdle()
		if s == nil {
			break
		}
		s.spent = processorTime(s.pid())
		inv.deadline = time.Now().Add(f.Timeout)
		select {
		case s.work <- inv:
			return s, 0, nil
		case <-s.exited:
		}
	}
	began := time.Now()
	s, err := f.start()
	if err != nil {
		return nil, 0, fmt.Errorf("start a sandbox of %s: %w", f.Name, err)
	}
	select {
	case <-s.polls:
	case err := <-s.initFailure:
		s.kill()
		return nil, 0, err
	case <-s.exited:
		return nil, 0, s.lastWords(inv).err
	case <-time.After(initTimeout):
		s.kill()
		return nil, 0, f.fail(TypeTimeout, fmt.Sprintf("%s Init timed out after %s", inv.id,
			initTimeout))
	}
	init := time.Since(began)
	inv.deadline = time.Now().Add(f.Timeout)
	select {
	case s.work <- inv:
		return s, init, nil
	case <-s.exited:
		return nil, 0, s.lastWords(inv).err
	}
}

func (f *function) takeIdle() *sandbox {
	f.mu.Lock()
	defer f.mu.Unlock()
	for n := len(f.idle); n > 0; n = len(f.idle) {
		s := f.idle[n-1]
		f.idle = f.idle[:n-1]
		if s.alive() {
			return s
		}
	}
	return nil
}

func (f *function) keep(s *sandbox) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.idle = append(f.idle, s)
}

// register makes a started sandbox known to Kill and Close; false when the host was stopped
// meanwhile.
func (f *function) register(s *sandbox) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sandboxes[s] = true
	return f.stopped.Err() == nil
}

func (f *function) forget(s *sandbox) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.sandboxes, s)
}

func (f *function) killAll() int {
	f.mu.Lock()
	var all []*sandbox
	for s := range f.sandboxes {
		all = append(all, s)
	}
	f.mu.Unlock()
	for _, s := range all {
		s.kill()
	}
	for _, s := range all {
		<-s.exited
	}
	return len(all)
}

func (f *function) fail(kind, message string) *FunctionError {
	return &FunctionError{Function: f.Name, Type: kind, Message: message}
}
