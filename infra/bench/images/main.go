// Command images measures what the pictures of an upload cost: ours, by the command that wraps
// package picture, against sharp, in turn, on a corpus that corpus.sh makes. It needs npm and
// libjpeg-turbo's tools, and writes RESULTS.md and cpu.png beside its source.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
)

func main() {
	rounds := flag.Int("rounds", 5, "warm rounds of each file on each side")
	only := flag.String("only", "*", "pattern of the files to measure")
	out := flag.String("out", "infra/bench/images", "directory for RESULTS.md and cpu.png")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *rounds, *only, *out); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
