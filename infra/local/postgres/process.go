package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/infra/local/child"
)

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
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.account.credential}
	server, err := child.Start(cmd, syscall.SIGINT)
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
		case <-c.server.Done:
			return fmt.Errorf("the server ended: %v", c.server.Err)
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
	return server.End(ctx, sig)
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
