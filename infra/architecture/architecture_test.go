// Package architecture holds the repository to the three laws of its layout and to the rules of
// taste that a machine can check. Every rule is a plain function from what was read to a list of
// faults; broken_test.go shows each of them a bad example.
package architecture

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/toolboxai-solutions/satchel/infra/migrations"
)

const root = "../.."

// waiting: shared packages whose second function comes with a later issue.
var waiting = map[string]string{}

// imports: what the smallest shared packages may import besides the standard library.
var imports = map[string][]string{
	"shared/fault":     nil,
	"shared/tenant":    {"github.com/google/uuid"},
	"shared/objectkey": {"github.com/google/uuid"},
}

// topLevel is everything that may stand in the repository's first folder.
var topLevel = []string{
	".ci", ".editorconfig", ".gitattributes", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md",
	"LICENSE", "Makefile",
	"README.md", "docs", "functions", "go.mod", "go.sum", "infra", "shared", "template.yaml",
}

func report(t *testing.T, law string, broken []string) {
	t.Helper()
	for _, fault := range broken {
		t.Errorf("%s: %s", law, fault)
	}
}

func TestImportGraph(t *testing.T) {
	t.Parallel()
	g := loadGraph(t)
	if len(g.ours()) == 0 {
		t.Fatal("go list found no package of ours")
	}
	report(t, "law 1, functions are closed", functionsAreClosed(g))
	report(t, "law 2, shared is shared", sharedIsShared(g, waiting))
	report(t, "law 2, shared stands alone", sharedStandsAlone(g))
	report(t, "law 3, infra surrounds", infraSurrounds(g))
	report(t, "imports", smallImports(g, imports))
	report(t, "one door to Postgres", oneDoorToPostgres(g))
	report(t, "names", namesSayWhat(g))
}

func TestSource(t *testing.T) {
	t.Parallel()
	sources := sourceFiles(t)
	report(t, "size", sizes(sources))
	report(t, "width", width(sources))
	report(t, "no init", noInit(sources))
	report(t, "no globals", noGlobals(sources))
	report(t, "two doors to data", noThirdBegin(sources))
	report(t, "two doors to data", acrossIsListed(sources, migrations.Across()))
}

// sourceFiles are every file of ours that is neither a test nor generated.
func sourceFiles(t *testing.T) []*source {
	t.Helper()
	var sources []*source
	for _, name := range tracked(t, "*.go") {
		if strings.HasSuffix(name, "_test.go") || strings.Contains(name, "/testdata/") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		s, err := parse(name, text)
		if err != nil {
			t.Fatal(err)
		}
		if s != nil {
			sources = append(sources, s)
		}
	}
	if len(sources) == 0 {
		t.Fatal("no source was read")
	}
	return sources
}

func TestTopLevel(t *testing.T) {
	t.Parallel()
	report(t, "top level", strangers(tracked(t), topLevel))
}

// strangers lists first path elements that are not allowed.
func strangers(files, allowed []string) []string {
	var found []string
	for _, file := range files {
		first, _, _ := strings.Cut(file, "/")
		if !slices.Contains(allowed, first) && !slices.Contains(found, first) {
			found = append(found, first)
		}
	}
	return found
}

// TestQuerySettings keeps the copies of sqlc.yaml equal: they decide how a column becomes a Go
// type, and that must not depend on the function.
func TestQuerySettings(t *testing.T) {
	t.Parallel()
	files := tracked(t, "functions/*/internal/*/db/sqlc.yaml")
	var first []byte
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = text
		}
		if !bytes.Equal(text, first) {
			t.Errorf("%s differs from %s", file, files[0])
		}
	}
	if first == nil {
		t.Fatal("no sqlc.yaml was found")
	}
}

// tracked lists files that are committed or about to be; what git ignores is nobody's business.
func tracked(t *testing.T, patterns ...string) []string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"ls-files", "-z", "--cached", "--others",
		"--exclude-standard", "--"}, patterns...)...)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	var files []string
	for name := range strings.SplitSeq(string(out), "\x00") {
		if _, err := os.Stat(filepath.Join(root, name)); err == nil && name != "" {
			files = append(files, name)
		}
	}
	slices.Sort(files)
	return slices.Compact(files)
}
