package catalogue

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/toolboxai-solutions/satchel/infra/migrations"
)

const module = "github.com/toolboxai-solutions/satchel/"

// entryPoints are where each entry's work begins: what is reachable from there is what the entry
// can ask of the database. Every entry opens the pool, so tenantdb.Open belongs to each.
var entryPoints = map[string][]string{
	"analytics-aggregation/http": {"functions/analytics-aggregation.newAPI"},
	"analytics-aggregation/run":  {"functions/analytics-aggregation.schedules"},
	"file-api/http":              {"functions/file-api.newAPI"},
	"file-api/maintenance": {"functions/file-api.schedules",
		"functions/file-api.commands"},
	"file-processing/events":           {"(functions/file-processing.handler).message"},
	"notification-dispatcher/http":     {"(functions/notification-dispatcher.parts).api"},
	"notification-dispatcher/delivery": {"(functions/notification-dispatcher.parts).deliver"},
	"notification-dispatcher/sweep":    {"(functions/notification-dispatcher.parts).schedules"},
}

// statements finds the SQL in the source of every entry: the string constants that read like SQL in
// the functions that the entry reaches.
func statements(t *testing.T) map[string][]string {
	t.Helper()
	source := loadSource(t)
	found := map[string][]string{}
	for _, e := range migrations.Entries() {
		if entryPoints[e.Name] == nil {
			t.Fatalf("entry %s has no entryPoints: say here where its work begins", e.Name)
		}
	}
	for entry, points := range entryPoints {
		for _, from := range append(points, "shared/tenantdb.Open") {
			if source.functions[from] == nil {
				t.Fatalf("%s begins at %s, which does not exist", entry, from)
			}
			source.collect(from, map[string]bool{}, func(sql string) {
				if !slices.Contains(found[entry], sql) {
					found[entry] = append(found[entry], sql)
				}
			})
		}
	}
	return found
}

// source is every function of what is shipped, by name: what it refers to, and the SQL in it.
type source struct {
	functions map[string]*function
}

type function struct {
	refers []string // to functions and to types, whose methods are then taken to be called
	sql    []string
}

func (s source) collect(from string, seen map[string]bool, take func(sql string)) {
	f := s.functions[from]
	if f == nil || seen[from] {
		return
	}
	seen[from] = true
	for _, sql := range f.sql {
		take(sql)
	}
	for _, next := range f.refers {
		s.collect(next, seen, take)
	}
}

var readsLikeSQL = regexp.MustCompile(
	`(?is)^(\s*--[^\n]*\n)*\s*(select\s|insert\s+into\s|update\s+\w+(\s+as\s+\w+|\s+\w+)?\s+set\s|delete\s+from\s|merge\s+into\s|with\s+(recursive\s+)?\w+(\s*\([^)]*\))?\s+as\s|copy\s|truncate\s|lock\s+table\s)`)

func loadSource(t *testing.T) source {
	t.Helper()
	files := token.NewFileSet()
	packages, exports := listPackages(t)
	imports := importer.ForCompiler(files,
		"gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	all := source{map[string]*function{}}
	for _, p := range packages {
		var parsed []*ast.File
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			parsed = append(parsed, file)
		}
		info := &types.Info{Uses: map[*ast.Ident]types.Object{},
			Defs: map[*ast.Ident]types.Object{}, Types: map[ast.Expr]types.TypeAndValue{}}
		path := p.ImportPath // two packages are called main: by their path they can be told apart
		if _, err := (&types.Config{Importer: imports}).Check(path, files, parsed,
			info); err != nil {
			t.Fatal(err)
		}
		for _, file := range parsed {
			all.read(file, info)
		}
	}
	return all
}

func (s source) read(file *ast.File, info *types.Info) {
	for _, declaration := range file.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			if object, ok := info.Defs[d.Name].(*types.Func); ok {
				s.functions[name(object)] = examine(d, info)
			}
		case *ast.GenDecl: // package variables: a table of functions, for example
			for _, spec := range d.Specs {
				if v, ok := spec.(*ast.ValueSpec); ok && d.Tok == token.VAR {
					for _, id := range v.Names {
						if object := info.Defs[id]; object != nil && id.Name != "_" {
							s.functions[name(object)] = examine(v, info)
						}
					}
				}
			}
		}
	}
}

// examine lists what a node refers to. A named constant is used where it is named, a literal where
// it stands.
func examine(node ast.Node, info *types.Info) *function {
	f := &function{}
	text := func(v constant.Value) {
		if v != nil && v.Kind() == constant.String &&
			readsLikeSQL.MatchString(constant.StringVal(v)) {
			f.sql = append(f.sql, constant.StringVal(v))
		}
	}
	ast.Inspect(node, func(n ast.Node) bool {
		if e, ok := n.(ast.Expr); ok && info.Types[e].Value != nil {
			text(info.Types[e].Value)
			return false // its parts are no statements
		}
		if id, ok := n.(*ast.Ident); ok {
			switch o := info.Uses[id].(type) {
			case *types.Const:
				text(o.Val())
			case *types.Func, *types.Var:
				f.refers = append(f.refers, name(o))
			}
		}
		return true
	})
	return f
}

// name is an object's full name, without the module's path.
func name(o types.Object) string {
	if f, ok := o.(*types.Func); ok {
		return strings.ReplaceAll(f.Origin().FullName(), module, "")
	}
	if o.Pkg() == nil {
		return o.Name()
	}
	return strings.TrimPrefix(o.Pkg().Path(), module) + "." + o.Name()
}

type listed struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
}

// listPackages lists what is shipped, and where the compiler left its description of each package
// that it imports.
func listPackages(t *testing.T) (shipped []listed, exports map[string]string) {
	t.Helper()
	cmd := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles",
		"./functions/...", "./shared/...")
	cmd.Dir = filepath.Join("..", "..", "..")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	exports = map[string]string{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return shipped, exports
		}
		if err != nil {
			t.Fatalf("read go list: %v", err)
		}
		exports[p.ImportPath] = p.Export
		if path, ours := strings.CutPrefix(p.ImportPath, module); ours &&
			(strings.HasPrefix(path, "functions/") || strings.HasPrefix(path, "shared/")) {
			shipped = append(shipped, p)
		}
	}
}
