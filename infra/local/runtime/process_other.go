//go:build unix && !linux

package runtime

import (
	"syscall"
	"time"
)

// ownGroup puts a sandbox into a process group of its own; only Linux can also tie it to the
// stack's life.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// processorTime is told on Linux only.
func processorTime(int) time.Duration { return 0 }
