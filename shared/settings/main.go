package settings

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
)

// DescribeFlag makes a binary print its settings as JSON instead of running: infra asks the binary
// and imports nothing of it.
const DescribeFlag = "-describe-config"

// Main is the body of a binary's main function. With DescribeFlag as the first argument it prints
// []Setting as JSON. Otherwise it loads T, and exits 2 with one line for each fault or calls run,
// and exits 1 with run's error. It returns only when run succeeded.
func Main[T any](run func(context.Context, T) error) {
	if code := start(os.Args[1:], os.Environ(), os.Stdout, os.Stderr, run); code != 0 {
		os.Exit(code)
	}
}

func start[T any](args, environ []string, stdout, stderr io.Writer,
	run func(context.Context, T) error) int {
	if len(args) > 0 && args[0] == DescribeFlag {
		out := json.NewEncoder(stdout)
		out.SetEscapeHTML(false)
		out.SetIndent("", "  ")
		if err := out.Encode(describe(reflect.TypeFor[T](), "")); err != nil {
			fmt.Fprintln(stderr, err)
			return 1
		}
		return 0
	}
	loaded, err := load[T](environ)
	if faults, ok := errors.AsType[Faults](err); ok {
		fmt.Fprintf(stderr, "%d of the settings cannot be used:\n", len(faults))
		for _, fault := range faults {
			fmt.Fprintln(stderr, "  "+fault)
		}
		return 2
	}
	if err := run(context.Background(), loaded); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}
