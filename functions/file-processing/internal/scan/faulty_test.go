package scan_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/scan"
)

const version = "ClamAV 1.4.6\x00"

// faulty serves a clamd that answers VERSION properly and lets misbehave answer
// INSTREAM, so that each fault strikes the stream itself.
func faulty(t *testing.T, misbehave func(net.Conn)) *scan.Client {
	t.Helper()
	return broken(t, func(conn net.Conn, command string) {
		if command == "zVERSION\x00" {
			io.WriteString(conn, version)
			return
		}
		misbehave(conn)
	})
}

func broken(t *testing.T, handle func(conn net.Conn, command string)) *scan.Client {
	t.Helper()
	listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				handle(conn, readCommand(conn))
			}()
		}
	}()
	client, err := scan.New("unix://" + listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestFaultyScannerFailsClosed(t *testing.T) {
	t.Parallel()
	say := func(reply string) func(net.Conn) {
		return func(conn net.Conn) {
			readStream(conn)
			io.WriteString(conn, reply)
		}
	}
	tests := []struct {
		name      string
		misbehave func(net.Conn)
		want      error
	}{
		{"closes at once", func(net.Conn) {}, scan.ErrUnavailable},
		{"closes mid-stream", func(conn net.Conn) { io.CopyN(io.Discard, conn, 100<<10) },
			scan.ErrUnavailable},
		{"closes without a reply", readStream, scan.ErrUnavailable},
		{"says OK before the end", func(conn net.Conn) { io.WriteString(conn, "stream: OK\x00") },
			scan.ErrUnavailable},
		{"reply cut short", say("stream: OK"), scan.ErrUnavailable},
		{"garbage", say("\xff\xfe HTTP/1.1 200 OK\x00"), scan.ErrUnavailable},
		{"OK and more", say("stream: OK FOUND maybe\x00"), scan.ErrUnavailable},
		{"OK of something else", say("/etc/passwd: OK\x00"), scan.ErrUnavailable},
		{"empty reply", say("\x00"), scan.ErrUnavailable},
		{"found nothing named", say("stream:  FOUND\x00"), scan.ErrUnavailable},
		{"error", say("stream: Can't allocate memory ERROR\x00"), scan.ErrUnavailable},
		{"endless reply", func(conn net.Conn) {
			readStream(conn)
			for {
				if _, err := conn.Write(bytes.Repeat([]byte("A"), 4096)); err != nil {
					return
				}
			}
		}, scan.ErrUnavailable},
		{"limit told while the stream still runs", func(conn net.Conn) {
			io.CopyN(io.Discard, conn, 100<<10)
			io.WriteString(conn, "INSTREAM size limit exceeded. ERROR\x00")
		}, scan.ErrLimitsExceeded},
		{"limit of the archive", say("stream: Heuristics.Limits.Exceeded.MaxScanSize FOUND\x00"),
			scan.ErrLimitsExceeded},
		{"encrypted document", say("stream: Heuristics.Encrypted.PDF FOUND\x00"),
			scan.ErrEncrypted},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client := faulty(t, tt.misbehave)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			verdict, err := client.Scan(ctx, bytes.NewReader(make([]byte, 4<<20)))
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %+v, %v, want %v", verdict, err, tt.want)
			}
			if ctx.Err() != nil {
				t.Error("only the deadline ended it")
			}
			if len(err.Error()) > 6<<10 {
				t.Errorf("the error repeats %d bytes of the reply", len(err.Error()))
			}
		})
	}
}

// readCommand reads byte by byte, so that the stream is left to its reader.
func readCommand(conn net.Conn) string {
	var command []byte
	var b [1]byte
	for {
		if _, err := conn.Read(b[:]); err != nil {
			return ""
		}
		command = append(command, b[0])
		if b[0] == 0 {
			return string(command)
		}
	}
}

// readStream reads frames up to and with the empty one.
func readStream(conn net.Conn) {
	var length uint32
	for binary.Read(conn, binary.BigEndian, &length) == nil && length > 0 {
		io.CopyN(io.Discard, conn, int64(length))
	}
}

func TestSilenceEndsWithTheDeadline(t *testing.T) {
	t.Parallel()
	block := make(chan struct{})
	t.Cleanup(func() { close(block) })
	tests := map[string]*scan.Client{
		"never answers VERSION": broken(t, func(net.Conn, string) { <-block }),
		"never reads":           faulty(t, func(net.Conn) { <-block }),
		"never replies": faulty(t, func(conn net.Conn) {
			go io.Copy(io.Discard, conn)
			<-block
		}),
	}
	for name, client := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			_, err := client.Scan(ctx, bytes.NewReader(make([]byte, 8<<20)))
			if !errors.Is(err, scan.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestCancelEndsAScanThatHasNoDeadline(t *testing.T) {
	t.Parallel()
	reading := make(chan struct{})
	client := faulty(t, func(conn net.Conn) {
		close(reading)
		io.Copy(io.Discard, conn)
	})
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	go func() {
		<-reading
		cancel()
	}()
	_, err := client.Scan(ctx, strings.NewReader("a few bytes"))
	if !errors.Is(err, scan.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
}

func TestSlowScannerIsWaitedFor(t *testing.T) {
	t.Parallel()
	client := faulty(t, func(conn net.Conn) {
		readStream(conn)
		for _, b := range []byte("stream: OK\x00") {
			conn.Write([]byte{b})
			time.Sleep(5 * time.Millisecond)
		}
	})
	verdict, err := client.Scan(t.Context(), bytes.NewReader(make([]byte, 1<<20)))
	if err != nil || verdict.Infected || verdict.Engine != "ClamAV 1.4.6" {
		t.Fatalf("got %+v, %v", verdict, err)
	}
}

func TestNoScannerAtAll(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	for _, a := range []string{address, "tcp://" + address,
		"unix:" + filepath.Join(t.TempDir(), "none")} {
		client, err := scan.New(a)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Scan(t.Context(), strings.NewReader("x")); !errors.Is(err,
			scan.ErrUnavailable) {
			t.Errorf("%s: %v", a, err)
		}
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"tcp://127.0.0.1:3310", "clamd.internal:3310", "[::1]:3310",
		"unix:///run/clamd.sock", "unix:/run/clamd.sock"} {
		if _, err := scan.New(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", "clamd", "tcp://", "tcp://:3310", "http://clamd:3310",
		"unix:", "unix://clamd.sock", "tcp://clamd:"} {
		if _, err := scan.New(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
