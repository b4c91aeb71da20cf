package architecture

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// module is the prefix of our own import paths; the laws speak of the rest of the path.
const module = "github.com/toolboxai-solutions/satchel/"

// A node is one package of the build, as `go list` describes it.
type node struct {
	ImportPath   string
	Name         string
	Standard     bool
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// path is the package's folder in this repository, or "" for somebody else's package.
func (n node) path() string {
	path, ours := strings.CutPrefix(n.ImportPath, module)
	if !ours {
		return ""
	}
	return path
}

// everyImport includes what only the package's tests import.
func (n node) everyImport() []string {
	return slices.Concat(n.Imports, n.TestImports, n.XTestImports)
}

type graph map[string]node

// loadGraph reads the import graph of what is shipped: the build for Linux, with everything it
// links.
func loadGraph(t *testing.T) graph {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps",
		"-json=ImportPath,Name,Standard,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = root
	cmd.Env = append(cmd.Environ(), "GOOS=linux", "CGO_ENABLED=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	g := graph{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var n node
		err := decoder.Decode(&n)
		if errors.Is(err, io.EOF) {
			return g
		}
		if err != nil {
			t.Fatalf("read go list: %v", err)
		}
		g[n.ImportPath] = n
	}
}

// ours lists this repository's packages, in order.
func (g graph) ours() []node {
	var own []node
	for _, path := range slices.Sorted(maps.Keys(g)) {
		if g[path].path() != "" {
			own = append(own, g[path])
		}
	}
	return own
}

// binaries maps each function's name to its main package.
func (g graph) binaries() map[string]node {
	mains := map[string]node{}
	for _, n := range g.ours() {
		if parts := strings.Split(n.path(), "/"); len(parts) == 2 && parts[0] == "functions" &&
			n.Name == "main" {
			mains[parts[1]] = n
		}
	}
	return mains
}

// linked is the set of packages that end up in the binary of n.
func (g graph) linked(n node) map[string]bool {
	seen := map[string]bool{}
	var visit func(string)
	visit = func(path string) {
		if seen[path] {
			return
		}
		seen[path] = true
		for _, next := range g[path].Imports {
			visit(next)
		}
	}
	visit(n.ImportPath)
	return seen
}

// area is the first part of a path in this repository: functions, shared, infra.
func area(importPath string) (first, second string) {
	path, ours := strings.CutPrefix(importPath, module)
	if !ours {
		return "", ""
	}
	first, rest, _ := strings.Cut(path, "/")
	second, _, _ = strings.Cut(rest, "/")
	return first, second
}

// functionsAreClosed is law 1: a function imports nothing of another function, not even in a test.
func functionsAreClosed(g graph) []string {
	var broken []string
	for _, n := range g.ours() {
		first, function := area(n.ImportPath)
		if first != "functions" {
			continue
		}
		for _, path := range n.everyImport() {
			if other, name := area(path); other == "functions" && name != function {
				broken = append(broken,
					fmt.Sprintf("%s imports %s of another function", n.path(), path))
			}
		}
	}
	return broken
}

// sharedIsShared is law 2. waiting names the packages whose second function has not landed, with
// the reason; an entry that no longer waits is as wrong as a package that is missing from it.
func sharedIsShared(g graph, waiting map[string]string) []string {
	users := map[string][]string{}
	for _, n := range g.ours() {
		if first, _ := area(n.ImportPath); first == "shared" {
			users[n.path()] = nil
		}
	}
	for function, binary := range g.binaries() {
		for path := range g.linked(binary) {
			if own := g[path].path(); strings.HasPrefix(own, "shared/") {
				users[own] = append(users[own], function)
			}
		}
	}
	var broken []string
	for _, path := range slices.Sorted(maps.Keys(users)) {
		_, waits := waiting[path]
		switch count := len(users[path]); {
		case count < 2 && !waits:
			slices.Sort(users[path])
			broken = append(broken, fmt.Sprintf("%s is linked into %d functions %v: move "+
				"it into its only user", path, count, users[path]))
		case count >= 2 && waits:
			broken = append(broken, fmt.Sprintf(
				"%s no longer waits for its second function: take it off the list", path))
		}
	}
	for _, path := range slices.Sorted(maps.Keys(waiting)) {
		if _, exists := users[path]; !exists {
			broken = append(broken,
				fmt.Sprintf("%s is on the list of waiting packages and does not exist", path))
		}
	}
	return broken
}

// sharedStandsAlone: shared code knows no function, and infra only in its tests.
func sharedStandsAlone(g graph) []string {
	var broken []string
	for _, n := range g.ours() {
		if first, _ := area(n.ImportPath); first != "shared" {
			continue
		}
		for _, path := range n.everyImport() {
			if other, _ := area(path); other == "functions" {
				broken = append(broken, fmt.Sprintf("%s imports %s", n.path(), path))
			}
		}
		for _, path := range n.Imports {
			if other, _ := area(path); other == "infra" {
				broken = append(broken, fmt.Sprintf("%s imports %s", n.path(), path))
			}
		}
	}
	return broken
}

// infraSurrounds is law 3: infra is linked into no function, and imports none, tests included.
func infraSurrounds(g graph) []string {
	var broken []string
	for function, binary := range g.binaries() {
		for path := range g.linked(binary) {
			if first, _ := area(path); first == "infra" {
				broken = append(broken,
					fmt.Sprintf("functions/%s is linked with %s", function, path))
			}
		}
	}
	for _, n := range g.ours() {
		if first, _ := area(n.ImportPath); first != "infra" {
			continue
		}
		for _, path := range n.everyImport() {
			if other, _ := area(path); other == "functions" {
				broken = append(broken,
					fmt.Sprintf("%s imports %s: ask the binary instead", n.path(), path))
			}
		}
	}
	slices.Sort(broken)
	return broken
}

// smallImports holds packages to the few imports that keep them importable from anywhere.
func smallImports(g graph, limits map[string][]string) []string {
	var broken []string
	for _, path := range slices.Sorted(maps.Keys(limits)) {
		for _, imported := range g[module+path].Imports {
			if !g[imported].Standard && !slices.Contains(limits[path], imported) {
				broken = append(broken, fmt.Sprintf("%s imports %s", path, imported))
			}
		}
	}
	return broken
}

// oneDoorToPostgres: only tenantdb opens connections, so that every transaction goes through its
// two doors.
func oneDoorToPostgres(g graph) []string {
	drivers := []string{"github.com/jackc/pgx/v5/pgxpool", "github.com/jackc/pgx/v5/stdlib",
		"database/sql"}
	var broken []string
	for _, n := range g.ours() {
		first, second := area(n.ImportPath)
		if (first != "functions" && first != "shared") ||
			(first == "shared" && second == "tenantdb") {
			continue
		}
		for _, path := range n.Imports {
			if slices.Contains(drivers, path) {
				broken = append(broken, fmt.Sprintf("%s imports %s", n.path(), path))
			}
		}
	}
	return broken
}

// namesSayWhat: a folder named after what it is not is where things without an owner collect.
func namesSayWhat(g graph) []string {
	vague := []string{"util", "utils", "common", "model", "models", "type", "types", "helper",
		"helpers", "misc", "base", "core", "lib"}
	var broken []string
	for _, n := range g.ours() {
		for part := range strings.SplitSeq(n.path(), "/") {
			if slices.Contains(vague, part) {
				broken = append(broken, fmt.Sprintf("%s: %q says nothing", n.path(), part))
			}
		}
	}
	return broken
}
