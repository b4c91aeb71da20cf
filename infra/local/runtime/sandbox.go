package runtime

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/toolboxai-solutions/satchel/infra/local/child"
)

// memoryCheck is how often a sandbox's memory is compared with its limit.
const memoryCheck = 20 * time.Millisecond

// sandbox is one process and the Runtime API that only it talks to.
type sandbox struct {
	fn      *function
	process *child.Process
	server  *http.Server

	polls       chan struct{}    // one per request for the next invocation
	work        chan *invocation // taken by the request that polls
	results     chan result      // of the invocation that is running
	initFailure chan error
	exited      chan struct{} // closed when the process is gone

	spent time.Duration // processor time before the invocation that is running

	current     atomic.Pointer[invocation]
	outOfMemory atomic.Bool
}

// start runs the binary. It returns when the process exists, not when it is initialised.
func (f *function) start() (*sandbox, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	scratch, err := os.MkdirTemp(f.dir, f.Name+"-*")
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	s := &sandbox{
		fn:    f,
		polls: make(chan struct{}, 1), work: make(chan *invocation), results: make(chan result, 1),
		initFailure: make(chan error, 1), exited: make(chan struct{}),
	}
	s.server = &http.Server{Handler: s.api(), ReadHeaderTimeout: time.Minute}
	pass := func(line []byte) { f.log(f.Name, line) }
	printed, complained := &lineWriter{pass: pass}, &lineWriter{pass: pass}
	cmd := exec.Command(f.Binary)
	cmd.Dir, cmd.Stdout, cmd.Stderr = filepath.Dir(f.Binary), printed, complained
	cmd.Env = f.environment(listener.Addr().String(), scratch)
	cmd.WaitDelay = time.Second

	f.mu.Lock()
	if f.stopped.Err() != nil {
		f.mu.Unlock()
		return nil, errors.Join(ErrClosed, listener.Close(), os.RemoveAll(scratch))
	}
	f.running.Add(1)
	f.mu.Unlock()
	go func() { _ = s.server.Serve(listener) }()
	if s.process, err = child.Start(cmd, syscall.SIGKILL); err != nil {
		s.leave(scratch)
		return nil, err
	}
	if !f.register(s) {
		s.signal()
	}
	go func() {
		<-s.process.Done
		s.signal() // whatever the function left running in its group
		printed.flush()
		complained.flush()
		s.leave(scratch)
	}()
	go s.watchMemory()
	return s, nil
}

// leave gives back what a sandbox had.
func (s *sandbox) leave(scratch string) {
	_ = s.server.Close()
	_ = os.RemoveAll(scratch)
	s.fn.forget(s)
	close(s.exited)
	s.fn.running.Done()
}

func (s *sandbox) alive() bool {
	select {
	case <-s.exited:
		return false
	default:
		return true
	}
}

func (s *sandbox) pid() int { return s.process.PID }

// kill ends the process; it returns at once, exited tells when it is gone.
func (s *sandbox) kill() {
	if s.alive() {
		s.signal()
	}
}

// lastWords is the result of an invocation whose process is gone: what it answered before, or how
// it ended.
func (s *sandbox) lastWords(inv *invocation) result {
	select {
	case r := <-s.results:
		return r
	case err := <-s.initFailure:
		return result{err: err}
	default:
	}
	if s.outOfMemory.Load() {
		return result{err: s.fn.fail(TypeOutOfMemory, fmt.Sprintf(
			"RequestId: %s Error: Runtime exited with error: signal: killed (over %d MB)", inv.id,
			s.fn.MemoryMB))}
	}
	how := "without providing a reason"
	if s.process.Err != nil {
		how = "with error: " + s.process.Err.Error()
	}
	return result{err: s.fn.fail(TypeExit, fmt.Sprintf("RequestId: %s Error: Runtime exited %s",
		inv.id, how))}
}

// watchMemory kills the sandbox above its memory, as Lambda does.
func (s *sandbox) watchMemory() {
	tick := time.NewTicker(memoryCheck)
	defer tick.Stop()
	for {
		select {
		case <-s.exited:
			return
		case <-tick.C:
			if residentMemory(s.pid()) > int64(s.fn.MemoryMB)<<20 {
				s.outOfMemory.Store(true)
				s.kill()
				return
			}
		}
	}
}

// environment is what Lambda sets
// (https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html) and then what the
// function has.
func (f *function) environment(api, scratch string) []string {
	env := map[string]string{
		"AWS_LAMBDA_RUNTIME_API":          api,
		"AWS_LAMBDA_FUNCTION_NAME":        f.Name,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(f.MemoryMB),
		"AWS_LAMBDA_FUNCTION_VERSION":     "$LATEST",
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME":       "/aws/lambda/" + f.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME":      filepath.Base(scratch),
		"AWS_REGION":                      region,
		"AWS_DEFAULT_REGION":              region,
		"LAMBDA_TASK_ROOT":                filepath.Dir(f.Binary),
		"LAMBDA_RUNTIME_DIR":              filepath.Dir(f.Binary),
		"_HANDLER":                        "bootstrap",
		"TZ":                              ":UTC",
		"LANG":                            "en_US.UTF-8",
		"PATH":                            "/usr/local/bin:/usr/bin:/bin",
		"TMPDIR":                          scratch, // Lambda's /tmp: kept while the sandbox is warm
	}
	for name, value := range f.Env {
		env[name] = value
	}
	list := make([]string, 0, len(env))
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	return list
}

// signal kills the process with all that it started.
func (s *sandbox) signal() {
	_ = syscall.Kill(-s.pid(), syscall.SIGKILL)
}
