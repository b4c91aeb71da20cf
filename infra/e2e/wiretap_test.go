package e2e

import (
	"bytes"
	"io"
	"net"
	"os"
	"sync"
	"testing"
)

// poison in a stream makes the wiretap act: the scanner dies while it reads this very file.
const poison = "the scanner dies of this"

// wiretap passes bytes between the functions and the scanner. A stream with poison in it is cut in
// its middle.
type wiretap struct {
	listener net.Listener
	scanner  string

	mu     sync.Mutex
	strike func() // instead of only cutting; it runs once
	spared bool
	down   bool
}

func listen(scanner string) (*wiretap, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w := &wiretap{listener: l, scanner: scanner}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go w.pass(client)
		}
	}()
	return w, nil
}

func (w *wiretap) address() string { return "tcp://" + w.listener.Addr().String() }

func (w *wiretap) close() { _ = w.listener.Close() }

func (w *wiretap) pass(client net.Conn) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", w.scanner)
	if err != nil || w.isDown() {
		return
	}
	defer func() { _ = server.Close() }()
	go func() {
		_, _ = io.Copy(client, server)
		_ = client.Close()
	}()
	buffer := make([]byte, 256<<10)
	var last []byte // of what was read before: poison may come in two reads
	for {
		n, err := client.Read(buffer)
		last = append(last, buffer[:n]...)
		if bytes.Contains(last, []byte(poison)) && !w.harmless() {
			_, _ = server.Write(buffer[:n/2])
			w.struck()
			return
		}
		last = bytes.Clone(last[max(0, len(last)-len(poison)):])
		if n > 0 {
			if _, err := server.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (w *wiretap) struck() {
	w.mu.Lock()
	strike := w.strike
	w.strike = nil
	w.mu.Unlock()
	if strike != nil {
		strike()
	}
}

// arm says what is to happen at the next poison.
func (w *wiretap) arm(strike func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.strike = strike
}

// spare lets poison pass.
func (w *wiretap) spare(yes bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.spared = yes
}

// cut lets nobody through to the scanner.
func (w *wiretap) cut(yes bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = yes
}

func (w *wiretap) isDown() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.down
}

func (w *wiretap) harmless() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.spared
}

// needScanner skips a test on a machine without clamd, but not in CI, where one belongs.
func needScanner(t *testing.T) {
	t.Helper()
	switch {
	case shared.scanner != nil:
	case os.Getenv("CI") == "true":
		t.Fatal("clamd is missing, and CI has to have it: install clamav-daemon")
	default:
		t.Skip("clamd is not installed")
	}
}
