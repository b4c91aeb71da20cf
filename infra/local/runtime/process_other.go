//go:build unix && !linux

package runtime

import "syscall"

// ownGroup puts a sandbox into a process group of its own; only Linux can also tie it to the stack's life.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
