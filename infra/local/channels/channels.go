// Package channels is the local stack's Pusher Channels: one app, spoken to by
// Pusher's own libraries over its HTTP API and its WebSocket protocol, version 7.
// https://pusher.com/docs/channels/library_auth_reference/rest-api/
// https://pusher.com/docs/channels/library_auth_reference/pusher-websockets-protocol/
//
// Signatures, limits and error codes are Pusher's. Missing are what needs more
// than one app or one process (clusters, webhooks, watchlists), cache channels,
// and the transports that replace WebSocket in old browsers.
package channels

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Options of a server. The zero value is an app of its own on a free port.
type Options struct {
	// AppID, Key and Secret are the app's credentials; each is made where it is empty.
	AppID, Key, Secret string
	// Address to listen on; empty means a free port of 127.0.0.1.
	Address string
	// Quota is how many events a window takes; 0 means any number. What is over
	// it is answered 429, with the seconds to the window's end in Retry-After.
	Quota int
	// QuotaWindow is the length of a window; 0 means a second.
	QuotaWindow time.Duration
	// ActivityTimeout is after how much silence a client should send a ping, told
	// to it when it connects; 0 means Pusher's 120 seconds.
	ActivityTimeout time.Duration
	// OnEvent is told each event that the HTTP API accepted, in their order and
	// before the answer; nil means nobody is. It must not call the server.
	OnEvent func(Event)
	// Now is the clock of signatures and quota; nil means time.Now.
	Now func() time.Time
}

// Event is one event for one channel, as it was accepted.
type Event struct {
	Channel, Name string
	// Data as it was sent: for a private-encrypted- channel a nonce and a ciphertext.
	Data string

	except string // the socket id that does not get it
}

// Server is a running server.
type Server struct {
	// Host is the host:port of the HTTP API and of the WebSocket.
	Host               string
	AppID, Key, Secret string

	now     func() time.Time
	hub     *hub
	quota   *quota
	http    *http.Server
	served  chan error
	context context.Context // ends with the server
	stop    context.CancelFunc

	mu      sync.Mutex
	fault   func(*http.Request) Fault
	stopped bool
	running sync.WaitGroup // requests and connections; joined under mu, while not stopped
}

// Start serves one app.
func Start(o Options) (*Server, error) {
	listener, err := net.Listen("tcp", cmp.Or(o.Address, "127.0.0.1:0"))
	if err != nil {
		return nil, fmt.Errorf("listen for channel clients: %w", err)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{
		Host:   listener.Addr().String(),
		AppID:  cmp.Or(o.AppID, "1"),
		Key:    cmp.Or(o.Key, rand.Text()),
		Secret: cmp.Or(o.Secret, rand.Text()),
		now:    o.Now,
		hub:    newHub(o.OnEvent, cmp.Or(o.ActivityTimeout, activityTimeout)),
		quota:  &quota{events: o.Quota, window: cmp.Or(o.QuotaWindow, time.Second)},
		served: make(chan error, 1),
	}
	s.context, s.stop = context.WithCancel(context.Background())
	s.http = &http.Server{
		Handler: s.tracked(s.disturbed(s.routes())), ReadHeaderTimeout: 10 * time.Second,
	}
	go func() { s.served <- s.http.Serve(listener) }()
	return s, nil
}

// Stop ends the server and every request and connection, at once.
func (s *Server) Stop() error {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.stop()
	err := s.http.Close()
	if served := <-s.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	s.running.Wait()
	if err != nil {
		return fmt.Errorf("stop the channels server: %w", err)
	}
	return nil
}

// tracked has Stop wait for what runs, hijacked connections included.
func (s *Server) tracked(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		if s.stopped {
			s.mu.Unlock()
			panic(http.ErrAbortHandler)
		}
		s.running.Add(1)
		s.mu.Unlock()
		defer s.running.Done()
		next.ServeHTTP(w, r)
	})
}

// DropConnections cuts every WebSocket without a word, as a lost network does.
func (s *Server) DropConnections() { s.hub.drop() }

// Subscriptions counts the connections that are subscribed to a channel.
func (s *Server) Subscriptions(channel string) int { return s.hub.info(channel).subscriptions }

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	api := func(pattern string, handle func(http.ResponseWriter, *http.Request, []byte)) {
		mux.HandleFunc(pattern, s.signed(handle))
	}
	api("POST /apps/{app}/events", s.postEvent)
	api("POST /apps/{app}/batch_events", s.postBatch)
	api("GET /apps/{app}/channels", s.getChannels)
	api("GET /apps/{app}/channels/{channel}", s.getChannel)
	api("GET /apps/{app}/channels/{channel}/users", s.getUsers)
	api("POST /apps/{app}/users/{user}/terminate_connections", s.terminate)
	mux.HandleFunc("GET /app/{key}", s.connect)
	return mux
}
