package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// describe tells what a figure depends on, and nothing that names the machine or a place on it.
func describe(ctx context.Context, w *fixture) ([][]string, error) {
	var postgres string
	if err := w.superuser.QueryRow(ctx, `SHOW server_version`).Scan(&postgres); err != nil {
		return nil, err
	}
	return [][]string{
		{"processor", fmt.Sprintf("%s, %d cores", proc("cpuinfo", "model name"), runtime.NumCPU())},
		{"memory", memory()},
		{"Go", runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH},
		{"PostgreSQL", postgres + ", fsync off, autovacuum as it comes"},
	}, nil
}

func memory() string {
	kib, _, _ := strings.Cut(proc("meminfo", "MemTotal"), " ")
	n, err := strconv.ParseFloat(kib, 64)
	if err != nil {
		return "unknown"
	}
	return fmt.Sprintf("%.0f GiB", n/(1<<20))
}

// proc is the first value of a name in a file of /proc; "unknown" where there is none.
func proc(file, name string) string {
	text, err := os.ReadFile("/proc/" + file)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	fields := strings.Fields(string(text))
	if err != nil || len(fields) < 3 {
		return "unknown"
	}
	return strings.Join(fields[:3], " ")
}
