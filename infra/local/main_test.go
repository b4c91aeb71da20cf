package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/toolboxai-solutions/satchel/infra/local/stack"
)

// command is the built command with small binaries in the place of the functions'.
type command struct{ binary, functions, data, ready string }

func build(t *testing.T) command {
	t.Helper()
	// Not t.TempDir: PostgreSQL's account has to reach the data.
	dir, err := os.MkdirTemp("", "satchel-local-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	c := command{
		binary: filepath.Join(dir, "local"), functions: filepath.Join(dir, "bin"),
		data: filepath.Join(dir, "data"), ready: filepath.Join(dir, "ready.json"),
	}
	for out, source := range map[string]string{
		c.binary: ".",
		filepath.Join(c.functions, "analytics-aggregation", "bootstrap"):   "./stack/testdata/fn",
		filepath.Join(c.functions, "file-api", "bootstrap"):                "./stack/testdata/fn",
		filepath.Join(c.functions, "file-processing", "bootstrap"):         "./stack/testdata/fn",
		filepath.Join(c.functions, "notification-dispatcher", "bootstrap"): "./stack/testdata/fn",
	} {
		if text, err := exec.Command("go", "build", "-o", out,
			source).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
	}
	return c
}

// start runs the command until everything answers.
func (c command) start(t *testing.T) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	out := &bytes.Buffer{}
	running := exec.Command(c.binary, "-bin", c.functions, "-data", c.data, "-ready-file", c.ready,
		"-clamd", "off")
	running.Stdout, running.Stderr = out, out
	if err := running.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = running.Process.Kill() })
	c.await(t, "the ready-file", func() bool {
		text, err := os.ReadFile(c.ready)
		return err == nil && json.Valid(text)
	})
	return running, out
}

func (c command) await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come about; running: %v", what, c.processes())
		}
	}
}

// processes are those of this stack: the directory is in their command line.
func (c command) processes() (found []string) {
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range all {
		if line, err := os.ReadFile(path); err == nil &&
			strings.Contains(string(line), filepath.Dir(c.data)) {
			found = append(found, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}

// hang has a function work for longer than any of this takes.
func (c command) hang(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(c.ready)
	var ready struct{ API string }
	if err != nil || json.Unmarshal(text, &ready) != nil {
		t.Fatalf("ready-file %s: %v", text, err)
	}
	go func() {
		if response, err := http.Get(ready.API + "/v1/files/hang"); err == nil {
			_ = response.Body.Close()
		}
	}()
	c.await(t, "a function at work", func() bool {
		log, err := os.ReadFile(filepath.Join(c.data, stack.LogFile))
		return err == nil && bytes.Contains(log, []byte("hanging"))
	})
}

func TestNoProcessIsLeft(t *testing.T) {
	if _, err := os.Stat("/proc/self/cmdline"); err != nil {
		t.Skip("processes are looked for in /proc, which is not here")
	}
	c := build(t)

	running, out := c.start(t)
	if got := len(c.processes()); got < 3 {
		t.Fatalf("%d processes, want at least the stack, its Postgres and a function: %v", got,
			c.processes())
	}
	if err := running.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := running.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, out)
	}
	if left := c.processes(); len(left) > 0 {
		t.Errorf("after SIGTERM: %v", left)
	}
	if _, err := os.Stat(c.ready); !errors.Is(err, os.ErrNotExist) {
		t.Error("the ready-file tells of a stack that is not there")
	}

	running, _ = c.start(t)
	c.hang(t) // an idle function ends by itself when nobody has work for it
	if err := running.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = running.Wait()
	c.await(t, "the end of everything after SIGKILL",
		func() bool { return len(c.processes()) == 0 })
	if err := os.Remove(c.ready); err != nil { // nobody could remove it
		t.Fatal(err)
	}
	running, out = c.start(t) // what was killed starts again from the same data
	if err := running.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := running.Wait(); err != nil {
		t.Errorf("after SIGINT: %v\n%s", err, out)
	}
}
