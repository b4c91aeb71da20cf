// Package template checks the deployment template against what the binaries say of themselves and
// against the rules that a cloud account would only show when it is too late. Every check is a
// plain function from the parsed template to a list of faults; broken_test.go breaks the template
// for each of them.
package template

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/toolboxai-solutions/satchel/infra/migrations"
)

const root = "../.."

func read(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// checks are all but those that need the binaries.
func checks(t *testing.T, d *Template) map[string]faults {
	built, arch := makeBuild(t)
	metrics, err := emitted()
	if err != nil {
		t.Fatal(err)
	}
	return map[string]faults{
		"references": references(d),
		"code":       code(d, built, arch),
		"queues":     queues(d, maxAttempts(t)),
		"schedules":  schedules(d),
		"logs":       logs(d),
		"roles":      roles(d, migrations.Entries()),
		"wildcards":  wildcards(d),
		"buckets":    buckets(d),
		"transport":  transport(d),
		"flow":       flow(d),
		"room":       room(d),
		"alarms":     alarms(d, metrics),
	}
}

func TestTemplate(t *testing.T) {
	t.Parallel()
	d, err := Parse(read(t))
	if err != nil {
		t.Fatal(err)
	}
	for check, found := range checks(t, d) {
		for _, fault := range found {
			t.Errorf("%s: %s", check, fault)
		}
	}
}

// TestSettings asks each binary what it reads from its environment.
func TestSettings(t *testing.T) {
	t.Parallel()
	d, err := Parse(read(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range d.functions() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			name := strings.TrimSuffix(strings.TrimPrefix(spell(f.properties["CodeUri"]), "build/"),
				"/")
			var described []setting
			ask(t, source(name), "-describe-config", &described)
			for _, fault := range settings(d, f, described) {
				t.Error(fault)
			}
		})
	}
}

// TestEvents asks each function's binary which events it takes.
func TestEvents(t *testing.T) {
	t.Parallel()
	d, err := Parse(read(t))
	if err != nil {
		t.Fatal(err)
	}
	binaries, err := filepath.Glob(filepath.Join(root, "functions/*/main.go"))
	if err != nil || len(binaries) == 0 {
		t.Fatalf("no function was found: %v", err)
	}
	for _, main := range binaries {
		name := filepath.Base(filepath.Dir(main))
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var takes description
			ask(t, source(name), "-describe-events", &takes)
			for _, fault := range events(d, name, takes) {
				t.Error(fault)
			}
		})
	}
}

// source is the package of a binary, by the name that make build gives it.
func source(name string) string {
	if name == "migrate" {
		return "./infra/migrate"
	}
	return "./functions/" + name
}

// ask runs a binary that describes itself, and reads what it prints.
func ask(t *testing.T, pkg, flag string, into any) {
	t.Helper()
	cmd := exec.Command("go", "run", pkg, flag)
	cmd.Dir = root
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, into)
	}
	if err != nil {
		t.Fatalf("%s does not answer %s as the other functions do in main: %v\n%s%s", pkg, flag,
			err, out, stderr.String())
	}
}

// makeBuild asks make, without building, which folders it would fill and for which processor.
func makeBuild(t *testing.T) (folders []string, arch string) {
	t.Helper()
	cmd := exec.Command("make", "--no-print-directory", "--dry-run", "build")
	cmd.Dir = root
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return name == "ARCH" || strings.HasPrefix(name, "MAKE") || name == "MFLAGS"
	})
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("make --dry-run build: %v", err)
	}
	for _, match := range regexp.MustCompile(
		`GOARCH=(\S+) .*? -o (build/\S+)/bootstrap `).FindAllStringSubmatch(string(out), -1) {
		arch = match[1]
		folders = append(folders, match[2])
	}
	if len(folders) == 0 {
		t.Fatalf("make build writes no bootstrap:\n%s", out)
	}
	return folders, arch
}

// maxAttempts is file-processing's own ceiling. It is read from the source, because infra imports
// no function.
func maxAttempts(t *testing.T) int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root,
		"functions/file-processing/internal/ingest/*.go"))
	if err != nil {
		t.Fatal(err)
	}
	declaration := regexp.MustCompile(`(?m)^const maxAttempts = (\d+)$`)
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if match := declaration.FindSubmatch(text); match != nil {
			n, err := strconv.Atoi(string(match[1]))
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatal("file-processing has no constant maxAttempts")
	return 0
}

// emitted is what our source emits: the names of metrics, each with those of its dimensions.
var emitted = sync.OnceValues(func() (map[string][]string, error) {
	names := map[string][]string{}
	read := func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" ||
			strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) < 2 {
				return true
			}
			if method, ok := call.Fun.(*ast.SelectorExpr); ok && method.Sel.Name == "Emit" {
				dimensions := literals(call.Args[:1], true)
				for _, name := range literals(call.Args[1:], false) {
					names[name] = dimensions
				}
			}
			return true
		})
		return nil
	}
	return names, errors.Join(filepath.WalkDir(filepath.Join(root, "functions"), read),
		filepath.WalkDir(filepath.Join(root, "shared"), read))
})

// literals are the texts in expressions; of mappings the keys alone.
func literals(expressions []ast.Expr, keys bool) (found []string) {
	for _, expression := range expressions {
		ast.Inspect(expression, func(n ast.Node) bool {
			if pair, ok := n.(*ast.KeyValueExpr); ok && keys {
				n = pair.Key
			}
			text, ok := n.(*ast.BasicLit)
			if ok && text.Kind == token.STRING {
				found = append(found, strings.Trim(text.Value, `"`))
			}
			return !ok
		})
	}
	slices.Sort(found)
	return found
}
