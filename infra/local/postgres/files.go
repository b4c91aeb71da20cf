package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

func (c *Cluster) passwordFile() string { return filepath.Join(c.home, "superuser") }
func (c *Cluster) logFile() string      { return filepath.Join(c.home, "postgres.log") }

// acquire makes the cluster's directory and locks it. The server inherits the
// open file, so the lock is held until its last process has ended, even when
// we are killed: nobody can take the directory from under a dying server.
func (c *Cluster) acquire() error {
	if err := os.MkdirAll(filepath.Dir(c.home), 0o755); err != nil {
		return err
	}
	if err := c.account.mkdir(c.home); err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(c.home, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return fmt.Errorf("%s: %w", c.home, ErrInUse)
	}
	c.lock = lock
	return nil
}

func (c *Cluster) clear() error {
	return errors.Join(os.RemoveAll(c.data), os.RemoveAll(c.passwordFile()),
		os.RemoveAll(c.logFile()))
}

// madeBy is the major version that made the data; 0 when there is none.
func madeBy(data string) (int, error) {
	raw, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(raw)))
}

// initialize runs initdb beside the final place and moves the result there
// when it is whole, so that an interrupted one is never taken for a cluster.
func (c *Cluster) initialize(ctx context.Context) error {
	draft := c.data + ".new"
	if err := os.RemoveAll(draft); err != nil {
		return err
	}
	if err := c.account.writeFile(c.passwordFile(), rand.Text()); err != nil {
		return fmt.Errorf("keep the superuser's password: %w", err)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, "initdb"), "-D", draft, "-U", superuser,
		"--pwfile="+c.passwordFile(), "--auth=scram-sha-256", "--encoding=UTF8",
		"--locale="+locale(), "--no-sync", "--no-instructions")
	cmd.Dir = c.home
	cmd.Env = environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.account.credential}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	if err := os.Rename(draft, c.data); err != nil {
		return err
	}
	return os.Chmod(c.data, 0o700)
}

// locale is one that sorts by code point and knows the case of every letter.
func locale() string {
	if runtime.GOOS == "darwin" {
		return "en_US.UTF-8" // has no C.UTF-8 before macOS 15
	}
	return "C.UTF-8"
}

// placeSockets finds a directory for the unix socket. The path of a socket is
// limited to 104 bytes on macOS and 108 on Linux.
func (c *Cluster) placeSockets() error {
	c.sockets = c.home
	if len(c.home)+len("/.s.PGSQL.65535") < 100 {
		return nil
	}
	dir, err := os.MkdirTemp("/tmp", "satchel-pg-")
	if err != nil {
		return err
	}
	c.sockets = dir
	return c.account.own(dir)
}

// arguments are the server's settings for the command line. Later ones win,
// so what the caller sets goes over ours.
func arguments(o Options) []string {
	settings := map[string]string{
		"TimeZone":     "UTC",
		"log_timezone": "UTC",
	}
	if o.Throwaway {
		// Commits stay synchronous: without fsync that costs one write to memory,
		// and what was committed has to survive a Crash for a test of one to mean anything.
		maps.Copy(settings, map[string]string{
			"fsync": "off", "full_page_writes": "off",
			"wal_level": "minimal", "max_wal_senders": "0",
			"max_connections": "200", "shared_buffers": "32MB",
		})
	}
	maps.Copy(settings, o.Settings)
	var args []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}

// environment is what the server gets to see of ours: no credentials.
func environment() []string {
	env := []string{"LC_ALL=" + locale()}
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
