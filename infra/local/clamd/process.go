package clamd

import (
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a started clamd with the end of what it printed.
type process struct {
	cmd    *exec.Cmd
	output *lastOutput
	done   chan struct{}
}

// launch starts cmd so that it does not outlive this process. The goroutine
// that starts it keeps its thread until the child has ended, because Linux
// sends the parent-death signal when the starting thread ends.
func launch(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, output: &lastOutput{}, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.output, p.output
	cmd.Dir = "/"
	attributes, err := procAttr()
	if err != nil {
		return nil, err
	}
	cmd.SysProcAttr = attributes
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is told by done and by its output
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// end signals the process and returns when it has ended; one that takes longer
// than stopGrace is killed.
func (p *process) end(s syscall.Signal) {
	p.cmd.Process.Signal(s)
	timer := time.AfterFunc(stopGrace, func() { p.cmd.Process.Kill() })
	defer timer.Stop()
	<-p.done
}

// lastOutput keeps the end of what a process prints, for an error message.
type lastOutput struct {
	mu   sync.Mutex
	text []byte
}

func (o *lastOutput) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, b...)
	if extra := len(o.text) - 4<<10; extra > 0 {
		o.text = o.text[extra:]
	}
	return len(b), nil
}

func (o *lastOutput) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.TrimSpace(string(o.text))
}
