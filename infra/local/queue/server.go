// Package queue is the local stack's SQS: standard queues with visibility
// timeouts, delays, long polling and dead-letter queues, spoken to in the AWS
// JSON protocol, and the poller that Lambda has for a queue.
//
// It is not SQS where that would only slow a test down: messages come in the
// order they were sent unless they were delayed or received before, nothing is
// delivered twice without a reason, and counts are exact.
package queue

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/toolboxai-solutions/satchel/infra/template"
)

const (
	region  = "us-east-1"
	account = "000000000000"
)

// Options of a server.
type Options struct {
	// Dir keeps the messages, in a file that is written before a message is
	// accepted: it survives the end of the process at any point, though not
	// of the machine. Empty keeps nothing.
	Dir    string
	Queues []template.Queue
	// Listener is where to serve; nil means at a port that the system chooses.
	Listener net.Listener
	// Authority knows the access keys and decides what their holders may do; nil asks for no more
	// than that a request is signed.
	Authority Authority
	// Now is the clock of delays and visibility; nil means time.Now.
	Now func() time.Time
}

// Stats counts the messages of one queue.
type Stats struct {
	// Depth counts what waits, delayed messages included.
	Depth int
	// InFlight counts what was received and neither deleted nor given back.
	InFlight int
	// DeadLetters counts what its dead-letter queue holds.
	DeadLetters int
}

// Server is a running queue server.
type Server struct {
	// Endpoint is http://127.0.0.1:port, good for AWS_ENDPOINT_URL_SQS.
	Endpoint string

	authority Authority
	now       func() time.Time
	http      *http.Server
	served    chan error
	stopped   chan struct{}

	mu      sync.Mutex
	queues  map[string]*queue
	journal *journal
	changed chan struct{}
}

// Start loads the messages of dir and serves the declared queues. Messages that
// were in flight are visible again: whoever held them ended with the stack.
func Start(o Options) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{authority: o.Authority, now: o.Now, served: make(chan error, 1),
		stopped: make(chan struct{}), changed: make(chan struct{}), queues: map[string]*queue{}}
	for _, c := range o.Queues {
		if c.Visibility == 0 {
			c.Visibility = 30 * time.Second // as SQS has it
		}
		s.queues[c.Name] = &queue{Queue: c}
	}
	for _, q := range s.queues {
		if _, ok := s.queues[q.DeadLetter]; !ok && (q.MaxReceives > 0 || q.DeadLetter != "") {
			return nil, fmt.Errorf("queue %s: its dead-letter queue %q is not declared", q.Name,
				q.DeadLetter)
		}
	}
	var err error
	if s.journal, err = openJournal(o.Dir, s.queues); err != nil {
		return nil, err
	}
	listener := o.Listener
	if listener == nil {
		if listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return nil, errors.Join(fmt.Errorf("listen for queue clients: %w", err),
				s.journal.close())
		}
	}
	s.Endpoint = Endpoint(listener)
	s.http = &http.Server{Handler: http.HandlerFunc(s.serveHTTP),
		ReadHeaderTimeout: 10 * time.Second}
	go func() { s.served <- s.http.Serve(listener) }()
	return s, nil
}

// Stop ends the server. Receives that wait for messages end empty.
func (s *Server) Stop() error {
	close(s.stopped)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if served := <-s.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := errors.Join(err, s.journal.close()); err != nil {
		return fmt.Errorf("stop the queue server: %w", err)
	}
	return nil
}

// Endpoint is the address of a server at a listener.
func Endpoint(l net.Listener) string { return "http://" + l.Addr().String() }

// URL is the queue's URL.
func (s *Server) URL(name string) string { return URL(s.Endpoint, name) }

// URL is the URL of a queue of the server at an endpoint.
func URL(endpoint, name string) string { return endpoint + "/" + account + "/" + name }

// Send puts a message into a queue, as a service of AWS does that publishes to
// one. It has returned only when the message is kept.
func (s *Server) Send(name, body string) error {
	_, err := s.send(name, body, nil, 0)
	if err != nil {
		return fmt.Errorf("send to queue %s: %w", name, err)
	}
	return nil
}

// Stats counts the messages of one queue; all are 0 for one that is not declared.
func (s *Server) Stats(name string) Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, ok := s.queues[name]
	if !ok {
		return Stats{}
	}
	now := s.now()
	waiting, delayed, inFlight := q.count(now)
	stats := Stats{Depth: waiting + delayed, InFlight: inFlight}
	if dead, ok := s.queues[q.DeadLetter]; ok {
		stats.DeadLetters = len(dead.messages)
	}
	return stats
}

func (s *Server) isStopped() bool {
	select {
	case <-s.stopped:
		return true
	default:
		return false
	}
}
