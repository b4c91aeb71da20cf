package architecture

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/toolboxai-solutions/satchel/infra/migrations"
)

// house is a small repository that keeps every law. Each case of TestBrokenGraph breaks it in one
// place.
func house() graph {
	g := graph{}
	for path, imports := range map[string][]string{
		"functions/a": {module + "functions/a/internal/noun", module + "shared/door",
			module + "shared/tenant"},
		"functions/a/internal/noun": {module + "shared/door"},
		"functions/b":               {module + "shared/door", module + "shared/tenant"},
		"shared/door":               {"github.com/jackc/pgx/v5"},
		"shared/tenant":             {"errors", "github.com/google/uuid"},
		"shared/tenantdb":           {"github.com/jackc/pgx/v5/pgxpool"},
		"infra/local":               {module + "shared/door"},
	} {
		name := "noun"
		if path == "functions/a" || path == "functions/b" {
			name = "main"
		}
		g[module+path] = node{ImportPath: module + path, Name: name, Imports: imports}
	}
	g["errors"] = node{ImportPath: "errors", Standard: true}
	return g
}

var houseWaiting = map[string]string{"shared/tenantdb": "b comes to use it"}

// everyGraphLaw is what TestImportGraph asks of the real graph.
func everyGraphLaw(g graph) map[string][]string {
	return map[string][]string{
		"closed":   functionsAreClosed(g),
		"shared":   sharedIsShared(g, houseWaiting),
		"alone":    sharedStandsAlone(g),
		"surround": infraSurrounds(g),
		"small": smallImports(g,
			map[string][]string{"shared/tenant": {"github.com/google/uuid"}}),
		"door":  oneDoorToPostgres(g),
		"names": namesSayWhat(g),
	}
}

func TestBrokenGraph(t *testing.T) {
	t.Parallel()
	imports := func(path string, imported ...string) func(graph) {
		return func(g graph) {
			n := g[module+path]
			n.ImportPath, n.Imports = module+path, slices.Concat(n.Imports, imported)
			g[module+path] = n
		}
	}
	testImports := func(path, imported string) func(graph) {
		return func(g graph) {
			n := g[module+path]
			n.XTestImports = append(n.XTestImports, imported)
			g[module+path] = n
		}
	}
	for name, c := range map[string]struct {
		breaks func(graph)
		laws   []string
	}{
		"nothing": {func(graph) {}, nil},
		"a function's test starts the stack": {testImports("functions/a", module+"infra/local"),
			nil},
		"function imports function": {
			imports("functions/b", module+"functions/a/internal/noun"), []string{"closed"}},
		"function's test imports function": {testImports("functions/b", module+"functions/a"),
			[]string{"closed"}},
		"shared for one function": {imports("functions/a", module+"shared/lonely"),
			[]string{"shared"}},
		"shared for none": {imports("shared/unused"), []string{"shared"}},
		"waiting is over": {func(g graph) {
			imports("functions/a", module+"shared/tenantdb")(g)
			imports("functions/b", module+"shared/tenantdb")(g)
		}, []string{"shared"}},
		"waiting for nothing": {
			func(g graph) { delete(g, module+"shared/tenantdb") }, []string{"shared"}},
		"shared imports function": {
			imports("shared/door", module+"functions/a/internal/noun"), []string{"alone"}},
		"shared imports infra, and so links it": {imports("shared/door", module+"infra/local"),
			[]string{"alone", "surround"}},
		"function linked with infra": {
			imports("functions/a/internal/noun", module+"infra/local"), []string{"surround"}},
		"infra imports function": {
			imports("infra/local", module+"functions/a/internal/noun"), []string{"surround"}},
		"infra's test imports function": {
			testImports("infra/local", module+"functions/a/internal/noun"), []string{"surround"}},
		"tenant imports a driver": {
			imports("shared/tenant", "github.com/jackc/pgx/v5"), []string{"small"}},
		"a function opens a pool of its own": {imports("functions/a/internal/noun",
			"github.com/jackc/pgx/v5/pgxpool"), []string{"door"}},
		"shared opens a database of its own": {imports("shared/door", "database/sql"),
			[]string{"door"}},
		"a folder for things without an owner": {imports("functions/a/internal/utils"),
			[]string{"names"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := house()
			c.breaks(g)
			for _, n := range slices.Collect(maps.Keys(g)) {
				for _, path := range g[n].Imports {
					if _, known := g[path]; !known {
						g[path] = node{ImportPath: path, Name: "noun"}
					}
				}
			}
			for law, broken := range everyGraphLaw(g) {
				if want := slices.Contains(c.laws, law); want != (len(broken) > 0) {
					t.Errorf("law %s: broken = %v, want %v: %v", law, len(broken) > 0, want, broken)
				}
			}
		})
	}
}

func everySourceLaw(sources []*source) map[string][]string {
	return map[string][]string{
		"size":   sizes(sources),
		"width":  width(sources),
		"init":   noInit(sources),
		"global": noGlobals(sources),
		"begin":  noThirdBegin(sources),
		"across": acrossIsListed(sources, []migrations.Sight{{Entry: "a/worker"}}),
	}
}

