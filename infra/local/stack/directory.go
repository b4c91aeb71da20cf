package stack

import (
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
			return nil, fmt.Errorf("%w: %s (process %s): stop that one, or choose another directory with -data",
				ErrInUse, path, strings.TrimSpace(string(holder)))
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

// claim writes down who holds the directory and removes what an earlier run may not leave to this one.
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
	for _, entry := range entries {
		if name := entry.Name(); name != "lock" && (fresh && ours(name) || name == "sandboxes") {
			if err := os.RemoveAll(d.in(name)); err != nil {
				return fmt.Errorf("empty the data directory: %w", err)
			}
		}
	}
	return nil
}

// ours tells what a stack put there: -fresh on a directory with anything else must not delete that. The
// cluster is for the postgres package to remove, which knows whether a server still runs on it; binaries are
// built anew whenever their source changed.
func ours(name string) bool {
	switch name {
	case "s3", "queue", "issuer", "sandboxes", "functions.log", "port":
		return true
	}
	return false
}

func (d *directory) in(name string) string { return filepath.Join(d.path, name) }

func (d *directory) release() { _ = d.lock.Close() }

// port is the gateway's in the last run, zero when there was none. It is kept because the issuer's address is
// part of each user's id.
func (d *directory) port() int {
	text, err := os.ReadFile(d.in("port"))
	if err != nil {
		return 0
	}
	port, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return port
}

func (d *directory) keepPort(port int) error {
	if err := os.WriteFile(d.in("port"), []byte(strconv.Itoa(port)+"\n"), 0o600); err != nil {
		return fmt.Errorf("keep the gateway's port: %w", err)
	}
	return nil
}

// listen takes the port of an earlier run, or any when there was none or another program has it now.
func listen(port int) (net.Listener, error) {
	if port != 0 {
		if l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
			return l, nil
		}
	}
	return net.Listen("tcp", "127.0.0.1:0")
}
