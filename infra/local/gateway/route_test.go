package gateway

import (
	"maps"
	"testing"

	"github.com/toolboxai-solutions/satchel/infra/template"
)

// TestChoose has the routes of API Gateway's own example, and a few that are harder.
func TestChoose(t *testing.T) {
	t.Parallel()
	var routes []Route
	for _, r := range [][2]string{
		{"ANY", "/{proxy+}"}, {"GET", "/pets/{proxy+}"}, {"GET", "/pets/dog/{id}"},
		{"GET", "/pets/dog/1"},
		{"ANY", "/pets/dog/1"}, {"ANY", "/pets/{kind}/toys"}, {"ANY", "/pets/dog/{proxy+}"},
		{"PUT", "/pets"},
	} {
		routes = append(routes, Route{template.Route{Method: r[0], Path: r[1]}, ""})
	}
	whole := append([]Route{{Function: "default"}}, routes...)
	for request, want := range map[[2]string]struct {
		key        string
		parameters map[string]string
	}{
		{"GET", "/pets/dog/1"}:       {"GET /pets/dog/1", nil},
		{"POST", "/pets/dog/1"}:      {"ANY /pets/dog/1", nil},
		{"GET", "/pets/dog/2"}:       {"GET /pets/dog/{id}", map[string]string{"id": "2"}},
		{"POST", "/pets/dog/2"}:      {"ANY /pets/dog/{proxy+}", map[string]string{"proxy": "2"}},
		{"GET", "/pets/cat/1"}:       {"GET /pets/{proxy+}", map[string]string{"proxy": "cat/1"}},
		{"GET", "/pets/cat/toys"}:    {"ANY /pets/{kind}/toys", map[string]string{"kind": "cat"}},
		{"GET", "/pets/dog/2/3"}:     {"ANY /pets/dog/{proxy+}", map[string]string{"proxy": "2/3"}},
		{"POST", "/test/5"}:          {"ANY /{proxy+}", map[string]string{"proxy": "test/5"}},
		{"GET", "/pets/dog/a%2Fb"}:   {"GET /pets/dog/{id}", map[string]string{"id": "a/b"}},
		{"PUT", "/pets"}:             {"PUT /pets", nil},
		{"GET", "/"}:                 {"$default", nil},
		{"GET", "/pets/dog/%zz"}:     {"$default", nil},
		{"DELETE", "/pets/dog/toys"}: {"ANY /pets/{kind}/toys", map[string]string{"kind": "dog"}},
	} {
		got, ok := choose(whole, request[0], request[1])
		if !ok || got.key() != want.key || !maps.Equal(got.parameters, want.parameters) {
			t.Errorf("%v goes to %s %v, want %s %v", request, got.key(), got.parameters, want.key,
				want.parameters)
		}
	}
	if got, ok := choose(routes, "GET", "/"); ok {
		t.Errorf("without a default route / goes to %s", got.key())
	}
	if got, ok := choose(routes[7:], "GET", "/pets"); ok {
		t.Errorf("another method goes to %s", got.key())
	}
}
