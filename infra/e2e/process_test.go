package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/toolboxai-solutions/satchel/infra/local/stack"
)

// command is `go run ./infra/local` with a directory of its own.
type command struct {
	t                *testing.T
	dir, data, ready string
}

func newCommand(t *testing.T) command {
	t.Helper()
	dir, err := scratch()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return command{t, dir, filepath.Join(dir, "data"), filepath.Join(dir, "ready.json")}
}

// run starts the command as a terminal does, in a process group of its own.
func (c command) run(arguments ...string) (*exec.Cmd, *output) {
	c.t.Helper()
	out := &output{}
	running := exec.Command("go", append(
		[]string{"run", "./infra/local", "-bin", shared.bin, "-data", c.data}, arguments...)...)
	running.Dir = shared.root
	running.Stdout, running.Stderr = out, out
	running.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := running.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(
		func() { _ = syscall.Kill(-running.Process.Pid, syscall.SIGTERM); _ = running.Wait() })
	return running, out
}

// serve runs the command until its ready-file is there.
func (c command) serve() (running *exec.Cmd, out *output) {
	c.t.Helper()
	running, out = c.run("-ready-file", c.ready)
	until(c.t, "the ready-file", func() bool {
		stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(running.Process.Pid), "stat"))
		if err != nil || bytes.Contains(stat, []byte(") Z ")) {
			c.t.Fatalf("it ended without a ready-file\n%s", out)
		}
		_, err = os.Stat(c.ready)
		return err == nil
	})
	return running, out
}

// interrupt is Ctrl-C: every process of the terminal's group gets it.
func (c command) interrupt(running *exec.Cmd, out *output) {
	c.t.Helper()
	below := descendants(running.Process.Pid)
	if len(below) < 4 { // the stack, PostgreSQL with its own, functions
		c.t.Errorf("only %d processes below the command", len(below))
	}
	if err := syscall.Kill(-running.Process.Pid, syscall.SIGINT); err != nil {
		c.t.Fatal(err)
	}
	// `go run` itself ends with 1 at Ctrl-C; it tells when the program did not end with 0
	_ = running.Wait()
	if text := out.String(); !strings.HasSuffix(text, "Stopping.\n") ||
		strings.Contains(text, "AccessDenied") {
		c.t.Errorf("after Ctrl-C:\n%s", text)
	}
	for _, pid := range below {
		if syscall.Kill(pid, 0) == nil {
			name, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
			c.t.Errorf("process %d is left: %q", pid, name)
		}
	}
	if _, err := os.Stat(c.ready); !errors.Is(err, os.ErrNotExist) {
		c.t.Error("the ready-file tells of a stack that is not there")
	}
}

// The command as a newcomer and a check use it: a ready-file, samples on show, two stacks side by
// side, a second start, Ctrl-C.
func TestCommand(t *testing.T) {
	t.Parallel()
	needProc(t)
	c := newCommand(t)
	running, out := c.serve()
	wantReadyShape(t, c.ready)
	var ready stack.Ready
	if err := readJSON(c.ready, &ready); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"dogs-phone.jpg", "sunset-12mp.jpg", "bowl-alpha.png",
		"creek.webp", "lesson.pdf", "STATUS", "PIXELS", "available"} {
		if !strings.Contains(out.String(), name) {
			t.Errorf("the table lacks %s:\n%s", name, out)
		}
	}
	p, err := connect(ready)
	if err != nil {
		t.Fatal(err)
	}
	defer p.rows.Close()
	s := schoolOn(t, p)
	u := s.signIn("ada@example.test", "member")
	kept := u.available(text("kept"))

	t.Run("beside it a demo ends with 0", func(t *testing.T) {
		if code, out := newCommand(t).demo(t, "note.txt", []byte("hello")); code != 0 ||
			!strings.Contains(out, "available") {
			t.Errorf("exit code %d\n%s", code, out)
		}
	})
	t.Run("and a refused file is a result, too", func(t *testing.T) {
		if code, out := newCommand(t).demo(t, "photo.bmp", []byte("BM")); code != 0 ||
			!strings.Contains(out, "refused") {
			t.Errorf("exit code %d\n%s", code, out)
		}
	})
	s.wantQuota(4, 0, 1)
	p.rows.Close()
	c.interrupt(running, out)

	running, out = c.serve()
	if err := readJSON(c.ready, &ready); err != nil {
		t.Fatal(err)
	}
	if p, err = connect(ready); err != nil {
		t.Fatal(err)
	}
	defer p.rows.Close()
	again := &school{platform: p, t: t, slug: s.slug}
	if _, content := again.signIn("ada@example.test", "").fetch(kept,
		""); string(content) != "kept" {
		t.Errorf("kept is %q", content)
	}
	again.wantQuota(4, 0, 1)
	p.rows.Close()
	c.interrupt(running, out)
}

