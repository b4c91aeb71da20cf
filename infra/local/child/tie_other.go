//go:build unix && !linux

package child

import (
	"os/exec"
	"syscall"
)

func tie(cmd *exec.Cmd, orphaned syscall.Signal) (release func(), err error) {
	return watch(cmd, orphaned)
}
