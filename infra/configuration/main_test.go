package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/toolboxai-solutions/satchel/infra/template"
)

func TestEachSettingIsOneRow(t *testing.T) {
	t.Parallel()
	five := "5"
	parameters := []template.Parameter{{Name: "Most", Default: &five},
		{Name: "Host", Description: "Where it is,\nor a|b"}}
	variables := []template.Variable{
		{Code: "build/a", Name: "MOST", Parameters: []string{"Most"}},
		{Code: "build/b", Name: "MOST", Parameters: []string{"Most"}},
		{Code: "build/b", Name: "URL", Parameters: []string{"Host", "Most"}},
	}
	read := map[string][]setting{
		"build/a": {{Name: "MOST", Type: "integer", Default: "5", Help: "how many"}},
		"build/b": {{Name: "MOST", Type: "integer", Default: "5", Help: "how many"},
			{Name: "URL", Type: "url", Help: "where", Required: true}},
	}
	page := string(write(parameters, variables, read))
	for _, row := range []string{
		"| Most | `5` | how many |\n",
		`| Host | required | Where it is, or a\|b |` + "\n",
		"| MOST | `5` | how many (integer) | a, b | Most |\n",
		"| URL | required | where (url) | b | Host, Most |\n",
	} {
		if strings.Count(page, row) != 1 {
			t.Errorf("not once in the page: %s\n%s", row, page)
		}
	}
}

func TestAStalePageIsFound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	empty := filepath.Join(dir, "template.yaml")
	page := filepath.Join(dir, "page.md")
	if err := os.WriteFile(empty, []byte("Resources: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(empty, page, true); err == nil {
		t.Error("a page that is missing passes")
	}
	if err := run(empty, page, false); err != nil {
		t.Fatal(err)
	}
	if err := run(empty, page, true); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(page, []byte("# Configuration\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(empty, page, true); err == nil || !strings.Contains(err.Error(), "make generate") {
		t.Errorf("a stale page: %v", err)
	}
}
