package channels

import (
	"net/http"
	"strconv"
	"time"
)

// Fault is how one request goes wrong, for tests of what Pusher does to its
// callers on a bad day. The zero value goes right.
type Fault struct {
	// Delay comes before everything else.
	Delay time.Duration
	// Status is answered in place of handling the request.
	Status int
	// RetryAfter is the header of that name, with Status.
	RetryAfter string
	// Hang never answers.
	Hang bool
	// Cut ends the connection without an answer.
	Cut bool
	// Handle has the request handled before Hang or Cut: only the answer is lost.
	Handle bool
	// Torn ends the connection within the answer's body.
	Torn bool
	// Trickle is the time between two bytes of the answer's body.
	Trickle time.Duration
}

// Disturb asks fault about each request from now on, before it is looked at; nil
// ends it. The hook may be asked by several requests at once.
func (s *Server) Disturb(fault func(*http.Request) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fault
}

func (s *Server) disturbed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		fault := s.fault
		s.mu.Unlock()
		if fault == nil {
			next.ServeHTTP(w, r)
			return
		}
		s.misbehave(fault(r), next, w, r)
	})
}

func (s *Server) misbehave(f Fault, next http.Handler, w http.ResponseWriter, r *http.Request) {
	if f.Delay > 0 {
		s.wait(r, time.After(f.Delay))
	}
	switch {
	case f.Status != 0:
		if f.RetryAfter != "" {
			w.Header().Set("Retry-After", f.RetryAfter)
		}
		http.Error(w, "disturbed: "+http.StatusText(f.Status), f.Status)
	case f.Hang || f.Cut || f.Torn || f.Trickle > 0:
		answer := &answer{header: http.Header{}, status: http.StatusOK}
		if f.Handle || f.Torn || f.Trickle > 0 {
			next.ServeHTTP(answer, r)
		}
		if f.Hang {
			s.wait(r, nil)
		}
		if f.Hang || f.Cut {
			panic(http.ErrAbortHandler)
		}
		s.send(answer, f, w, r)
	default:
		next.ServeHTTP(w, r)
	}
}

// send passes an answer on, slowly or not to its end.
func (s *Server) send(a *answer, f Fault, w http.ResponseWriter, r *http.Request) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	flush := http.NewResponseController(w)
	for i := range a.body {
		if f.Torn && i == len(a.body)/2 {
			_ = flush.Flush() // the headers at least have to arrive
			panic(http.ErrAbortHandler)
		}
		if f.Trickle > 0 {
			_ = flush.Flush() // a client that has gone is noticed by wait
			s.wait(r, time.After(f.Trickle))
		}
		_, _ = w.Write(a.body[i : i+1]) // a client that has gone
	}
}

// wait ends with until, with the client's patience, or with the server.
func (s *Server) wait(r *http.Request, until <-chan time.Time) {
	select {
	case <-until:
	case <-r.Context().Done():
		panic(http.ErrAbortHandler)
	case <-s.context.Done():
		panic(http.ErrAbortHandler)
	}
}

// answer is one that was not sent yet.
type answer struct {
	header http.Header
	status int
	body   []byte
}

func (a *answer) Header() http.Header    { return a.header }
func (a *answer) WriteHeader(status int) { a.status = status }
func (a *answer) Write(p []byte) (int, error) {
	a.body = append(a.body, p...)
	return len(p), nil
}
