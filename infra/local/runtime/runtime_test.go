package runtime

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	stdruntime "runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "satchel-runtime-*")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "bootstrap")
	build := exec.Command("go", "build", "-o", binary, "./testdata/fn")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		panic(string(out))
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

type answer struct {
	PID, Calls, Child            int
	Env                          map[string]string
	Request, ARN, Trace, Scratch string
	Deadline                     time.Time
}

type host struct {
	*Host
	t    *testing.T
	logs *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func start(t *testing.T, fn Function) *host {
	t.Helper()
	fn.Name, fn.Binary = "fn", binary
	logs := &lockedBuffer{}
	h, err := Start(t.Context(), Config{Functions: []Function{fn}, Dir: t.TempDir(),
		Log: func(function string, line []byte) { fmt.Fprintf(logs, "%s | %s\n", function, line) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return &host{Host: h, t: t, logs: logs}
}

func (h *host) do(payload string) (answer, error) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	body, err := h.Invoke(ctx, "fn", []byte(payload))
	if err != nil {
		return answer{}, err
	}
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		h.t.Fatalf("answer %s: %v", body, err)
	}
	return a, nil
}

func (h *host) must(payload string) answer {
	h.t.Helper()
	a, err := h.do(payload)
	if err != nil {
		h.t.Fatal(err)
	}
	return a
}

func (h *host) fails(payload, kind, message string) {
	h.t.Helper()
	_, err := h.do(payload)
	var failed *FunctionError
	if !errors.As(err, &failed) {
		h.t.Fatalf("%s: got %v, want a function error", payload, err)
	}
	if failed.Type != kind || !strings.Contains(failed.Message, message) {
		h.t.Fatalf("%s: got %q %q, want %q %q", payload, failed.Type, failed.Message, kind, message)
	}
}

// gone waits until no process has this id.
func gone(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); time.Sleep(
		time.Millisecond) {
		state, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || err == nil &&
			bytes.Contains(state, []byte(") Z ")) {
			return
		}
	}
	t.Fatalf("process %d is still there", pid)
}

func TestInvocationLooksLikeLambda(t *testing.T) {
	t.Setenv("LEAKS_FROM_THE_STACK", "yes")
	h := start(t, Function{Env: map[string]string{"OWN": "setting"}, Timeout: time.Hour,
		MemoryMB: 256})
	a := h.must(`{}`)
	for name, want := range map[string]string{
		"OWN": "setting", "AWS_LAMBDA_FUNCTION_NAME": "fn",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
		"AWS_REGION":                      "us-east-1", "LAMBDA_TASK_ROOT": filepath.Dir(binary),
		"LEAKS_FROM_THE_STACK": "",
	} {
		if a.Env[name] != want {
			t.Errorf("%s = %q, want %q", name, a.Env[name], want)
		}
	}
	if a.ARN != ARN("fn") || len(a.Request) != 36 || !strings.HasPrefix(a.Trace, "Root=1-") {
		t.Errorf("arn %q, request %q, trace %q", a.ARN, a.Request, a.Trace)
	}
	if left := time.Until(a.Deadline); left < 30*time.Minute || left > time.Hour {
		t.Errorf("the deadline is %s away, want about an hour", left)
	}
	if !strings.Contains(h.logs.String(), "fn | doing") {
		t.Errorf("log = %q", h.logs.String())
	}
}

func TestWarmSandboxIsReused(t *testing.T) {
	t.Parallel()
	h := start(t, Function{})
	first, second := h.must(`{}`), h.must(`{}`)
	if first.PID != second.PID || second.Calls != 2 {
		t.Errorf("process %d then %d, call %d", first.PID, second.PID, second.Calls)
	}
}

func TestConcurrencyIsLimited(t *testing.T) {
	t.Parallel()
	h := start(t, Function{Concurrency: 2, Timeout: 5 * time.Minute})
	pids, mu := map[int]bool{}, sync.Mutex{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			a, err := h.do(`{"Do":"sleep","For":50000000}`)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			pids[a.PID] = true
			mu.Unlock()
		})
	}
	wg.Wait()
	if len(pids) != 2 {
		t.Errorf("%d sandboxes served 8 invocations at once, want 2", len(pids))
	}
}

func TestFailuresKeepTheirWordsAndTheNextInvokeWorks(t *testing.T) {
	t.Parallel()
	const patient = 15 * time.Second
	for name, c := range map[string]struct {
		payload, kind, message string
		timeout                time.Duration
		lives                  bool
	}{
		"error":       {`{"Do":"error"}`, "errorString", "it went wrong", patient, true},
		"typed error": {`{"Do":"typed"}`, "teapotError", "short and stout", patient, true},
		"panic":       {`{"Do":"panic"}`, "string", "ouch", patient, false},
		"exit":        {`{"Do":"exit"}`, TypeExit, "exit status 7", patient, false},
		"timeout": {`{"Do":"sleep","For":300000000000}`, TypeTimeout,
			"Task timed out after 3.00 seconds", 3 * time.Second, false},
		"out of memory": {`{"Do":"hog","Bytes":150000000,"For":10000000000}`, TypeOutOfMemory,
			"killed", patient, false},
		"large answer": {`{"Do":"large","Bytes":7000000}`, TypeTooLarge, "exceeded", patient,
			false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := start(t, Function{Timeout: c.timeout, MemoryMB: 96})
			before := h.must(`{}`).PID
			h.fails(c.payload, c.kind, c.message)
			after := h.must(`{}`).PID
			if c.lives != (before == after) {
				t.Errorf("sandbox %d, then %d", before, after)
			}
			if !c.lives {
				gone(t, before)
			}
		})
	}
}

