// Command configuration writes docs/configuration.md: the parameters of template.yaml, and every
// setting that a binary says it reads. It asks each binary with -describe-config and imports none
// of them.
//
//	go run ./infra/configuration          writes docs/configuration.md
//	go run ./infra/configuration -check   fails when that file is stale
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	check := flag.Bool("check", false, "fail when the committed page is stale, and write nothing")
	flag.Parse()
	if err := run("template.yaml", "docs/configuration.md", *check); err != nil {
		fmt.Fprintln(os.Stderr, "configuration:", err)
		os.Exit(1)
	}
}
