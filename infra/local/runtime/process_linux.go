package runtime

import "syscall"

// ownGroup puts a sandbox into a process group of its own and has the kernel end it with the stack, however
// the stack ends.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