func TestKillInTheMiddle(t *testing.T) {
	t.Parallel()
	h := start(t, Function{Timeout: 10 * time.Minute})
	failed := make(chan error, 1)
	go func() {
		_, err := h.do(`{"Do":"sleep","For":300000000000}`)
		failed <- err
	}()
	for !strings.Contains(h.logs.String(), "doing sleep") {
		time.Sleep(time.Millisecond)
	}
	if h.Busy("fn") != 1 {
		t.Errorf("%d sandboxes work, want 1", h.Busy("fn"))
	}
	if n := h.Kill("fn"); n != 1 {
		t.Errorf("killed %d, want 1", n)
	}
	var fe *FunctionError
	if err := <-failed; !errors.As(err, &fe) || fe.Type != TypeExit ||
		!strings.Contains(fe.Message, "signal: killed") {
		t.Errorf("got %v", err)
	}
	h.must(`{}`)
}

func TestFailedInit(t *testing.T) {
	t.Parallel()
	h := start(t, Function{Env: map[string]string{"FAIL_INIT": "1"}})
	h.fails(`{}`, TypeExit, "exit status 2")
	if !strings.Contains(h.logs.String(), "fn | no way to start\n") {
		t.Errorf("the last words are not in the log: %q", h.logs.String())
	}
}

func TestCallerThatLeavesDoesNotStopTheFunction(t *testing.T) {
	t.Parallel()
	h := start(t, Function{Timeout: 5 * time.Minute, Concurrency: 1})
	pid := h.must(`{}`).PID
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := h.Invoke(ctx, "fn", []byte(`{"Do":"sleep","For":200000000}`)); !errors.Is(err,
		context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	if a := h.must(`{}`); a.PID != pid || a.Calls != 3 {
		t.Errorf("sandbox %d call %d, want %d call 3", a.PID, a.Calls, pid)
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	t.Parallel()
	h := start(t, Function{})
	a := h.must(`{"Do":"child"}`)
	h.Close()
	gone(t, a.PID)
	gone(t, a.Child)
	if _, err := os.Stat(a.Scratch); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("scratch directory is left: %v", err)
	}
	if _, err := h.do(`{}`); !errors.Is(err, ErrClosed) {
		t.Errorf("invoke after close: %v", err)
	}
}

func TestFunctionThatExitsLeavesNoChild(t *testing.T) {
	t.Parallel()
	h := start(t, Function{})
	h.fails(`{"Do":"orphan"}`, TypeExit, "exit status 7")
	_, rest, _ := strings.Cut(h.logs.String(), "child ")
	number, _, _ := strings.Cut(rest, ".")
	child, err := strconv.Atoi(number)
	if err != nil {
		t.Fatalf("log %q: %v", h.logs.String(), err)
	}
	gone(t, child)
}

func TestReportTellsColdFromWarm(t *testing.T) {
	t.Parallel()
	var reports []Report
	h, err := Start(t.Context(), Config{
		Functions: []Function{{Name: "fn", Binary: binary}}, Dir: t.TempDir(),
		Report: func(r Report) { reports = append(reports, r) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for range 2 {
		if _, err := h.Invoke(t.Context(), "fn",
			[]byte(`{"Do":"sleep","For":5000000}`)); err != nil {
			t.Fatal(err)
		}
	}
	if len(reports) != 2 || reports[0].Init == 0 || reports[1].Init != 0 ||
		reports[1].Duration < 5*time.Millisecond {
		t.Errorf("reports %+v", reports)
	}
	if _, err := os.Stat("/proc/self/status"); err == nil && reports[0].MaxMemory < 1<<20 {
		t.Errorf("peak memory %d", reports[0].MaxMemory)
	}
}

func TestReportTellsProcessorTime(t *testing.T) {
	if stdruntime.GOOS != "linux" {
		t.Skip("only Linux tells")
	}
	t.Parallel()
	var reports []Report
	h, err := Start(t.Context(), Config{
		Functions: []Function{{Name: "fn", Binary: binary}}, Dir: t.TempDir(),
		Report: func(r Report) { reports = append(reports, r) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for _, payload := range []string{`{"Do":"work","For":200000000}`, `{}`, `{"Do":"exit"}`} {
		_, _ = h.Invoke(t.Context(), "fn", []byte(payload))
	}
	if reports[0].CPU < 200*time.Millisecond {
		t.Errorf("%s of processor time reported, 200ms were used", reports[0].CPU)
	}
	if reports[1].CPU >= reports[0].CPU {
		t.Errorf("a warm invocation that did nothing used %s: that of the one before is counted "+
			"again", reports[1].CPU)
	}
	if reports[2].CPU < 0 {
		t.Errorf("%s of a process that is gone", reports[2].CPU)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	h := start(t, Function{})
	if _, err := h.Invoke(t.Context(), "fn", make([]byte, MaxPayload+1)); !errors.Is(err,
		ErrTooLarge) {
		t.Errorf("large payload: %v", err)
	}
	if _, err := h.Invoke(t.Context(), "other", nil); !errors.Is(err, ErrUnknownFunction) {
		t.Errorf("unknown function: %v", err)
	}
	_, err := Start(t.Context(), Config{Functions: []Function{{Name: "none", Binary: "missing"}},
		Dir: t.TempDir()})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing binary: %v", err)
	}
}