func TestBrokenSource(t *testing.T) {
	t.Parallel()
	const across = "package a\nfunc f(db d) { db.AcrossTenants() }\n"
	lines := func(n int) string { return "package a\n" + string(slices.Repeat([]byte("\n"), n-1)) }
	for name, c := range map[string]struct {
		path, text string
		law        string // the one law that is broken, "" for none
	}{
		"short main":          {"functions/a/main.go", lines(maxMainLines - 1), ""},
		"long main":           {"functions/a/main.go", lines(maxMainLines), "size"},
		"file at the limit":   {"shared/x/x.go", lines(maxLines), ""},
		"file over the limit": {"shared/x/x.go", lines(maxLines + 1), "size"},
		"generated file": {"shared/x/x.go",
			"// Code generated by sqlc. DO NOT EDIT.\n" + lines(maxLines+1), ""},
		"line at the limit": {"shared/x/x.go", "package a\n//" + strings.Repeat("a", maxColumns-2),
			""},
		"line over the limit": {"shared/x/x.go", "package a\n//" + strings.Repeat("a", maxColumns-1),
			"width"},
		"indented over the limit": {"shared/x/x.go", "package a\nvar (\n\t//" +
			strings.Repeat("a", maxColumns-5) + "\n)", "width"},
		"an address": {"shared/x/x.go",
			"package a\n// https://" + strings.Repeat("a", maxColumns), ""},
		"a text": {"shared/x/x.go",
			"package a\nconst a = `" + strings.Repeat("a", maxColumns) + "`", ""},
		"init":               {"infra/x/x.go", "package a\nfunc init() {}", "init"},
		"method called init": {"infra/x/x.go", "package a\nfunc (x t) init() {}", ""},
		"counter":            {"shared/x/x.go", "package a\nvar n int", "global"},
		"clock":              {"shared/x/x.go", "package a\nvar now = time.Now", "global"},
		"client": {"shared/x/x.go", "package a\nvar client = &http.Client{}",
			"global"},
		"exported table": {"shared/x/x.go", "package a\nvar Kinds = []string{`a`}",
			"global"},
		"table": {"shared/x/x.go", "package a\nvar kinds = []string{`a`}", ""},
		"table that is written to": {"shared/x/x.go",
			"package a\nvar kinds = map[string]int{}\nfunc f() { kinds[`a`]++ }", "global"},
		"table that is assigned": {"shared/x/x.go",
			"package a\nvar kinds = []string{}\nfunc f() { kinds = nil }", "global"},
		"table that is emptied": {"shared/x/x.go",
			"package a\nvar kinds = map[string]int{}\nfunc f() { clear(kinds) }", "global"},
		"table that is handed out": {"shared/x/x.go", "package a\nvar state = struct{ " +
			"n int }{}\nfunc f() *int { return &state.n }", "global"},
		"sentinel": {"shared/x/x.go",
			"package a\nvar ErrGone = errors.New(`gone`)", ""},
		"expression": {"shared/x/x.go",
			"package a\nvar form = regexp.MustCompile(`a`)", ""},
		"assertion": {"shared/x/x.go", "package a\nvar _ I = T{}", ""},
		"embedded": {"shared/x/x.go",
			"package a\n//go:embed x.sql\nvar files embed.FS", ""},
		"begin on a pool": {"functions/a/x.go",
			"package a\nfunc f(p pool) { p.Begin(nil) }", "begin"},
		"begin with options": {"shared/x/x.go",
			"package a\nfunc f(p pool) { p.BeginTx(nil, nil) }", "begin"},
		"begin as a value": {"shared/x/x.go", "package a\nvar _ = pool{}.Begin", "begin"},
		"begin by text": {"functions/a/x.go", "package a\nconst q = ` begin; select 1`",
			"begin"},
		"a connection of one's own": {"functions/a/x.go",
			"package a\nfunc f() { pgx.Connect(nil, ``) }", "begin"},
		"a word that begins so": {"functions/a/x.go", "package a\nconst q = `beginning`", ""},
		"begin in the door": {"shared/tenantdb/x.go",
			"package a\nfunc f(p pool) { p.Begin(nil) }", ""},
		"begin in infra": {"infra/x/x.go", "package a\nfunc f(p pool) { p.Begin(nil) }",
			""},
		"across, not listed":     {"functions/b/other.go", across, "across"},
		"listed, across no more": {"functions/a/worker.go", "package a", "across"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			texts := map[string]string{"functions/a/worker.go": across}
			texts[c.path] = c.text
			var sources []*source
			for path, text := range texts {
				s, err := parse(path, []byte(text))
				if err != nil {
					t.Fatal(err)
				}
				if s != nil {
					sources = append(sources, s)
				}
			}
			for law, broken := range everySourceLaw(sources) {
				if want := law == c.law; want != (len(broken) > 0) {
					t.Errorf("law %s: broken = %v, want %v: %v", law, len(broken) > 0, want, broken)
				}
			}
		})
	}
}

func TestStrangers(t *testing.T) {
	t.Parallel()
	found := strangers([]string{"go.mod", "shared/x/x.go", "scripts/x.sh", "scripts/y.sh",
		"warm.go"}, topLevel)
	if want := []string{"scripts", "warm.go"}; !slices.Equal(found, want) {
		t.Errorf("strangers = %v, want %v", found, want)
	}
}
