package main

import (
	"path/filepath"
	"strings"
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
