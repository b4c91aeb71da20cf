package stack

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// directory is a stack's data directory, held by one stack at a time.
type directory struct {
	path string
	lock *os.File
	port int // the API's, once it listens
}

// hold takes the directory, and empties it when the stack is to start afresh.
func hold(path string, fresh bool) (*directory, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	// 0711: as root, PostgreSQL's own account has to pass through to its part.
	if err := os.MkdirAll(path, 0o711); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, _ := os.ReadFile(lock.Name())
		_ = lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s (process %s): stop that one, or choose another "+
				"directory with -data", ErrInUse, path, strings.TrimSpace(string(holder)))
		}
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	d := &directory{path: path, lock: lock}
	if err := d.claim(fresh); err != nil {
		d.release()
		return nil, err
	}
	return d, nil
}

// claim writes down who holds the directory and removes what an earlier run may not leave to this
// one.
func (d *directory) claim(fresh bool) error {
	if err := d.lock.Truncate(0); err != nil {
		return fmt.Errorf("lock the data directory: %w", err)
	}
	if _, err := d.lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return fmt.Errorf("lock the data directory: %w", err)
	}
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return fmt.Errorf("read the data directory: %w", err)
	}
	if _, err := os.Stat(d.in("port")); err == nil && !fresh {
		return fmt.Errorf("%s was made by an earlier version, which gave users and buckets other "+
			"names: start with -fresh, or choose another directory with -data", d.path)
	}
	for _, entry := range entries {
		if name := entry.Name(); name != "lock" && (fresh && ours(name) || name == "sandboxes") {
			if err := os.RemoveAll(d.in(name)); err != nil {
				return fmt.Errorf("empty the data directory: %w", err)
			}
		}
	}
	return nil
}

// ours tells what a stack put there: -fresh on a directory with anything else must not delete that.
// The cluster is for the postgres package to remove, which knows whether a server still runs on it;
// binaries are built anew whenever their source changed.
func ours(name string) bool {
	switch name {
	case "s3", "queue", "issuer", "sandboxes", "logs", "port":
		return true
	}
	return false
}

func (d *directory) in(name string) string { return filepath.Join(d.path, name) }

func (d *directory) release() { _ = d.lock.Close() }

// ports of a stack are the API's and, next to it, S3's. They are below those that systems give to
// outgoing connections, and begin with ones that follow from the directory's name, so that links
// stay good also from one emptied directory to the next.
const (
	firstPort = 20_000
	portPairs = 5_000
)

// listen takes the port that was chosen, or the one of the last start, or the next free one.
func (d *directory) listen(chosen int) (net.Listener, error) {
	text, err := os.ReadFile(d.in("ports"))
	if err == nil && chosen == 0 {
		if chosen, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil {
			return nil, fmt.Errorf("read the ports of the last start: %w", err)
		}
	}
	sum := sha256.Sum256([]byte(d.path))
	first := int(binary.BigEndian.Uint16(sum[:]))
	for try := range portPairs {
		port := chosen
		if chosen == 0 {
			port = firstPort + 2*((first+try)%portPairs)
		}
		listener, err := pair(port)
		if err != nil && chosen != 0 {
			return nil, err
		}
		if err == nil {
			d.port = port
			if err := os.WriteFile(d.in("ports"), []byte(strconv.Itoa(port)+"\n"),
				0o600); err != nil {
				return nil, errors.Join(fmt.Errorf("keep the ports: %w", err), listener.Close())
			}
			return listener, nil
		}
	}
	return nil, errors.New("no two ports are free for the API and S3")
}

// pair listens on a port when the next one is free too.
func pair(port int) (net.Listener, error) {
	var listeners []net.Listener
	for i, what := range []string{"the API", "S3"} {
		l, err := net.Listen("tcp", address(port+i))
		if err != nil {
			for _, l := range listeners {
				_ = l.Close()
			}
			if errors.Is(err, syscall.EADDRINUSE) {
				return nil, fmt.Errorf("port %d for %s is taken: stop what has it, or choose "+
					"another with -port", port+i, what)
			}
			return nil, fmt.Errorf("port %d for %s cannot be used, choose another with -port: %w",
				port+i, what, err)
		}
		listeners = append(listeners, l)
	}
	return listeners[0], listeners[1].Close()
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func (d *directory) s3Port() int { return d.port + 1 }
