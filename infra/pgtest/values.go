package pgtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// CheckValues compares a set of values with the column's CHECK and with the constants of its type
// in the package under test: a value that was added to one of them and forgotten in another is
// named.
func CheckValues[T ~string](t testing.TB, d *Database, table, column string, values []T) {
	t.Helper()
	kind := reflect.TypeFor[T]().Name()
	var got []string
	for _, v := range values {
		got = append(got, string(v))
	}
	slices.Sort(got)
	compare := func(where string, want []string) {
		t.Helper()
		slices.Sort(want)
		for _, v := range want {
			if !slices.Contains(got, v) {
				t.Errorf("%q is in %s, and missing in the function that lists every %s", v,
					where, kind)
			}
		}
		for _, v := range got {
			if !slices.Contains(want, v) {
				t.Errorf("%q is listed as a %s, and missing in %s", v, kind, where)
			}
		}
	}
	compare("the CHECK of "+table+"."+column, d.allowed(t, table, column))
	compare("the constants of type "+kind, constants(t, kind))
}

// allowed reads the values of CHECK (column IN (…)).
func (d *Database) allowed(t testing.TB, table, column string) []string {
	t.Helper()
	var check string
	err := d.Superuser.QueryRow(t.Context(), `
		SELECT pg_get_constraintdef(k.oid) FROM pg_constraint k
		JOIN pg_attribute a ON a.attrelid = k.conrelid AND k.conkey = ARRAY[a.attnum]
		WHERE k.conrelid = $1::text::regclass AND k.contype = 'c' AND a.attname = $2
		AND pg_get_constraintdef(k.oid) LIKE '%ANY (ARRAY[%'`, table, column).Scan(&check)
	if err != nil {
		t.Fatalf("find the CHECK (%s IN (…)) of %s: %v", column, table, err)
	}
	var values []string
	for _, match := range regexp.MustCompile(`'([^']*)'::text`).FindAllStringSubmatch(check, -1) {
		values = append(values, match[1])
	}
	return values
}

// constants reads the constants of a type from the source of the package under test.
func constants(t testing.TB, kind string) []string {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			id, typed := spec.Type.(*ast.Ident)
			literal, ok := spec.Values[0].(*ast.BasicLit)
			if typed && id.Name == kind && ok {
				value, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatal(err)
				}
				values = append(values, value)
			}
			return true
		})
	}
	return values
}
