package architecture

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/toolboxai-solutions/satchel/infra/migrations"
)

// maxLines is where a file has more than one subject; maxMainLines is where main decides something.
const (
	maxLines     = 400
	maxMainLines = 60
	maxColumns   = 100 // with a tab as four
)

// A source is one parsed file of ours that is not a test and not generated.
type source struct {
	path  string // from the top of the repository
	text  string
	lines int
	file  *ast.File
	set   *token.FileSet
}

// parse returns nil for generated code, which answers to its generator.
func parse(name string, text []byte) (*source, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, text, parser.ParseComments)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", name, err)
	}
	if ast.IsGenerated(file) {
		return nil, nil
	}
	return &source{path: name, text: string(text), lines: strings.Count(string(text), "\n"),
		file: file, set: set}, nil
}

func (s *source) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", s.path, s.set.Position(n.Pos()).Line)
}

func sizes(sources []*source) []string {
	var broken []string
	for _, s := range sources {
		if s.lines > maxLines {
			broken = append(broken, fmt.Sprintf("%s has %d lines: find the seam", s.path, s.lines))
		}
		if path.Base(s.path) == "main.go" && s.lines >= maxMainLines {
			broken = append(broken,
				fmt.Sprintf("%s has %d lines: main wires and decides nothing", s.path, s.lines))
		}
	}
	return broken
}

// width counts what can be broken: no text of a string and no comment with an address.
func width(sources []*source) []string {
	address := regexp.MustCompile(`//.*://\S+`)
	var broken []string
	for _, s := range sources {
		quoted := map[int]int{}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				line := s.set.Position(literal.Pos()).Line
				for i, part := range strings.Split(literal.Value, "\n") {
					quoted[line+i] += utf8.RuneCountInString(part)
				}
			}
			return true
		})
		for i, line := range strings.Split(s.text, "\n") {
			columns := utf8.RuneCountInString(strings.ReplaceAll(line, "\t", "    "))
			if columns > maxColumns && columns-quoted[i+1] > maxColumns &&
				!address.MatchString(line) {
				broken = append(broken,
					fmt.Sprintf("%s:%d has %d columns: break the line", s.path, i+1, columns))
			}
		}
	}
	return broken
}

func noInit(sources []*source) []string {
	var broken []string
	for _, s := range sources {
		for _, declaration := range s.file.Decls {
			if f, ok := declaration.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				broken = append(broken, s.at(f)+": init runs before anyone can say otherwise")
			}
		}
	}
	return broken
}

// noGlobals lets stand what cannot change: `var _ I = T{}`, embedded files, sentinel errors,
// compiled expressions, values computed once, and unexported tables that nothing in their package
// writes to.
func noGlobals(sources []*source) []string {
	written := map[string]bool{}
	for _, s := range sources {
		for name := range writes(s.file) {
			written[path.Dir(s.path)+"."+name] = true
		}
	}
	var broken []string
	for _, s := range sources {
		for _, declaration := range s.file.Decls {
			d, ok := declaration.(*ast.GenDecl)
			if !ok || d.Tok != token.VAR {
				continue
			}
			for _, spec := range d.Specs {
				v := spec.(*ast.ValueSpec)
				if embedded(d.Doc) || embedded(v.Doc) {
					continue
				}
				for i, name := range v.Names {
					var value ast.Expr
					if i < len(v.Values) {
						value = v.Values[i]
					}
					if name.Name == "_" ||
						(!written[path.Dir(s.path)+"."+name.Name] && constant(name, value)) {
						continue
					}
					broken = append(broken,
						fmt.Sprintf("%s: package variable %s can change", s.at(name), name.Name))
				}
			}
		}
	}
	return broken
}

func embedded(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List,
		func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") })
}

// constant tells values that are as good as constants from state.
func constant(name *ast.Ident, value ast.Expr) bool {
	makers := []string{"errors.New", "fmt.Errorf", "fault.New", "regexp.MustCompile",
		"uuid.MustParse", "sync.OnceValue", "sync.OnceValues"}
	switch v := value.(type) {
	case *ast.CallExpr:
		s, ok := v.Fun.(*ast.SelectorExpr)
		if !ok {
			return false
		}
		owner, ok := s.X.(*ast.Ident)
		return ok && slices.Contains(makers, owner.Name+"."+s.Sel.Name)
	case *ast.CompositeLit:
		return !name.IsExported()
	}
	return false
}

