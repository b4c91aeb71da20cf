package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/toolboxai-solutions/satchel/infra/openapi/node"
)

// linters are the two that people run on a document before they use it, at their recommended sets.
func linters(document, rules string) map[string][]string {
	return map[string][]string{
		"redocly": {"lint", "--extends=recommended", "--format=json", document},
		"spectral": {"lint", "--ruleset=" + rules, "--fail-severity=warn", "--format=text",
			document},
	}
}

func modules(t *testing.T) string {
	t.Helper()
	found, err := node.Modules()
	if errors.Is(err, node.ErrAbsent) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func lint(t *testing.T, document string) map[string]string {
	t.Helper()
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(rules, []byte("extends: [\"spectral:oas\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	complaints := map[string]string{}
	for tool, arguments := range linters(document, rules) {
		cmd := exec.Command(filepath.Join(modules(t), ".bin", tool), arguments...)
		// Neither is to tell anybody that it ran, or look for a newer one.
		cmd.Env = append(os.Environ(), "REDOCLY_TELEMETRY=off",
			"REDOCLY_SUPPRESS_UPDATE_NOTICE=true", "SCARF_ANALYTICS=false")
		out, err := cmd.Output() // redocly is content with warnings
		if err != nil || strings.Contains(string(out), `"severity": "warn"`) {
			complaints[tool] = string(out)
		}
	}
	return complaints
}

func TestTheDocumentLintsClean(t *testing.T) {
	t.Parallel()
	for tool, complaint := range lint(t, "../../functions/file-api/openapi.json") {
		t.Errorf("%s: %s", tool, complaint)
	}
}

func TestLintersComplain(t *testing.T) {
	t.Parallel()
	document := filepath.Join(t.TempDir(), "openapi.json")
	if err := os.WriteFile(document, []byte(files), 0o600); err != nil {
		t.Fatal(err)
	}
	if complaints := lint(t, document); len(complaints) != 2 {
		t.Errorf("of a document that says nothing only %v complained", complaints)
	}
}
