package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/toolboxai-solutions/satchel/infra/local/demo"
	"github.com/toolboxai-solutions/satchel/infra/local/stack"
)

// run starts the stack and stops it whatever happens in between.
func run(ctx context.Context, o options) (err error) {
	if o.explain {
		return stack.Explain(o.screen, o.stack)
	}
	if o.clean {
		return clean(o)
	}
	if o.logs {
		return follow(ctx, filepath.Join(o.stack.DataDir, stack.LogFile), o.words, o.screen)
	}
	if err := there(o.files); err != nil {
		return err
	}
	if err := forget(o.readyFile); err != nil {
		return err
	}
	s, err := stack.Start(ctx, o.stack)
	if err != nil && ctx.Err() != nil {
		return errors.New("stopped before everything was up")
	}
	if err != nil {
		return advised(err, o.stack.DataDir)
	}
	slog.SetDefault(s.Log)
	defer func() {
		fmt.Fprintln(o.screen, "\nStopping.")
		err = errors.Join(err, forget(o.readyFile), s.Stop())
	}()
	return use(ctx, o, s)
}

// advised says what to do about a directory that nothing can be written to. Of a full one
// PostgreSQL tells in twenty lines.
func advised(err error, data string) error {
	const full = "No space left on device" // as initdb prints it
	switch {
	case errors.Is(err, syscall.ENOSPC), strings.Contains(err.Error(), full):
		return fmt.Errorf("the disk of %s is full: a stack needs about 200 MB; free them, or choose "+
			"another directory with -data", data)
	case errors.Is(err, syscall.EROFS), errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w: choose a directory that you can write to with -data", err)
	}
	return err
}

// use sends files through a running stack and, unless it is a demo, keeps serving until the context
// ends.
func use(ctx context.Context, o options, s *stack.Stack) error {
	d := demo.Options{
		API: s.Ready.API, Organization: stack.FirstOrganization, User: "demo@example.org",
		Files: o.files, Reuse: !o.demo, Out: o.screen, Pusher: s.Channels.Host, Key: s.Channels.Key,
	}
	err := send(ctx, o, d)
	if o.demo {
		return err
	}
	if err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "\nThe samples did not get through:", err)
	}
	if err := demo.Agents(ctx, d, s.Ready.DatabaseURL); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "\nThe agents' health is not known:", err)
	}
	if o.readyFile != "" {
		if err := s.Ready.Write(o.readyFile); err != nil {
			return err
		}
	}
	if ctx.Err() == nil {
		fmt.Fprintf(o.screen, "\nServing until Ctrl-C.\n\n"+
			"  in a browser  %[1]s/ has files, events, agents, queues and what to type\n"+
			"  with curl     \"Try the API\" in README.md; a token:\n"+
			"                curl -s %[1]s/local/token -d "+
			"'{\"organization\":%[2]q,\"user\":\"you@example.org\",\"role\":\"staff\"}'\n"+
			"  your files    make demo FILES=\"photo.jpg\"\n"+
			"  the log       make logs follows %[3]s\n\nEvents of files:\n", s.Ready.API,
			stack.FirstOrganization, s.LogPath())
		if err := demo.Follow(ctx, d); err != nil && ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, "\nEvents cannot be shown here:", err)
		}
	}
	<-ctx.Done()
	return nil
}

func send(ctx context.Context, o options, d demo.Options) (err error) {
	if o.demo {
		d.SaveTo = o.pictures
	}
	if len(d.Files) == 0 {
		if d.Files, err = demo.Samples(o.samples); err != nil {
			return err
		}
	}
	fmt.Fprintln(o.screen)
	return demo.Run(ctx, d)
}

// forget removes a ready-file, which must not outlive the stack that it tells of.
func forget(readyFile string) error {
	if err := os.Remove(readyFile); err != nil && readyFile != "" &&
		!errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the ready-file: %w", err)
	}
	return nil
}

// watchGoRun ends the stack when `go run` is gone: it passes on no SIGTERM to the program that it
// runs.
func watchGoRun(ctx context.Context, end func()) {
	parent := os.Getppid()
	name, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(parent), "comm"))
	if err != nil || strings.TrimSpace(string(name)) != "go" {
		return
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for os.Getppid() == parent {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
	end()
}
