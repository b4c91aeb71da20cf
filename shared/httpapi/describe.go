package httpapi

import (
	"net/http"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
)

// PrefixSchemas puts a function's name before the names of its schemas, so that two functions may
// each have a Page. Call it before the first route. Schemas of this package are the same everywhere
// and have none.
func (a *API) PrefixSchemas(prefix string) { a.prefix = prefix }

func (a *API) schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	for _, everywhere := range []reflect.Type{reflect.TypeFor[Problem](),
		reflect.TypeFor[huma.ErrorModel]()} {
		if t.PkgPath() == everywhere.PkgPath() {
			return name
		}
	}
	return a.prefix + name
}

// describe adds what every route has in common: the token, and each status that any request may be
// answered with. A client then knows from the document all that it can get.
func (a *API) describe(op huma.Operation, how access) huma.Operation {
	if op.Description == "" {
		op.Description = op.Summary + "."
	}
	op.Security = []map[string][]string{{bearerScheme: {}}}
	statuses := append([]int{401, 403, 408, 422, 500, 503}, op.Errors...)
	if op.Method != http.MethodGet {
		statuses = append(statuses, 400, 413, 415)
	}
	if how == recording || how == writing {
		statuses = append(statuses, 429)
	}
	responses := map[string]*huma.Response{}
	for _, status := range statuses {
		responses[strconv.Itoa(status)] = a.problemResponse(status)
	}
	for status, response := range op.Responses {
		responses[status] = response
	}
	op.Errors, op.Responses = nil, responses
	return op
}

func (a *API) problemResponse(status int) *huma.Response {
	problem := a.schemas().Schema(reflect.TypeFor[Problem](), true, "Problem")
	headers := map[string]*huma.Param{}
	add := func(name, description string, schema *huma.Schema) {
		headers[name] = &huma.Param{Description: description, Schema: schema}
	}
	switch status {
	case http.StatusUnauthorized:
		add("WWW-Authenticate", "The challenge of RFC 6750.", &huma.Schema{Type: huma.TypeString})
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusConflict:
		add("Retry-After", "Seconds until it is worth another try, where that is known.",
			&huma.Schema{Type: huma.TypeInteger, Minimum: new(1.0)})
	}
	return &huma.Response{
		Description: http.StatusText(status), Headers: headers,
		Content: map[string]*huma.MediaType{"application/problem+json": {Schema: problem}},
	}
}

// finish adds to a registered operation what its types do not say: the request's id on every
// answer, and an example of each body.
func (a *API) finish(method, path string) {
	item := a.huma.OpenAPI().Paths[path]
	op := map[string]*huma.Operation{
		http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put,
		http.MethodPatch: item.Patch, http.MethodDelete: item.Delete,
	}[method]
	for status, response := range op.Responses {
		if response.Headers == nil {
			response.Headers = map[string]*huma.Param{}
		}
		response.Headers["X-Request-Id"] = &huma.Param{
			Description: "The id of the request; tell it to support.",
			Schema:      &huma.Schema{Type: huma.TypeString},
		}
		for kind, media := range response.Content {
			if kind == "application/problem+json" {
				media.Example = exampleProblem(status)
			} else if media.Schema != nil {
				media.Example = a.exampleOf(media.Schema, 0)
			}
		}
	}
	if op.RequestBody != nil {
		for _, media := range op.RequestBody.Content {
			media.Example = a.exampleOf(media.Schema, 0)
		}
	}
}
