package gateway

import (
	"net/url"
	"strings"

	"github.com/toolboxai-solutions/satchel/infra/template"
)

// Route sends the requests of a route of the HTTP API to one function.
type Route struct {
	template.Route
	Function string
}

// key is how the HTTP API names a route.
func (r Route) key() string {
	if r.Path == "" {
		return "$default"
	}
	return r.Method + " " + r.Path
}

// match is a route with what its path's variables stand for.
type match struct {
	Route
	parameters map[string]string
}

// choose takes the most specific route: a full match, then one with a greedy variable, then the
// default. In doubt a literal segment goes before a variable and a method before ANY
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html).
func choose(routes []Route, method, path string) (best match, found bool) {
	var highest string
	for _, r := range routes {
		parameters, rank, ok := r.match(method, path)
		if ok && (!found || rank > highest) {
			best, highest, found = match{r, parameters}, rank, true
		}
	}
	return best, found
}

// match also ranks a match, as text: how each segment matched, from the first to the last, and then
// the method.
func (r Route) match(method, path string) (parameters map[string]string, rank string, ok bool) {
	if r.Path == "" {
		return nil, "", true
	}
	switch r.Method {
	case method:
		rank = "2"
	case "ANY":
		rank = "1"
	default:
		return nil, "", false
	}
	full, segments := "2", ""
	rest := strings.Split(path, "/")
	for i, want := range strings.Split(r.Path, "/") {
		name, isVariable := strings.CutPrefix(strings.TrimSuffix(want, "}"), "{")
		name, isGreedy := strings.CutSuffix(name, "+")
		if isGreedy {
			rest = []string{strings.Join(rest, "/")}
			full = "1"
		}
		if len(rest) == 0 {
			return nil, "", false
		}
		got, err := url.PathUnescape(rest[0])
		switch {
		case err != nil, isVariable && got == "", !isVariable && got != want:
			return nil, "", false
		case isVariable:
			if parameters == nil {
				parameters = map[string]string{}
			}
			parameters[name] = got
			segments += "1"
		case i > 0:
			segments += "2"
		}
		rest = rest[1:]
	}
	return parameters, full + segments + rank, len(rest) == 0
}
