package main

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// It may be later than asked for, never earlier: only that is tested of its time.
func TestDistanceDeliversLater(t *testing.T) {
	t.Parallel()
	const delay = 20 * time.Millisecond
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = echo.Close() }()
	go func() {
		c, err := echo.Accept()
		if err == nil {
			_, _ = io.Copy(c, c)
			_ = c.Close()
		}
	}()
	d, err := apart(echo.Addr().String(), delay)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", d.address())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	sent, began := strings.Repeat("0123456789", 20_000), time.Now()
	go func() { _, _ = io.WriteString(c, sent) }()
	back := make([]byte, len(sent))
	if _, err := io.ReadFull(c, back); err != nil || string(back) != sent {
		t.Fatalf("other bytes came back: %v", err)
	}
	if took := time.Since(began); took < 2*delay {
		t.Errorf("there and back in %s, want at least %s", took, 2*delay)
	}
	if err := d.close(); err != nil {
		t.Error(err)
	}
	if _, err := c.Read(back); err == nil {
		t.Error("the connection is open after close")
	}
}
