package child

import (
	"os/exec"
	"syscall"
)

// tie has the kernel signal the child when we end. A child that changes its user later would lose
// that (prctl(2), PR_SET_PDEATHSIG): it has to be started as another user, by its credential.
func tie(cmd *exec.Cmd, orphaned syscall.Signal) (release func(), err error) {
	cmd.SysProcAttr.Pdeathsig = orphaned
	return func() {}, nil
}
