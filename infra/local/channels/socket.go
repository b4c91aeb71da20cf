package channels

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/coder/websocket"
)

const (
	// maxMessage from a client: the largest event, with every byte escaped.
	maxMessage = 64 << 10
	// maxQueued messages for a client that does not read; then it is cut off.
	maxQueued = 1 << 16
	// writeTimeout for one message.
	writeTimeout = 30 * time.Second
)

// A socket is one client's connection.
type socket struct {
	id     string
	user   string // under the hub's lock; empty until signed in
	server *Server
	conn   *websocket.Conn
	cancel context.CancelFunc // cuts it without a word
	rate   quota              // of client events

	mu     sync.Mutex
	queued [][]byte
	ended  *websocket.CloseError // what to say once the queue is written
	heard  time.Time
	wake   chan struct{}
}

// connect is a client's whole life.
func (s *Server) connect(w http.ResponseWriter, r *http.Request) {
	// Pages of every origin may connect to Pusher.
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return // Accept has answered
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(maxMessage)
	ctx, cancel := context.WithCancel(s.context)
	defer cancel()
	c := &socket{
		id:     fmt.Sprintf("%d.%d", rand.Uint32(), rand.Uint32()),
		server: s, conn: conn, cancel: cancel, heard: time.Now(), wake: make(chan struct{}, 1),
		rate: quota{events: maxClientRate, window: time.Second},
	}
	if code, why := s.refuses(r); code != 0 {
		c.end(code, why)
		c.write(ctx)
		return
	}
	s.hub.join(c)
	defer s.hub.leave(c)
	c.queue(message{Event: "pusher:connection_established", Data: object(map[string]any{
		"socket_id": c.id, "activity_timeout": s.hub.activity.Seconds(),
	})}.encode())
	// The reader ends when the writer closes, the writer when the reader fails.
	var reading sync.WaitGroup
	reading.Go(func() {
		defer cancel()
		c.read(ctx)
	})
	c.write(ctx)
	cancel()
	reading.Wait()
}

// refuses says why a client may not connect.
func (s *Server) refuses(r *http.Request) (code int, why string) {
	version, err := strconv.Atoi(r.URL.Query().Get("protocol"))
	switch {
	case r.PathValue("key") != s.Key:
		return codeUnknownApp, "App key not in this cluster. Did you forget to specify the cluster?"
	case !r.URL.Query().Has("protocol"):
		return codeNoVersion, "No protocol version supplied"
	case err != nil:
		return codeBadVersion, "Invalid version string format"
	case version < 5 || version > 7:
		return codeUnsupportedVersion, "Unsupported protocol version"
	}
	return 0, ""
}

func (c *socket) read(ctx context.Context) {
	for {
		_, data, err := c.conn.Read(ctx)
		if err != nil {
			return
		}
		c.mu.Lock()
		c.heard = time.Now()
		c.mu.Unlock()
		c.handle(data)
	}
}

// queue has the writer send a message; it never waits for the client.
func (c *socket) queue(encoded []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended != nil {
		return
	}
	if len(c.queued) >= maxQueued {
		c.cancel()
		return
	}
	c.queued = append(c.queued, encoded)
	c.nudge()
}

// end tells the client why, after everything that is queued, and closes.
func (c *socket) end(code int, why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended != nil {
		return
	}
	c.queued = append(c.queued, failure(code, why).encode())
	c.ended = &websocket.CloseError{Code: websocket.StatusCode(code), Reason: why}
	c.nudge()
}

func (c *socket) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// write sends what is queued until the connection ends, and asks a silent client whether it is
// still there.
func (c *socket) write(ctx context.Context) {
	quiet := time.NewTicker(max(c.server.hub.activity/4, time.Millisecond))
	defer quiet.Stop()
	var asked bool
	for {
		c.mu.Lock()
		batch, ended, silent := c.queued, c.ended, time.Since(c.heard)
		c.queued = nil
		c.mu.Unlock()
		for _, encoded := range batch {
			if !c.send(ctx, encoded) {
				return
			}
		}
		if ended != nil {
			_ = c.conn.Close(ended.Code, ended.Reason) // the client may have gone first
			return
		}
		switch {
		case silent <= c.server.hub.activity:
			asked = false
		case !asked:
			asked = true
			c.queue(message{Event: "pusher:ping", Data: text("{}")}.encode())
		case silent > c.server.hub.activity+pongTimeout:
			c.end(codeNoPong, "Pong reply not received")
		}
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		case <-quiet.C:
		}
	}
}

func (c *socket) send(ctx context.Context, encoded []byte) bool {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return c.conn.Write(ctx, websocket.MessageText, encoded) == nil
}
