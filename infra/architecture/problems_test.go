package architecture

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// inside: packages whose failures end in a queue and never in an HTTP answer.
const inside = "functions/file-processing/"

// TestProblems keeps docs/problems.md true: a problem's type is a link to its heading there.
func TestProblems(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "docs/problems.md"))
	if err != nil {
		t.Fatal(err)
	}
	codes := problemCodes(sourceFiles(t))
	if len(codes) == 0 {
		t.Fatal("no code was found in the source")
	}
	report(t, "docs/problems.md", undocumented(codes, string(text)))
}

func TestProblemsFindsWhatIsMissing(t *testing.T) {
	t.Parallel()
	parsed, err := parse("shared/x/x.go", []byte(`package x
		const codeGone = "gone-away"
		func f() error { _ = fault.New(fault.Invalid, "no-heading", "Send it."); return newProblem(ctx, 404, "has-heading", "A detail.") }`))
	if err != nil {
		t.Fatal(err)
	}
	got := undocumented(problemCodes([]*source{parsed}), "### has-heading\n### nobody-says-this\n")
	want := []string{
		"gone-away (shared/x/x.go:2) has no heading", "no-heading (shared/x/x.go:3) has no heading",
		"nobody-says-this: no code answers this any more",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// problemCodes maps each code that can be answered to a place that says it.
func problemCodes(sources []*source) map[string]string {
	codes := map[string]string{}
	for _, s := range sources {
		if strings.HasPrefix(s.path, inside) || !shipped(s) {
			continue
		}
		note := func(e ast.Expr) {
			if literal, ok := e.(*ast.BasicLit); ok {
				if code, err := strconv.Unquote(literal.Value); err == nil &&
					kebab.MatchString(code) {
					codes[code] = s.at(literal)
				}
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if makesProblem(n.Fun) {
					for _, argument := range n.Args {
						note(argument)
					}
				}
			case *ast.ValueSpec: // const codeX = "…"
				for i, name := range n.Names {
					if strings.HasPrefix(name.Name, "code") && i < len(n.Values) {
						note(n.Values[i])
					}
				}
			case *ast.AssignStmt: // code, detail = "…", "…"
				for i, left := range n.Lhs {
					if name, ok := left.(*ast.Ident); ok && name.Name == "code" &&
						len(n.Lhs) == len(n.Rhs) {
						note(n.Rhs[i])
					}
				}
			}
			return true
		})
	}
	return codes
}

var (
	kebab   = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	heading = regexp.MustCompile(`(?m)^### (.+)$`)
)

func makesProblem(fun ast.Expr) bool {
	switch fun := fun.(type) {
	case *ast.Ident:
		return fun.Name == "newProblem" || fun.Name == "invalid"
	case *ast.SelectorExpr:
		pkg, ok := fun.X.(*ast.Ident)
		return ok && pkg.Name == "fault" && (fun.Sel.Name == "New" || fun.Sel.Name == "Wrap")
	}
	return false
}

func undocumented(codes map[string]string, doc string) []string {
	var headings, broken []string
	for _, match := range heading.FindAllStringSubmatch(doc, -1) {
		headings = append(headings, match[1])
		if _, said := codes[match[1]]; !said {
			broken = append(broken, match[1]+": no code answers this any more")
		}
	}
	for code, at := range codes {
		if !slices.Contains(headings, code) {
			broken = append(broken, code+" ("+at+") has no heading")
		}
	}
	slices.Sort(broken)
	return broken
}
