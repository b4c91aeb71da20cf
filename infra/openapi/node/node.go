// Package node has the tools for OpenAPI that exist for node alone, at the versions that
// package-lock.json pins.
package node

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the two files below
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/toolboxai-solutions/satchel/infra/local/postgres"
)

var (
	// Answers is a program for node that holds answers to a document.
	//go:embed answers.js
	Answers string
	//go:embed package.json
	manifest []byte
	//go:embed package-lock.json
	lock []byte
)

// ErrAbsent means that the machine has no node or no npm, or that npm cannot fetch.
var ErrAbsent = errors.New("node and npm are needed for this")

// Modules fetches what package-lock.json pins, once per machine, and returns where it is.
func Modules() (string, error) {
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "", fmt.Errorf("%w: %w", ErrAbsent, err)
		}
	}
	cache, err := postgres.CacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(lock)
	home := filepath.Join(cache, "openapi-"+hex.EncodeToString(sum[:6]))
	modules := filepath.Join(home, "node_modules")
	if _, err := os.Stat(modules); err == nil {
		return modules, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	draft, err := os.MkdirTemp(cache, "openapi-draft-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(draft) }()
	for name, text := range map[string][]byte{"package.json": manifest, "package-lock.json": lock} {
		if err := os.WriteFile(filepath.Join(draft, name), text, 0o644); err != nil {
			return "", err
		}
	}
	npm := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = draft
	var said bytes.Buffer
	npm.Stdout, npm.Stderr = &said, &said
	if err := npm.Run(); err != nil {
		return "", fmt.Errorf("%w: npm ci: %w\n%s", ErrAbsent, err, said.String())
	}
	// Another process may have been faster; what it made is the same.
	if err := os.Rename(draft, home); err != nil {
		if _, gone := os.Stat(modules); gone != nil {
			return "", err
		}
	}
	return modules, nil
}
