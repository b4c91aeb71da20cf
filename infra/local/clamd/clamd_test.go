package clamd

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func start(t *testing.T, o Options) *Clamd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	c, err := Start(ctx, o)
	if errors.Is(err, ErrNotInstalled) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func TestStartAnswersAndTellsItsDatabase(t *testing.T) {
	t.Parallel()
	c := start(t, Options{DatabaseDir: t.TempDir()})
	if c.Database != EICAROnly {
		t.Errorf("database %q, want %q", c.Database, EICAROnly)
	}
	version, err := c.ask("VERSION")
	if err != nil || !strings.HasPrefix(version, "ClamAV ") {
		t.Errorf("VERSION answered %q, %v", version, err)
	}
}

func TestRunsUnprivileged(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	status, err := os.ReadFile("/proc/" + strconv.Itoa(c.PID()) + "/status")
	if err != nil {
		t.Skip("no /proc on this system")
	}
	if strings.Contains(string(status), "Uid:\t0\t") {
		t.Error("clamd runs as root")
	}
}

func TestKillRefusesConnectionsAndRestartKeepsTheAddress(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	address := c.Address
	if err := c.Restart(t.Context()); err == nil {
		t.Error("a second clamd was started beside the first")
	}
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := net.Dial("tcp", strings.TrimPrefix(address, "tcp://")); err == nil {
		t.Fatal("killed clamd still accepts connections")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if err := c.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if c.Address != address {
		t.Errorf("address changed from %s to %s", address, c.Address)
	}
	if reply, err := c.ask("PING"); err != nil || reply != "PONG" {
		t.Errorf("PING answered %q, %v", reply, err)
	}
}

func TestWatchStartsAgainWhatEndedByItself(t *testing.T) {
	t.Parallel()
	c := start(t, Options{DatabaseDir: t.TempDir()})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	told, ended := make(chan string, 10), make(chan struct{})
	go func() { c.Watch(ctx, func(text string) { told <- text }); close(ended) }()
	before := c.PID()
	if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"started again", "answers again"} {
		select {
		case text := <-told:
			if !strings.Contains(text, want) {
				t.Errorf("%q was told, want %q", text, want)
			}
		case <-ctx.Done():
			t.Fatalf("%q was not told", want)
		}
	}
	if reply, err := c.ask("PING"); err != nil || reply != "PONG" || c.PID() == before {
		t.Errorf("PING answered %q, %v by process %d, before %d", reply, err, c.PID(), before)
	}
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	if c.ended() {
		t.Error("a clamd that was killed would be started again")
	}
	cancel()
	<-ended
}

func TestStopLeavesNothing(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	pid := c.PID()
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); err == nil {
		t.Error("the process is still there")
	}
	if _, err := os.Stat(c.dir); !os.IsNotExist(err) {
		t.Errorf("its directory is still there: %v", err)
	}
}

func TestFailureTellsWhatClamdPrinted(t *testing.T) {
	t.Parallel()
	start(t, Options{}) // skips where clamd is missing
	broken := t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, "main.cvd"), []byte("no database"),
		0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(broken), 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	c, err := Start(ctx, Options{DatabaseDir: broken})
	if err == nil {
		c.Stop()
		t.Fatal("clamd started with a broken database")
	}
	if !strings.Contains(err.Error(), "atabase") {
		t.Errorf("error does not say what clamd complained about: %v", err)
	}
}

// TestDiesWithItsParent runs this test binary as the parent of a clamd, kills
// that parent as nothing can catch, and waits for clamd to be gone.
func TestDiesWithItsParent(t *testing.T) {
	if os.Getenv("CLAMD_TEST_PARENT") == "1" {
		c := start(t, Options{})
		os.Stdout.WriteString("pid " + strconv.Itoa(c.PID()) + " dir " + c.dir + "\n")
		select {}
	}
	t.Parallel()
	start(t, Options{}) // skips where clamd is missing
	if _, err := os.Stat("/proc/self"); err != nil {
		t.Skip("only Linux ends a child with its parent")
	}
	parent := exec.Command(os.Args[0], "-test.run=^TestDiesWithItsParent$", "-test.v")
	parent.Env = append(os.Environ(), "CLAMD_TEST_PARENT=1")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	pid, dir := readChild(t, out)
	t.Cleanup(func() { os.RemoveAll(dir) })
	parent.Process.Kill()
	parent.Wait()
	deadline := time.Now().Add(5 * time.Minute)
	for running(pid) {
		if time.Now().After(deadline) {
			syscall.Kill(pid, syscall.SIGKILL)
			t.Fatal("clamd outlived its parent")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func readChild(t *testing.T, out interface{ Read([]byte) (int, error) }) (pid int, dir string) {
	t.Helper()
	var seen []byte
	buf := make([]byte, 1024)
	for !strings.Contains(string(seen), " dir ") || !strings.HasSuffix(string(seen), "\n") {
		n, err := out.Read(buf)
		if err != nil {
			t.Fatalf("parent ended: %v\n%s", err, seen)
		}
		seen = append(seen, buf[:n]...)
	}
	fields := strings.Fields(string(seen[strings.Index(string(seen), "pid "):]))
	pid, err := strconv.Atoi(fields[1])
	if err != nil {
		t.Fatal(err)
	}
	return pid, fields[3]
}

// running is false for a zombie too: who adopts it decides when it is reaped.
func running(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(stat), ") Z ")
}
