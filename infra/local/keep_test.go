package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// screen is told of each line.
type screen chan string

func (s screen) Write(text []byte) (int, error) { s <- string(text); return len(text), nil }

func TestFollow(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "functions.log")
	write := func(flags int, text string) {
		t.Helper()
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|flags, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := follow(ctx, path, nil, nil); err == nil ||
		!strings.Contains(err.Error(), "make run") {
		t.Errorf("a log that is not there: %v", err)
	}
	write(0, "file-api | 1 x\nfile-processing | 1 x\nfile-api | 2 y\nfile-api | 3")
	lines, done := make(screen), make(chan error)
	go func() { done <- follow(ctx, path, []string{"file-api", "x"}, lines) }()
	want := func(want string) {
		t.Helper()
		if got := <-lines; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	want("file-api | 1 x\n")
	write(os.O_APPEND, " x\n")
	want("file-api | 3 x\n")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	write(0, "file-api | 4 x\n")
	want("file-api | 4 x\n")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestClean(t *testing.T) {
	t.Chdir(t.TempDir())
	var said bytes.Buffer
	o, err := parse([]string{"-clean", "-data", "data"})
	if err != nil {
		t.Fatal(err)
	}
	o.screen = &said
	for _, path := range []string{"data/s3/a", "data/bin/b", "data/mine/c", o.pictures} {
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := clean(o); err != nil {
		t.Fatal(err)
	}
	for path, stays := range map[string]bool{
		"data/s3": false, "data/bin": false, "data/lock": false, "data/mine/c": true,
		o.pictures: false,
	} {
		if _, err := os.Stat(path); (err == nil) != stays {
			t.Errorf("%s stays: %v, want %v", path, err == nil, stays)
		}
	}
	if err := os.RemoveAll("data/mine"); err != nil {
		t.Fatal(err)
	}
	if err := clean(o); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("data"); err == nil {
		t.Error("an empty data directory stays")
	}
}
