package postgres

import (
	"os/exec"
	"syscall"
)

// tie has the kernel tell the server to shut down when we end.
func tie(cmd *exec.Cmd) (release func(), err error) {
	cmd.SysProcAttr.Pdeathsig = syscall.SIGINT
	return func() {}, nil
}
