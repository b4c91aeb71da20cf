// Package child starts the processes of the local stack, none of which outlives it.
package child

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// Process is a child, in a process group of its own.
type Process struct {
	PID int
	// Done is closed when it has ended.
	Done chan struct{}
	// Err is what Wait said, once Done is closed.
	Err error
}

// Start starts cmd. When we end first, the child gets the signal.
func Start(cmd *exec.Cmd, orphaned syscall.Signal) (*Process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	p := &Process{Done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// Linux sends the parent-death signal when the thread ends that forked.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.Done)
		release, err := tie(cmd, orphaned)
		if err != nil {
			started <- err
			return
		}
		defer release()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		p.PID = cmd.Process.Pid
		started <- nil
		p.Err = cmd.Wait()
	}()
	return p, <-started
}

// Ended tells whether it has.
func (p *Process) Ended() bool {
	select {
	case <-p.Done:
		return true
	default:
		return false
	}
}

// End sends a signal and waits for the end. What is left when ctx ends is killed, with its group.
func (p *Process) End(ctx context.Context, s syscall.Signal) error {
	if p.Ended() { // its number may be another's by now
		return nil
	}
	if err := syscall.Kill(p.PID, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal process %d: %w", p.PID, err)
	}
	select {
	case <-p.Done:
		return nil
	case <-ctx.Done():
	}
	if err := syscall.Kill(-p.PID, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill process %d: %w", p.PID, err)
	}
	<-p.Done
	return nil
}

// watch puts a shell between us and the child that leaves a reader on a pipe of ours and becomes
// the child. When we end, the pipe closes, and the reader signals the child. The reader is forked
// twice, so that the child does not inherit one, and holds no other file of ours open.
func watch(cmd *exec.Cmd, orphaned syscall.Signal) (release func(), err error) {
	const script = `exec 9<&0; ( ( cat <&9 >/dev/null; kill -%d $$ ) 3<&- >/dev/null 2>&1 & ); exec 9<&-; exec "$@" </dev/null`
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Args = append([]string{"/bin/sh", "-c", fmt.Sprintf(script, orphaned), "sh", cmd.Path},
		cmd.Args[1:]...)
	cmd.Path, cmd.Stdin = "/bin/sh", r
	return func() { r.Close(); w.Close() }, nil
}

// Account is the first of the users that exists, for what must not run as root. It is nil where we
// are not root.
func Account(program string, names ...string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range names {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if err == nil && gidErr == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, fmt.Errorf("%s must not run as root, and none of the users %s is there to run it as: "+
		"add one, or run this as an ordinary user", program, strings.Join(names, ", "))
}

// FreePort is a port of the loopback that nothing listened on a moment ago.
func FreePort() (int, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