func (c command) demo(t *testing.T, name string, content []byte) (int, string) {
	t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	c.t = t
	running, out := c.run("-demo", path)
	err := running.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return running.ProcessState.ExitCode(), out.String()
}

// wantReadyShape compares the ready-file with the shape that checks rely on, member by member.
func wantReadyShape(t *testing.T, path string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	var got struct {
		API         string            `json:"api"`
		Issuer      string            `json:"issuer"`
		DatabaseURL string            `json:"database_url"`
		Roles       map[string]string `json:"roles"`
		S3          struct {
			Endpoint  string `json:"endpoint"`
			Region    string `json:"region"`
			AccessKey string `json:"access_key"`
			SecretKey string `json:"secret_key"`
			Buckets   struct {
				Incoming   string `json:"incoming"`
				Files      string `json:"files"`
				Quarantine string `json:"quarantine"`
			} `json:"buckets"`
		} `json:"s3"`
		Pusher struct {
			Host   string `json:"host"`
			Port   int    `json:"port"`
			Key    string `json:"key"`
			AppID  string `json:"app_id"`
			Secret string `json:"secret"`
		} `json:"pusher"`
	}
	if err := decoder.Decode(&got); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	b := got.S3.Buckets
	if p := got.Pusher; p.Host == "" || p.Port == 0 || p.Key == "" || p.AppID == "" ||
		p.Secret == "" {
		t.Errorf("the ready-file tells of Pusher no more than %+v", p)
	}
	for _, url := range []string{got.API, got.Issuer, got.S3.Endpoint} {
		if !strings.HasPrefix(url, "http://") {
			t.Errorf("%q is no address", url)
		}
	}
	for _, entry := range []string{"file-api/http", "file-api/maintenance",
		"file-processing/events"} {
		if !strings.HasPrefix(got.Roles[entry], "postgres://") {
			t.Errorf("no role for %s", entry)
		}
	}
	set := []string{b.Incoming, b.Files, b.Quarantine}
	slices.Sort(set)
	if slices.Contains(set, "") || len(slices.Compact(set)) != 3 || got.S3.Region == "" ||
		got.S3.AccessKey == "" || got.S3.SecretKey == "" ||
		!strings.HasPrefix(got.DatabaseURL, "postgres://") {
		t.Errorf("the ready-file lacks something: %d roles, buckets %v", len(got.Roles), set)
	}
	response, err := http.Get(got.Issuer + "/.well-known/openid-configuration")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var discovery struct {
		Keys string `json:"jwks_uri"`
	}
	if err := json.NewDecoder(response.Body).Decode(&discovery); err != nil ||
		discovery.Keys != got.Issuer+"/.well-known/jwks.json" {
		t.Errorf("the issuer says %+v: %v", discovery, err)
	}
}

// output is what a process printed, read while it prints.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// needProc skips a test where /proc does not tell of processes and their memory, but not in CI,
// which runs on Linux.
func needProc(t *testing.T) {
	t.Helper()
	_, err := os.Stat("/proc/self/stat")
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatal("/proc is missing, and CI has to have it: run it on Linux")
	default:
		t.Skip("processes and their memory are looked for in /proc, which is not here")
	}
}
