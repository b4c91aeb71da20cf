package main

import (
	"fmt"
	"os"
	"os/exec"
)

// ask runs a function's binary for what it declares: infra imports no function.
func ask(path string) ([]byte, error) {
	command := exec.Command("go", "run", path, "-describe-api")
	command.Stderr = os.Stderr
	document, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("ask %s for its API: %w", path, err)
	}
	return document, nil
}
