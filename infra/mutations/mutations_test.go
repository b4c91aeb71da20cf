// Package mutations breaks one line at a time, of the kind that nothing seems to need until two
// clients come at once, and looks whether the test falls that is there for it.
package mutations

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var run = flag.Bool("mutate", false, "break each line and run its test: takes ten minutes")

// mutation is one line broken: old, which the file has once, becomes broken, and the test of that
// package must fail.
type mutation struct {
	file, old, broken string
	pkg, test         string
}

const (
	root     = "../.."
	patience = 10 * time.Minute // for one test, compiled anew
)

// Every line that is named here is still there, and every test.
func TestMutationsFit(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, m := range mutations() {
		source, err := os.ReadFile(filepath.Join(root, m.file))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(source), m.old); n != 1 {
			t.Errorf("%s has %q %d times, want once", m.file, m.old, n)
		}
		if !declared(t, m) {
			t.Errorf("package %s has no %s", m.pkg, m.test)
		}
		if key := m.file + m.old + m.broken; m.old == m.broken || seen[key] {
			t.Errorf("%s: %q is no mutation, or is there twice", m.file, m.old)
		} else {
			seen[key] = true
		}
	}
	if len(seen) < 30 {
		t.Errorf("there are %d mutations, want 30", len(seen))
	}
}

func declared(t *testing.T, m mutation) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, m.pkg, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(source), "\nfunc "+m.test+"(t *testing.T)") {
			return true
		}
	}
	return false
}

func TestMutations(t *testing.T) {
	if !*run {
		t.Skip("it takes ten minutes: make mutations")
	}
	for _, m := range mutations() {
		name := fmt.Sprintf("%s: %s → %s", filepath.Base(m.file), m.old, m.broken)
		t.Run(name, func(t *testing.T) { m.try(t) })
	}
}

// try runs the test with the broken file laid over the good one. What does not compile proves
// nothing.
func (m mutation) try(t *testing.T) {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(root, m.file))
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	broken, overlay := filepath.Join(dir, "broken"), filepath.Join(dir, "overlay.json")
	replaced, err := json.Marshal(map[string]map[string]string{"Replace": {path: broken}})
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(source), m.old, m.broken, 1)
	for name, content := range map[string][]byte{broken: []byte(changed), overlay: replaced} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, "go", "test", "-count=1", "-overlay", overlay, "-run",
		"^"+m.test+"$", "./"+m.pkg)
	command.Dir = root
	out, err := command.CombinedOutput()
	switch fell := strings.Contains(string(out), "--- FAIL: "+m.test); {
	case err == nil:
		t.Errorf("%s passes all the same", m.test)
	case !fell && !strings.Contains(string(out), "panic: test timed out"):
		t.Errorf("%s proves nothing: %s", m.test, out)
	}
}
