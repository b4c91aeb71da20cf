package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// run makes the corpus, measures each file, and writes the results.
func run(ctx context.Context, rounds int, only, out string) error {
	dir, err := os.MkdirTemp("", "images-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	files, err := corpus(ctx, "build/corpus", only)
	if err != nil {
		return err
	}
	sides, err := prepare(ctx, dir)
	if err != nil {
		return err
	}
	var results []result
	for _, file := range files {
		r, err := measure(ctx, file, sides, rounds, dir)
		if err != nil {
			return fmt.Errorf("measure %s: %w", file.name, err)
		}
		fmt.Printf(
			"%-44s CPU %.2f of sharp's, bytes %.2f\n",
			file.name,
			r.ratio(cpuOf),
			r.byteRatio(),
		)
		results = append(results, r)
		written := report(results, rounds, only) // what is there remains where a later file fails
		if err := os.WriteFile(filepath.Join(out, "RESULTS.md"), written, 0o600); err != nil {
			return err
		}
	}
	return plot(results, filepath.Join(out, "cpu.png"))
}
