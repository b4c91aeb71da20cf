// Package clamd runs a private ClamAV daemon for the local stack and the tests.
//
// It is the clamd installed on the machine, with a configuration of its own on
// a free port of the loopback, so that it neither needs nor disturbs the
// system's service.
package clamd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/toolboxai-solutions/satchel/infra/local/child"
)

// ErrNotInstalled says that the machine has no clamd, and what to install.
var ErrNotInstalled = errors.New("clamd is not installed: install ClamAV's daemon " +
	"(Debian, Ubuntu: apt-get install clamav-daemon; Fedora: dnf install clamd; macOS: brew " +
	"install clamav)")

// EICAROnly is Clamd.Database where the machine has no signature database: such
// a clamd recognizes the EICAR test file and nothing else.
const EICAROnly = "eicar test signature only"

// stopGrace is how long a stopping clamd may take to end by itself.
const stopGrace = 5 * time.Second

// Options of a private clamd.
type Options struct {
	// StreamMaxLength in bytes is the longest stream that is scanned; longer
	// ones are refused. 0 means 100 MiB, the most is 1 GiB.
	StreamMaxLength int64
	// DatabaseDir is where signatures are looked for; empty means
	// /var/lib/clamav, where freshclam puts them on Linux.
	DatabaseDir string
}

// Clamd is a running private clamd.
type Clamd struct {
	// Address is tcp://127.0.0.1:port, the form of CLAMD_ADDRESS. It stays the
	// same after Restart.
	Address string
	// Database tells what it can recognize: EICAROnly, or the directory of its
	// database and clamd's version line.
	Database string

	binary, dir string
	// account is ClamAV's own user where its package made one, so that it can read the machine's
	// database.
	account *syscall.Credential

	mu      sync.Mutex
	process *child.Process
}

// Start finds clamd, starts it and waits until it answers. With a full database
// that takes as long as loading it, some ten seconds. ErrNotInstalled says that
// there is no clamd on this machine.
func Start(ctx context.Context, o Options) (*Clamd, error) {
	binary, err := find()
	if err != nil {
		return nil, err
	}
	if o.StreamMaxLength == 0 {
		o.StreamMaxLength = 100 << 20
	}
	if o.StreamMaxLength > maxStream {
		return nil, fmt.Errorf("clamd cannot scan streams of %d bytes: the most is %d",
			o.StreamMaxLength, maxStream)
	}
	if o.DatabaseDir == "" {
		o.DatabaseDir = "/var/lib/clamav"
	}
	// Not below the stack's data: the unprivileged user that clamd runs as
	// cannot enter every directory that a developer keeps data in.
	dir, err := os.MkdirTemp("", "satchel-clamd-")
	if err != nil {
		return nil, fmt.Errorf("make a directory for clamd: %w", err)
	}
	c := &Clamd{binary: binary, dir: dir}
	if err := c.configureAndRun(ctx, o); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return c, nil
}

func (c *Clamd) configureAndRun(ctx context.Context, o Options) error {
	database, full, err := chooseDatabase(o.DatabaseDir, c.dir)
	if err != nil {
		return err
	}
	port, err := child.FreePort()
	if err != nil {
		return err
	}
	c.Address = fmt.Sprintf("tcp://127.0.0.1:%d", port)
	if err := os.WriteFile(c.config(), configuration(port, database, c.dir, o.StreamMaxLength),
		0o644); err != nil {
		return fmt.Errorf("write clamd's configuration: %w", err)
	}
	if c.account, err = child.Account("clamd", "clamav", "clamupdate", "nobody"); err != nil {
		return err
	}
	if err := c.handOver(); err != nil {
		return fmt.Errorf("give clamd its directory: %w", err)
	}
	if err := c.Restart(ctx); err != nil {
		return err
	}
	c.Database = EICAROnly
	if full {
		version, err := c.ask("VERSION")
		if err != nil {
			return errors.Join(err, c.Kill())
		}
		c.Database = database + " (" + version + ")"
	}
	return nil
}

// Restart starts clamd again at the same address after Kill and waits until it
// answers.
func (c *Clamd) Restart(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.process != nil {
		return errors.New("clamd is still running")
	}
	return c.run(ctx)
}

// run starts a process and waits until it answers. The caller holds mu.
func (c *Clamd) run(ctx context.Context) error {
	cmd := exec.Command(c.binary, "--foreground", "--config-file", c.config())
	output := &lastOutput{}
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/", output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.account}
	p, err := child.Start(cmd, syscall.SIGKILL)
	if err != nil {
		return fmt.Errorf("start clamd: %w", err)
	}
	if err := c.awaitPong(ctx, p, output); err != nil {
		return errors.Join(fmt.Errorf("start clamd: %w", err), end(p, syscall.SIGKILL))
	}
	c.process = p
	return nil
}

// Kill ends clamd at once, as a crash would: every open connection is reset.
func (c *Clamd) Kill() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.process == nil {
		return nil
	}
	err := end(c.process, syscall.SIGKILL)
	c.process = nil
	return err
}

func end(p *child.Process, s syscall.Signal) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopGrace)
	defer cancel()
	return p.End(ctx, s)
}

// handOver gives the directory and what it holds to the user that clamd runs as.
func (c *Clamd) handOver() error {
	if c.account == nil {
		return nil
	}
	return filepath.WalkDir(c.dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(c.account.Uid), int(c.account.Gid))
	})
}

// Stop ends clamd and removes its directory.
func (c *Clamd) Stop() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var err error
	if c.process != nil {
		err = end(c.process, syscall.SIGTERM)
		c.process = nil
	}
	return errors.Join(err, os.RemoveAll(c.dir))
}

// PID is the process id of the running clamd, 0 when it is not running.
func (c *Clamd) PID() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.process == nil {
		return 0
	}
	return c.process.PID
}

func (c *Clamd) config() string { return filepath.Join(c.dir, "clamd.conf") }

func (c *Clamd) awaitPong(ctx context.Context, p *child.Process, output *lastOutput) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if reply, err := c.ask("PING"); err == nil && reply == "PONG" {
			return nil
		}
		select {
		case <-p.Done:
			return fmt.Errorf("it ended before it answered: %s", output.tail())
		case <-ctx.Done():
			return fmt.Errorf("no answer in time: %w", context.Cause(ctx))
		case <-tick.C:
		}
	}
}

func (c *Clamd) ask(command string) (string, error) {
	conn, err := net.DialTimeout("tcp", strings.TrimPrefix(c.Address, "tcp://"), time.Second)
	if err != nil {
		return "", fmt.Errorf("ask clamd: %w", err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write([]byte("z" + command + "\x00")); err != nil {
		return "", fmt.Errorf("ask clamd: %w", err)
	}
	var reply [512]byte
	n, err := conn.Read(reply[:])
	if err != nil {
		return "", fmt.Errorf("ask clamd: %w", err)
	}
	return string(bytes.TrimRight(reply[:n], "\x00")), nil
}

func find() (string, error) {
	for _, name := range []string{"clamd", "/usr/sbin/clamd", "/usr/local/sbin/clamd",
		"/opt/homebrew/sbin/clamd"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", ErrNotInstalled
}
