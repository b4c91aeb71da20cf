package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

type options struct {
	out     string // the file that is written; empty: only printed
	samples string
	only    []string
	peers   bool
	sizes   []int  // rows of history of the rollup
	plot    string // the file of its plot
	queries string // the file of its statement
	command string
}

// parse makes every path absolute: the S3 server changes the working directory.
func parse(arguments []string) (o options, err error) {
	var only, sizes string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&o.out, "out", filepath.Join("infra", "bench", "RESULTS.md"), "file to write")
	f.StringVar(&only, "only", "",
		"sections to run, as in latency,photo,files,tenant,policy,delivery,producer,claim,arrival,"+
			"rollup; only these are written anew then")
	f.StringVar(&sizes, "history", "100000,1000000",
		"rows of history that the rollup is measured with")
	f.BoolVar(&o.peers, "peers", false,
		"also measure sharp, which npm installs into a temporary directory")
	if err := f.Parse(arguments); err != nil {
		return o, err
	}
	o.command = strings.Join(append([]string{"go run ./infra/bench"}, arguments...), " ")
	if only != "" {
		o.only = strings.Split(only, ",")
	}
	for size := range strings.SplitSeq(sizes, ",") {
		n, err := strconv.Atoi(size)
		if err != nil || n < 50_000 || len(o.sizes) > 0 && n <= o.sizes[len(o.sizes)-1] {
			return o, fmt.Errorf("-history %s: give ascending numbers from 50000 on", sizes)
		}
		o.sizes = append(o.sizes, n)
	}
	o.plot, o.queries = filepath.Join("infra", "bench", "rollup.png"), rollupQueries
	o.samples = filepath.Join("infra", "local", "samples")
	for _, path := range []*string{&o.out, &o.samples, &o.plot, &o.queries} {
		if *path == "" {
			continue
		}
		if *path, err = filepath.Abs(*path); err != nil {
			return o, err
		}
	}
	return o, nil
}

// run takes the sections one after the other: nothing of ours competes with what is measured.
func run(ctx context.Context, o options) (err error) {
	if os.Getenv("DATABASE_URL") != "" {
		return errors.New("the bench fills a database and makes a role that no policy binds: " +
			"unset DATABASE_URL, so that it starts its own server")
	}
	began := time.Now()
	w, err := newFixture(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()

	r := report{command: o.command}
	if r.machine, err = describe(ctx, w); err != nil {
		return err
	}
	before := load()
	for _, part := range []struct {
		name    string
		measure func(context.Context, *fixture) (section, error)
	}{
		{"latency", latency}, {"photo", photo}, {"files", files}, {"tenant", tenantSetting},
		{"policy", policy}, {"delivery", delivery}, {"producer", producer}, {"claim", claim},
		{"arrival", arrival}, {"rollup", rollup},
	} {
		if o.only != nil && !slices.Contains(o.only, part.name) {
			continue
		}
		fmt.Fprintln(os.Stderr, "measuring", part.name)
		s, err := part.measure(ctx, w)
		if err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
		r.sections = append(r.sections, s)
	}
	r.machine = append(r.machine, []string{"load average (1, 5, 15 min)",
		before + " before, " + load() + " after"},
		[]string{"date", began.UTC().Format(time.DateOnly)},
		[]string{"took", time.Since(began).Round(time.Second).String()})
	text := r.markdown()
	fmt.Print(text)
	switch {
	case o.out == "":
		return nil
	case o.only != nil:
		before, err := os.ReadFile(o.out)
		if err != nil {
			return err
		}
		text = r.into(string(before))
	}
	return os.WriteFile(o.out, []byte(text), 0o644)
}
