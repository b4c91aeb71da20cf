package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// process is a child that ends when we do.
type process struct {
	pid  int
	done chan struct{}
	err  error // what Wait said; read after done
}

// spawn starts cmd and waits for it in the background. Linux sends the parent
// death signal when the *thread* that forked ends, so that thread is kept for
// as long as the child lives.
func spawn(cmd *exec.Cmd) (*process, error) {
	p := &process{done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer close(p.done)
		release, err := tie(cmd)
		if err != nil {
			started <- err
			return
		}
		defer release()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		p.pid = cmd.Process.Pid
		started <- nil
		p.err = cmd.Wait()
	}()
	return p, <-started
}

// run starts the server on the cluster's port and returns when it answers.
func (c *Cluster) run(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.external {
		return errors.New("a server that was not started here cannot be started")
	}
	if c.server != nil {
		return nil
	}
	log, err := os.OpenFile(c.logFile(), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(c.bin, "postgres"),
		append([]string{"-D", c.data, "-p", c.base.Port(),
			"-c", "listen_addresses=127.0.0.1", "-k", `"` + c.sockets + `"`}, c.settings...)...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = c.data, environment(), log, log
	cmd.ExtraFiles = []*os.File{c.lock}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.account.credential, Setpgid: true}
	server, err := spawn(cmd)
	if err != nil {
		return fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	c.server = server
	if err := c.answer(ctx); err != nil {
		err = fmt.Errorf("%w\n%s", err, c.tail())
		dead, cancel := context.WithCancel(context.Background())
		cancel()
		return errors.Join(err, c.end(dead, syscall.SIGQUIT))
	}
	return nil
}

// answer asks over the unix socket: whatever listens on the port might be
// somebody else's, but the directory is ours alone.
func (c *Cluster) answer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	config, err := pgx.ParseConfig(c.SuperuserURL())
	if err != nil {
		return fmt.Errorf("address the server: %w", err)
	}
	// no URL can have every name that a directory may have
	config.Host, config.Fallbacks = c.sockets, nil
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		err := dial(ctx, config)
		if err == nil {
			return nil
		}
		select {
		case <-c.server.done:
			return fmt.Errorf("the server ended: %v", c.server.err)
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer: %w", err)
		case <-poll.C:
		}
	}
}

func ping(ctx context.Context, address string) error {
	config, err := pgx.ParseConfig(address)
	if err != nil {
		return err
	}
	return dial(ctx, config)
}

func dial(ctx context.Context, config *pgx.ConnConfig) error {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// end signals the server and waits for it; what is left when ctx ends is
// killed, backends included.
func (c *Cluster) end(ctx context.Context, sig syscall.Signal) error {
	if c.server == nil {
		return nil
	}
	server := c.server
	c.server = nil
	if c.sockets != c.home && sig == syscall.SIGINT {
		defer os.RemoveAll(c.sockets)
	}
	if err := syscall.Kill(server.pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal the server: %w", err)
	}
	select {
	case <-server.done:
		return nil
	case <-ctx.Done():
	}
	if err := syscall.Kill(-server.pid, syscall.SIGKILL); err != nil &&
		!errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill the server: %w", err)
	}
	<-server.done
	return nil
}

// tail is the end of the server's log, for an error that explains itself.
func (c *Cluster) tail() string {
	raw, err := os.ReadFile(c.logFile())
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}
