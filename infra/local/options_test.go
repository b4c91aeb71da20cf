package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestParse(t *testing.T) {
	t.Chdir(t.TempDir())
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	run, err := parse([]string{"-ready-file", "r.json", "-data", "d", "-fresh", "-clamd", "off"})
	if err != nil || run.demo || run.readyFile != filepath.Join(here, "r.json") ||
		run.stack.DataDir != filepath.Join(here, "d") ||
		!run.stack.Fresh || run.stack.Clamd != "off" {
		t.Errorf("run: %+v, %v", run, err)
	}
	demo, err := parse([]string{"-demo", "a.jpg", "b.pdf"})
	if err != nil || !demo.demo || len(demo.files) != 2 ||
		demo.files[1] != filepath.Join(here, "b.pdf") {
		t.Errorf("demo: %+v, %v", demo, err)
	}
	if demo.stack.DataDir == run.stack.DataDir || !strings.HasSuffix(demo.stack.DataDir, "-demo") ||
		!demo.stack.Fresh {
		t.Errorf("a demo gets in the way of a stack that runs: %+v", demo.stack)
	}
	if kept, err := parse([]string{"-demo", "-data", "d"}); err != nil || kept.stack.Fresh {
		t.Errorf("a demo emptied a directory that it was given: %+v, %v", kept, err)
	}
	if _, err := parse([]string{"a.jpg"}); err == nil {
		t.Error("a file without -demo is a mistake")
	}
}

func TestDirectoryThatCannotBeWrittenIsTold(t *testing.T) {
	t.Parallel()
	for _, cause := range []error{syscall.ENOSPC, errors.New("initdb: FATAL:  could not write " +
		"to file \"base/4/1247\": No space left on device"), syscall.EROFS, syscall.EACCES} {
		err := advised(fmt.Errorf("start postgres: %w", cause), "/data")
		if !strings.Contains(err.Error(), "-data") || strings.Contains(err.Error(), "FATAL") {
			t.Errorf("%v: %v", cause, err)
		}
	}
	if other := errors.New("something else"); advised(other, "/data") != other {
		t.Error("advice where there is none to give")
	}
}
