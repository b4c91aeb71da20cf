package postgres

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

const orphanVariable = "SATCHEL_TEST_ORPHAN"

// TestOrphanParent is not a test of its own: it is the process that
// TestServerEndsWithItsParent starts and kills.
func TestOrphanParent(t *testing.T) {
	dir := os.Getenv(orphanVariable)
	if dir == "" {
		t.Skip("started by TestServerEndsWithItsParent")
	}
	c, err := Start(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("pid", c.server.PID)
	select {}
}

func TestServerEndsWithItsParent(t *testing.T) {
	t.Parallel()
	dir := reachableDir(t)
	// so that a missing server skips here, and the parent below starts quickly
	c := start(t, Options{Dir: dir})
	stop(t, c)
	parent := exec.Command(os.Args[0], "-test.run=^TestOrphanParent$", "-test.v")
	parent.Env = append(os.Environ(), orphanVariable+"="+dir)
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	pid := 0
	for lines := bufio.NewScanner(out); pid == 0 && lines.Scan(); {
		if raw, ok := strings.CutPrefix(lines.Text(), "pid "); ok {
			pid, _ = strconv.Atoi(raw)
		}
	}
	if pid == 0 {
		t.Fatal("the parent did not start a server")
	}
	// a server that takes its time
	if err := errors.Join(syscall.Kill(pid, syscall.SIGSTOP), parent.Process.Kill()); err != nil {
		t.Fatal(err)
	}
	parent.Wait()
	if _, err := Start(t.Context(), Options{Dir: dir}); !errors.Is(err, ErrInUse) {
		t.Errorf("a start beside a dying server: %v, want ErrInUse", err)
	}
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	gone(t, pid)
	start(t, Options{Dir: dir}) // the lock went with the last process
}
