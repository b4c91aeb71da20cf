package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/toolboxai-solutions/satchel/infra/pgtest"

	"github.com/toolboxai-solutions/satchel/shared/objectkey"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

// How a connection fails at one point.
type failure string

const (
	refused    failure = "refused"         // it never arrives
	unanswered failure = "unanswered"      // it is done, and the answer is lost
	cut        failure = "cut in its body" // the answer stops half way
)

var errInjected = errors.New("injected")

// faultyStore is a way to the object store that fails once, at the request with the number at (from
// 1).
type faultyStore struct {
	at       int64
	how      failure
	requests atomic.Int64
	before   func(n int64, r *http.Request) // called ahead of every request; may be nil
	body     func(io.ReadCloser) io.ReadCloser
}

func (f *faultyStore) RoundTrip(r *http.Request) (*http.Response, error) {
	n := f.requests.Add(1)
	if f.before != nil {
		f.before(n, r)
	}
	if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/"+objectkey.IncomingPrefix) {
		return nil, fmt.Errorf("%s is written to, and the trigger listens there", r.URL.Path)
	}
	if n == f.at && f.how == refused {
		return nil, errInjected
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if n == f.at {
		return f.spoil(response)
	}
	if f.body != nil && r.Method == http.MethodGet {
		response.Body = f.body(response.Body)
	}
	return response, nil
}

func (f *faultyStore) spoil(response *http.Response) (*http.Response, error) {
	content, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil || f.how == unanswered {
		return nil, errors.Join(err, errInjected)
	}
	response.Body = io.NopCloser(io.MultiReader(bytes.NewReader(content[:len(content)/2]),
		failingReader{}))
	return response, nil
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errInjected }

// hookedReader calls first when the first bytes have been read.
type hookedReader struct {
	io.ReadCloser
	first func()
	once  sync.Once
}

func (h *hookedReader) Read(p []byte) (int, error) {
	n, err := h.ReadCloser.Read(p[:min(len(p), 32<<10)])
	if n > 0 {
		h.once.Do(h.first)
	}
	return n, err
}

// faultyPostgres is a way to the database that breaks once, at the client's message with the number
// at (from 1), and works afterwards.
type faultyPostgres struct {
	target   string
	at       int64
	how      failure
	messages atomic.Int64
	address  string
}

func newFaultyPostgres(t *testing.T, database *pgtest.Database, at int64,
	how failure) (*faultyPostgres, *tenantdb.DB) {
	t.Helper()
	address, err := url.Parse(database.URL(entry))
	must(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { listener.Close() })
	f := &faultyPostgres{target: address.Host, at: at, how: how, address: listener.Addr().String()}
	go f.serve(listener)
	address.Host = f.address
	db, err := tenantdb.Open(t.Context(), tenantdb.Config{URL: address.String()})
	must(t, err)
	t.Cleanup(db.Close)
	return f, db
}

func (f *faultyPostgres) serve(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", f.target)
		if err != nil {
			client.Close()
			continue
		}
		go f.forward(client, server)
	}
}

// forward takes one write of the client for one message: pgx writes what belongs to a round trip at
// once.
func (f *faultyPostgres) forward(client, server net.Conn) {
	defer client.Close()
	defer server.Close()
	var muted atomic.Bool
	answered := make(chan struct{}, 1)
	go func() {
		buffer := make([]byte, 64<<10)
		for {
			n, err := server.Read(buffer)
			if err != nil {
				client.Close()
				return
			}
			if muted.Load() {
				select {
				case answered <- struct{}{}:
				default:
				}
				continue
			}
			if _, err := client.Write(buffer[:n]); err != nil {
				return
			}
		}
	}()
	buffer := make([]byte, 64<<10)
	for {
		n, err := client.Read(buffer)
		if err != nil {
			return
		}
		hit := f.messages.Add(1) == f.at
		if hit && f.how == refused {
			return
		}
		muted.Store(hit)
		if _, err := server.Write(buffer[:n]); err != nil {
			return
		}
		if hit {
			<-answered
			return
		}
	}
}

// faultyScanner speaks clamd's protocol as far as its behaviour lets it.
func faultyScanner(t *testing.T, behaviour func(conn net.Conn, command string)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				var command []byte
				for c := make([]byte, 1); len(command) == 0 ||
					command[len(command)-1] != 0; command = append(command, c[0]) {
					if _, err := conn.Read(c); err != nil {
						return
					}
				}
				behaviour(conn, strings.Trim(string(command), "z\x00"))
			}()
		}
	}()
	return listener.Addr().String()
}

// versioned answers VERSION as clamd does and leaves INSTREAM to stream.
func versioned(stream func(conn net.Conn)) func(net.Conn, string) {
	return func(conn net.Conn, command string) {
		if command == "VERSION" {
			fmt.Fprint(conn, "ClamAV 1.4.6\x00")
			return
		}
		stream(conn)
	}
}

// withDatabase has the scanner say that it loaded an official database, which no test has.
func (w *fixture) withDatabase() *fixture {
	w.t.Helper()
	daemon, err := servers.clamd()
	must(w.t, err)
	return w.scanningAt(faultyScanner(w.t, func(conn net.Conn, command string) {
		if command == "VERSION" {
			fmt.Fprint(conn, "ClamAV 1.4.6/27600/Mon Nov 17 08:00:00 2025\x00")
			return
		}
		clamd, err := net.Dial("tcp", strings.TrimPrefix(daemon.Address, "tcp://"))
		if err != nil {
			w.t.Error(err)
			return
		}
		defer clamd.Close()
		fmt.Fprintf(clamd, "z%s\x00", command)
		go func() { _, _ = io.Copy(clamd, conn) }()
		_, _ = io.Copy(conn, clamd)
	}))
}

// due does what time does to a file that was given back.
func (w *fixture) due() {
	w.t.Helper()
	w.exec(`UPDATE file_uploads SET next_attempt_at = now() - interval '1 second'
		WHERE next_attempt_at IS NOT NULL`)
}

// age does what five days of an outage do.
func (w *fixture) age() {
	w.t.Helper()
	w.exec(`UPDATE file_uploads SET created_at = created_at - interval '5 days',
		next_attempt_at = NULL`)
}

// sweep does what maintenance does about outputs that are on its list.
func (w *fixture) sweep(key objectkey.Key) {
	w.t.Helper()
	rows, err := w.Superuser.Query(context.Background(), `DELETE FROM object_deletions
		WHERE bucket_name <> 'incoming' AND prefix LIKE '%' || $1::text || '%'
		RETURNING bucket_name, prefix`, key.File)
	must(w.t, err)
	type place struct{ Bucket, Prefix string }
	places, err := pgx.CollectRows(rows, pgx.RowToStructByPos[place])
	must(w.t, err)
	for _, at := range places {
		_, err := storedfile.DeleteVersions(context.Background(), w.s3, at.Bucket, at.Prefix)
		must(w.t, err)
	}
}

// expireLease does what time does after a worker was killed.
func (w *fixture) expireLease() {
	w.t.Helper()
	_, err := w.Superuser.Exec(context.Background(),
		`UPDATE file_uploads SET lease_until = now() - interval '1 second'
			WHERE lease_until IS NOT NULL`)
	must(w.t, err)
}