// writes collects the names that a file assigns to, counts up, empties or takes the address of.
// A local variable of the same name is collected too: the price of not needing types is a rename.
func writes(file *ast.File) map[string]bool {
	names := map[string]bool{}
	add := func(e ast.Expr) {
		for {
			switch v := e.(type) {
			case *ast.IndexExpr:
				e = v.X
			case *ast.SelectorExpr:
				e = v.X
			case *ast.StarExpr:
				e = v.X
			case *ast.ParenExpr:
				e = v.X
			case *ast.Ident:
				names[v.Name] = true
				return
			default:
				return
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch v := n.(type) {
		case *ast.AssignStmt:
			if v.Tok != token.DEFINE {
				for _, target := range v.Lhs {
					add(target)
				}
			}
		case *ast.IncDecStmt:
			add(v.X)
		case *ast.UnaryExpr:
			if v.Op == token.AND {
				add(v.X)
			}
		case *ast.CallExpr:
			if f, ok := v.Fun.(*ast.Ident); ok &&
				slices.Contains([]string{"delete", "clear", "copy"}, f.Name) {
				add(v.Args[0])
			}
		}
		return true
	})
	return names
}

// shipped is code that runs in a Lambda function: tests and infra are not.
func shipped(s *source) bool {
	return strings.HasPrefix(s.path, "functions/") || strings.HasPrefix(s.path, "shared/")
}

// noThirdBegin: InTenant and AcrossTenants are the only ways to a transaction.
func noThirdBegin(sources []*source) []string {
	begin := regexp.MustCompile(`(?i)^\s*(begin|start\s+transaction)\b`)
	openers := []string{"Begin", "BeginTx", "BeginFunc", "BeginTxFunc"}
	var broken []string
	for _, s := range sources {
		if !shipped(s) || strings.HasPrefix(s.path, "shared/tenantdb/") {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch v := n.(type) {
			case *ast.SelectorExpr:
				owner, _ := v.X.(*ast.Ident)
				if slices.Contains(openers, v.Sel.Name) || (owner != nil && owner.Name == "pgx" &&
					strings.HasPrefix(v.Sel.Name, "Connect")) {
					broken = append(broken, s.at(v)+": ."+v.Sel.Name+" outside shared/tenantdb")
				}
			case *ast.BasicLit:
				if text, err := strconv.Unquote(v.Value); err == nil && v.Kind == token.STRING &&
					begin.MatchString(text) {
					broken = append(broken, s.at(v)+": a BEGIN outside shared/tenantdb")
				}
			}
			return true
		})
	}
	return broken
}

// acrossIsListed: a transaction without an organization is opened only in the functions that have
// an entry in migrations.Across, and in each of those.
func acrossIsListed(sources []*source, sights []migrations.Sight) []string {
	listed, used := map[string]bool{}, map[string]bool{}
	for _, s := range sights {
		function, _, _ := strings.Cut(s.Entry, "/")
		listed["functions/"+function] = true
	}
	var broken []string
	for _, s := range sources {
		if !shipped(s) || strings.HasPrefix(s.path, "shared/tenantdb/") {
			continue
		}
		folder := strings.Join(strings.SplitN(s.path, "/", 3)[:2], "/")
		ast.Inspect(s.file, func(n ast.Node) bool {
			if v, ok := n.(*ast.SelectorExpr); ok && v.Sel.Name == "AcrossTenants" {
				used[folder] = true
				if !listed[folder] {
					broken = append(broken, s.at(v)+": AcrossTenants, and no entry of "+folder+
						" is listed in migrations.Across")
				}
			}
			return true
		})
	}
	for folder := range listed {
		if !used[folder] {
			broken = append(broken, folder+" is listed in migrations.Across and does not call "+
				"AcrossTenants")
		}
	}
	slices.Sort(broken)
	return broken
}
