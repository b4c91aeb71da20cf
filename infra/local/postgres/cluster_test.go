package postgres

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestClusterStartsStopsAndStartsAgain(t *testing.T) {
	t.Parallel()
	dir := reachableDir(t)
	began := time.Now()
	c := start(t, Options{Dir: dir})
	t.Logf("first start: %v", time.Since(began))
	execute(t, c.SuperuserURL(), `CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)`)
	password := c.Password("somebody")
	stop(t, c)

	began = time.Now()
	c = start(t, Options{Dir: dir})
	t.Logf("second start: %v", time.Since(began))
	if got := ask[int](t, c.SuperuserURL(), `SELECT n FROM kept`); got != 7 {
		t.Errorf("the second start has %d, want the 7 of the first", got)
	}
	if c.Password("somebody") != password {
		t.Error("a role's password changed between two starts")
	}
	if got := ask[string](t, c.SuperuserURL(), `SHOW fsync`); got != "on" {
		t.Errorf("fsync = %s in a cluster that is to keep its data", got)
	}
	stop(t, c)

	c = start(t, Options{Dir: dir, Fresh: true})
	if got := ask[int](t, c.SuperuserURL(), `SELECT count(*)::int FROM pg_class
		WHERE relname = 'kept'`); got != 0 {
		t.Error("a fresh start kept a table")
	}
}

func TestClusterStopLeavesNoProcess(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Dir: reachableDir(t), Throwaway: true})
	conn := connect(t, c.SuperuserURL()) // a session must not hold the shutdown up
	defer conn.Close(t.Context())
	pid := c.server.PID
	stop(t, c)
	if err := syscall.Kill(-pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the server's process group is still there: %v", err)
	}
	if err := c.Stop(t.Context()); err != nil {
		t.Errorf("a second stop: %v", err)
	}
}

func TestClusterIsKilledWhenItDoesNotStop(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Dir: reachableDir(t), Throwaway: true})
	pid := c.server.PID
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	gone(t, pid)
}

func TestClusterRestartsOnItsPort(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Dir: reachableDir(t)})
	execute(t, c.SuperuserURL(), `CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)`)
	conn := connect(t, c.SuperuserURL())
	defer conn.Close(t.Context())
	before := c.SuperuserURL()
	if err := c.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("a connection outlived the crash of its server")
	}
	if c.SuperuserURL() != before {
		t.Errorf("the address changed from %s to %s", before, c.SuperuserURL())
	}
	if got := ask[int](t, before, `SELECT n FROM kept`); got != 7 {
		t.Errorf("a committed row is %d after a crash, want 7", got)
	}
}

func TestClusterDirectoryHasOneServer(t *testing.T) {
	t.Parallel()
	dir := reachableDir(t)
	start(t, Options{Dir: dir, Throwaway: true})
	if _, err := Start(t.Context(), Options{Dir: dir, Throwaway: true}); !errors.Is(err, ErrInUse) {
		t.Errorf("a second start in one directory: %v, want ErrInUse", err)
	}
	other := start(t, Options{Dir: reachableDir(t), Throwaway: true})
	if got := ask[int](t, other.SuperuserURL(), `SELECT 1`); got != 1 {
		t.Error("a second cluster beside the first does not answer")
	}
}

func TestThrowawayClusterBeginsAnewAfterACrash(t *testing.T) {
	t.Parallel()
	dir := reachableDir(t)
	c := start(t, Options{Dir: dir, Throwaway: true})
	execute(t, c.SuperuserURL(), `CREATE TABLE doubtful ()`)
	if err := c.Crash(t.Context()); err != nil {
		t.Fatal(err)
	}
	// what a power cut leaves
	if err := os.WriteFile(filepath.Join(c.data, "postmaster.pid"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	stop(t, c)
	c = start(t, Options{Dir: dir, Throwaway: true})
	if got := ask[int](t, c.SuperuserURL(), `SELECT count(*)::int FROM pg_class
		WHERE relname = 'doubtful'`); got != 0 {
		t.Error("a throwaway cluster kept what it did not shut down cleanly")
	}
}

func TestClusterKeepsItsSecretsToItself(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Dir: reachableDir(t), Throwaway: true})
	for _, path := range []string{c.passwordFile(), c.logFile()} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", filepath.Base(path), info.Mode().Perm())
		}
	}
	if _, err := pgx.Connect(t.Context(), c.URL("postgres", superuser, "wrong")); err == nil {
		t.Error("the server lets a wrong password in")
	}
	if got := ask[string](t, c.SuperuserURL(), `SELECT left(rolpassword, 13) FROM pg_authid
		WHERE rolname = current_user`); got != "SCRAM-SHA-256" {
		t.Errorf("the superuser's password is kept as %s", got)
	}
}

