package pgtest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"slices"
	"sync"
	"testing"

	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

// Wire is the connection of an entry to its database, listened to: what a piece of work costs is
// counted there, whatever the code means to send.
// The messages: https://www.postgresql.org/docs/current/protocol-message-formats.html
type Wire struct {
	lock       sync.Mutex
	trips      int
	statements []string
	received   int
}

// Listen opens the database as an entry does, with one connection, and listens to it.
func (d *Database) Listen(t testing.TB, entry string) (*tenantdb.DB, *Wire) {
	t.Helper()
	address, err := url.Parse(d.URL(entry))
	require(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	w, server := &Wire{}, address.Host
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go w.pass(client, server)
		}
	}()
	address.Host = listener.Addr().String()
	query := address.Query()
	query.Set("sslmode", "disable")
	query.Set("pool_max_conns", "1")
	address.RawQuery = query.Encode()
	config := d.config(entry)
	config.URL = address.String()
	db, err := tenantdb.Open(t.Context(), config)
	require(t, err)
	t.Cleanup(db.Close)
	return db, w
}

// Of is what fn sent: its round trips, which is how often it waited for an answer, and its
// statements in their order.
func (w *Wire) Of(fn func()) (trips int, statements []string) {
	w.lock.Lock()
	w.trips, w.statements, w.received = 0, nil, 0
	w.lock.Unlock()
	fn()
	w.lock.Lock()
	defer w.lock.Unlock()
	return w.trips, slices.Clone(w.statements)
}

// Received is how many bytes the server answered to what Of listened to last.
func (w *Wire) Received() int {
	w.lock.Lock()
	defer w.lock.Unlock()
	return w.received
}

// Write counts what the server answers.
func (w *Wire) Write(answer []byte) (int, error) {
	w.lock.Lock()
	defer w.lock.Unlock()
	w.received += len(answer)
	return len(answer), nil
}

func (w *Wire) pass(client net.Conn, server string) {
	defer func() { _ = client.Close() }()
	upstream, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(client, io.TeeReader(upstream, w))
		_ = client.Close()
	}()
	_ = w.read(bufio.NewReader(client), upstream)
	_ = upstream.Close()
}

// read forwards what the client sends, and counts it.
func (w *Wire) read(client *bufio.Reader, upstream io.Writer) error {
	texts := map[string]string{} // prepared statements by name
	for header := make([]byte, 4); ; header = make([]byte, 5) {
		// The startup message is the only one without a type.
		if _, err := io.ReadFull(client, header); err != nil {
			return err
		}
		size := int(binary.BigEndian.Uint32(header[len(header)-4:])) - 4
		body := make([]byte, max(size, 0))
		if _, err := io.ReadFull(client, body); err != nil {
			return err
		}
		if len(header) == 5 {
			w.count(header[0], body, texts)
		}
		if _, err := upstream.Write(slices.Concat(header, body)); err != nil {
			return errors.Join(errors.New("forward to the server"), err)
		}
	}
}

func (w *Wire) count(kind byte, body []byte, texts map[string]string) {
	first, rest, _ := bytes.Cut(body, []byte{0})
	w.lock.Lock()
	defer w.lock.Unlock()
	switch kind {
	case 'P': // Parse: name, text
		text, _, _ := bytes.Cut(rest, []byte{0})
		texts[string(first)] = string(text)
	case 'B': // Bind: portal, name
		name, _, _ := bytes.Cut(rest, []byte{0})
		w.statements = append(w.statements, texts[string(name)])
	case 'Q': // simple query
		if string(first) == "-- ping" {
			return // the pool's, when the connection was idle for a second: no part of the work
		}
		w.statements = append(w.statements, string(first))
		w.trips++
	case 'S': // Sync
		w.trips++
	}
}
