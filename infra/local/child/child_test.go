package child

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// Linux never uses watch, but it runs anywhere, so it is proven everywhere.
func TestWatchedChildEndsWithItsParent(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sleep", "600")
	release, err := watch(cmd, syscall.SIGINT)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(cmd.Process.Pid, 0); err != nil {
		t.Fatalf("the process is not there: %v", err)
	}
	release() // what the end of this process would do to the pipe
	err = cmd.Wait()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok ||
		status.Signal() != syscall.SIGINT {
		t.Errorf("the process ended with %v, want SIGINT", err)
	}
}

func TestEndKillsWhatDoesNotListen(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sh", "-c", `trap "" TERM; sleep 600 & echo; wait`)
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout = in
	p, err := Start(cmd, syscall.SIGKILL)
	if err := errors.Join(err, in.Close(),
		out.SetReadDeadline(time.Now().Add(time.Minute))); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil || p.Ended() {
		t.Fatalf("it does not run: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.End(ctx, syscall.SIGTERM); err != nil || !p.Ended() {
		t.Errorf("it runs on, %v", err)
	}
	if _, err := io.ReadAll(out); err != nil {
		t.Errorf("a child of its runs on: %v", err)
	}
	p.PID = os.Getpid() // as if it were used again
	if err := p.End(ctx, -1); err != nil {
		t.Errorf("what has ended was signalled: %v", err)
	}
	if _, err := Start(exec.Command("/no/such/program"), syscall.SIGKILL); err == nil {
		t.Error("a program that is not there was started")
	}
}