func TestDatabaseIsOwnedByAnOrdinaryRole(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Dir: reachableDir(t), Throwaway: true})
	for range 2 { // the second time everything is there
		owner, err := c.Database(t.Context(), "house", "house_owner")
		if err != nil {
			t.Fatal(err)
		}
		if ask[bool](t, owner, `SELECT rolsuper OR rolbypassrls OR NOT rolcreaterole FROM pg_roles
			WHERE rolname = current_user`) {
			t.Error("the owner has other powers than to make roles")
		}
		execute(t, owner, `CREATE TABLE IF NOT EXISTS mine ()`)
	}
}

func TestNamedServerIsUsedAsItIs(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Dir: reachableDir(t), Throwaway: true})
	owner, err := c.Database(t.Context(), "house", "house_owner")
	if err != nil {
		t.Fatal(err)
	}
	named := start(t, Options{URL: owner})
	if named.SuperuserURL() != owner {
		t.Errorf("the URL became %s", named.SuperuserURL())
	}
	if got, err := named.Database(t.Context(), "other", "other_owner"); err != nil || got != owner {
		t.Errorf("Database = %s, %v, want the URL as it was given", got, err)
	}
	if err := named.Restart(t.Context()); err == nil {
		t.Error("a server that was not started here was restarted")
	}
	stop(t, named)
	if got := ask[int](t, owner, `SELECT 1`); got != 1 {
		t.Error("a server that was not started here was stopped")
	}
	_, err = Start(t.Context(), Options{URL: "postgres://someone:hunter2@127.0.0.1:1/nowhere"})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a server that is not there: %v, want an error without the password", err)
	}
}

func TestLongDirectoryGetsAShortSocket(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Dir: filepath.Join(reachableDir(t), strings.Repeat("long", 30)),
		Throwaway: true})
	if !exists(filepath.Join(c.sockets, ".s.PGSQL."+c.base.Port())) {
		t.Error("no socket where it should be")
	}
	sockets := c.sockets
	stop(t, c)
	if exists(sockets) {
		t.Errorf("%s is left behind", sockets)
	}
}

// start starts a cluster that ends with the test.
func start(t *testing.T, o Options) *Cluster {
	t.Helper()
	o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	c, err := Start(t.Context(), o)
	if errors.Is(err, ErrNotFound) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, c) })
	return c
}

func stop(t *testing.T, c *Cluster) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := c.Stop(ctx); err != nil {
		t.Error(err)
	}
	if ctx.Err() != nil {
		t.Error("the server had to be killed")
	}
}

// reachableDir is a temporary directory that the server's account can enter;
// those of testing.T are closed to others than their owner.
func reachableDir(t *testing.T) string {
	t.Helper()
	scratch, err := ScratchDir()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(scratch, "test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "cluster")
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func execute(t *testing.T, url, sql string) {
	t.Helper()
	conn := connect(t, url)
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func ask[T any](t *testing.T, url, sql string) (answer T) {
	t.Helper()
	conn := connect(t, url)
	defer conn.Close(t.Context())
	if err := conn.QueryRow(t.Context(), sql).Scan(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

// gone waits until no process of a group is left.
func gone(t *testing.T, group int) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Minute)
	for !errors.Is(syscall.Kill(-group, 0), syscall.ESRCH) {
		if time.Now().After(deadline) {
			t.Fatalf("process group %d is still there", group)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// A checkout may lie anywhere.
func TestClusterBelowAnOddName(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Dir: filepath.Join(reachableDir(t), "my work, (2) + more's"),
		Throwaway: true})
	execute(t, c.SuperuserURL(), `SELECT 1`)
}
