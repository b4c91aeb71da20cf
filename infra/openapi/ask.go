package main

import (
	"bytes"
	"fmt"
	"os/exec"
)

// ask runs a function's binary for what it declares: infra imports no function.
func ask(path string) ([]byte, error) {
	command := exec.Command("go", "run", path, "-describe-api")
	var stderr bytes.Buffer // a compiler's, too
	command.Stderr = &stderr
	document, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("ask %s for its API: %w\n%s", path, err, stderr.String())
	}
	return document, nil
}
