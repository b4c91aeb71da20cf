// Command local runs the whole platform on this machine: no account, no Docker, one process tree.
//
//	go run ./infra/local                 start, send the sample photos, keep serving until Ctrl-C
//	go run ./infra/local -demo [files]   send files, print what became of them, end
//	go run ./infra/local -logs [words]   follow the functions' log, lines with each of the words
//	go run ./infra/local -clean          delete what stacks and demos kept
//	go run ./infra/local -explain        say what is not here as template.yaml has it, and why
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Stdout = nil // the S3 server prints about itself: what we have to say goes to o.screen
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM,
		syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends at once; the kernel then ends the rest
	ctx, orphaned := context.WithCancel(ctx)
	defer orphaned()
	go watchGoRun(ctx, orphaned)
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "\n"+err.Error())
		os.Exit(1)
	}
}
