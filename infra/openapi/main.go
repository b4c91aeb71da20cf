// Command openapi writes the one OpenAPI document of all functions. It asks each binary with
// -describe-api and imports none of them.
//
//	go run ./infra/openapi          writes functions/file-api/openapi.json
//	go run ./infra/openapi -check   fails when that file is stale
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
)

func main() {
	check := flag.Bool("check", false,
		"fail when the committed document is stale, and write nothing")
	out := flag.String("out", "functions/file-api/openapi.json", "the committed document")
	flag.Parse()
	packages := flag.Args()
	if len(packages) == 0 {
		packages = []string{"./functions/file-api", "./functions/notification-dispatcher",
			"./functions/analytics-aggregation"}
	}
	if err := run(packages, *out, *check); err != nil {
		fmt.Fprintln(os.Stderr, "openapi:", err)
		os.Exit(1)
	}
}

func run(packages []string, out string, check bool) error {
	committed, err := os.ReadFile(out)
	if errors.Is(err, os.ErrNotExist) && !check {
		// a binary that embeds the document cannot be built without one
		err = os.WriteFile(out, []byte("{}\n"), 0o644)
	}
	if err != nil {
		return err
	}
	documents := make([][]byte, len(packages))
	for i, path := range packages {
		if documents[i], err = ask(path); err != nil {
			return err
		}
	}
	merged, err := merge(documents)
	if err != nil {
		return err
	}
	if !check {
		return os.WriteFile(out, merged, 0o644)
	}
	if !bytes.Equal(committed, merged) {
		return fmt.Errorf("%s is stale: run make generate and commit it", out)
	}
	return nil
}
