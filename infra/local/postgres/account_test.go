package postgres

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

func TestRootRunsTheServerAsSomebodyElse(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 || runtime.GOOS != "linux" {
		t.Skip("only root has to, and only /proc tells")
	}
	c := start(t, Options{Dir: reachableDir(t), Throwaway: true})
	info, err := os.Stat(fmt.Sprintf("/proc/%d", c.server.PID))
	if err != nil {
		t.Fatal(err)
	}
	if info.Sys().(*syscall.Stat_t).Uid == 0 {
		t.Error("the server runs as root")
	}
}

func TestPlaceIsWithinReachOfTheServer(t *testing.T) {
	t.Parallel()
	closed := t.TempDir()
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	stranger := account{&syscall.Credential{Uid: 4242, Gid: 4242}}
	got, err := stranger.place(filepath.Join(closed, "not", "yet", "there"))
	if err != nil || !strings.HasPrefix(got, "/var/lib/satchel/") {
		t.Errorf("place below a closed directory = %s, %v, want one under /var/lib", got, err)
	}
	again, _ := stranger.place(filepath.Join(closed, "not", "yet", "there"))
	other, _ := stranger.place(filepath.Join(closed, "another"))
	if again != got || other == got {
		t.Errorf("%s, then %s for the same directory and %s for another", got, again, other)
	}
	open := reachableDir(t)
	if got, err := stranger.place(open); err != nil || got != open {
		t.Errorf("place in an open directory = %s, %v, want it unchanged", got, err)
	}
	self := account{}
	if got, err := self.place(closed); err != nil || got != closed {
		t.Errorf("place for ourselves = %s, %v, want it unchanged", got, err)
	}
}
