package main

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// distance is a TCP proxy that delivers everything later by a fixed time in each direction, as a
// network does: what follows does not wait for what is under way.
type distance struct {
	listener net.Listener
	target   string
	delay    time.Duration

	running sync.WaitGroup
	mu      sync.Mutex
	open    []net.Conn
	ended   bool
}

func apart(target string, delay time.Duration) (*distance, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &distance{listener: listener, target: target, delay: delay}
	d.running.Go(d.serve)
	return d, nil
}

func (d *distance) address() string { return d.listener.Addr().String() }

// close ends every connection and returns when nothing runs any more.
func (d *distance) close() error {
	err := d.listener.Close()
	d.mu.Lock()
	d.ended = true
	for _, c := range d.open {
		err = errors.Join(err, closed(c))
	}
	d.mu.Unlock()
	d.running.Wait()
	return err
}

// closed closes what the other direction may have closed before.
func closed(c net.Conn) error {
	if err := c.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

func (d *distance) serve() {
	for {
		near, err := d.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", d.target)
		if err != nil {
			_ = near.Close()
			continue
		}
		if !d.keep(near, far) {
			_, _ = near.Close(), far.Close()
			return
		}
		d.running.Go(func() { d.carry(far, near) })
		d.running.Go(func() { d.carry(near, far) })
	}
}

// keep notes what close has to end; false when it is too late for that.
func (d *distance) keep(ends ...net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open = append(d.open, ends...)
	return !d.ended
}

// carry ends both connections when one direction ends: a Postgres session knows no half-closed
// state.
func (d *distance) carry(to, from net.Conn) {
	type parcel struct {
		due     time.Time
		content []byte
	}
	way := make(chan parcel, 1024)
	d.running.Go(func() {
		for p := range way {
			time.Sleep(time.Until(p.due))
			if _, err := to.Write(p.content); err != nil {
				_ = from.Close()
			}
		}
		_ = to.Close()
	})
	defer close(way)
	for {
		content := make([]byte, 32<<10)
		n, err := from.Read(content)
		if n > 0 {
			way <- parcel{time.Now().Add(d.delay), content[:n]}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				_ = to.Close()
			}
			return
		}
	}
}
