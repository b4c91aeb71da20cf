package answers

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/toolboxai-solutions/satchel/infra/openapi/node"
)

const document = `{"openapi":"3.1.0","paths":{"/v1/files/{id}":{"get":{"responses":{
	"200":{"headers":{"ETag":{}},"content":{"application/json":{"schema":{"$ref":"#/components/schemas/File"}},
		"text/csv":{"schema":{"type":"string","minLength":2}}}},
	"404":{"content":{"application/problem+json":{"schema":{"type":"object","required":["code"]}}}}}},
	"delete":{"responses":{"204":{}}}},
	"/v1/files/batch":{"get":{"responses":{"200":{"content":{"application/json":{"schema":{"type":"array"}}}}}}}},
	"components":{"schemas":{"File":{"type":"object","required":["id"],"additionalProperties":false,
		"properties":{"id":{"type":"string","format":"uuid"},"size":{"type":"integer"}}}}}}`

func TestWhatTheDocumentLacksIsFound(t *testing.T) {
	t.Parallel()
	const id = "5f5ab9a0-6fc1-4b0d-8e39-2b3b6f1f9a10"
	for name, c := range map[string]struct {
		method, path string
		status       int
		header       http.Header
		body, want   string
	}{
		"as it is": {"GET", "/v1/files/x?a=b", 200, http.Header{"Etag": {"1"}},
			`{"id":"` + id + `"}`, ""},
		"a literal before a variable": {"GET", "/v1/files/batch", 200, nil, `[]`, ""},
		"a problem": {"GET", "/v1/files/x", 404,
			http.Header{"Content-Type": {"application/problem+json"}}, `{"code":"a"}`, ""},
		"no body":              {"DELETE", "/v1/files/x", 204, nil, "", ""},
		"no such route":        {"GET", "/v1/nothing", 404, nil, "text", ""},
		"another status":       {"GET", "/v1/files/x", 409, nil, `{}`, "status 409"},
		"another header":       {"GET", "/v1/files/x", 404, http.Header{"Retry-After": {"1"}}, `{}`, "retry-after"},
		"another content type": {"GET", "/v1/files/x", 404, nil, `{"code":"a"}`, "content type application/json"},
		"a body too many":      {"DELETE", "/v1/files/x", 204, nil, "{}", "no body"},
		"null":                 {"GET", "/v1/files/x", 200, nil, `{"id":null}`, "/id must be string"},
		"a format":             {"GET", "/v1/files/x", 200, nil, `{"id":"a"}`, "format"},
		"a member too many":    {"GET", "/v1/files/x", 200, nil, `{"id":"` + id + `","b":1}`, "additional"},
		"a member too few":     {"GET", "/v1/files/x", 200, nil, `{}`, "required"},
		"text": {"GET", "/v1/files/x", 200, http.Header{"Content-Type": {"text/csv; charset=utf-8"}},
			"id\r\n1\r\n", ""},
		"too short a text": {"GET", "/v1/files/x", 200, http.Header{"Content-Type": {"text/csv"}},
			"1", "fewer than 2"},
		"no JSON": {"GET", "/v1/files/x", 200, nil, `{`, "no JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			header := http.Header{"Content-Type": {"application/json"}}
			for k, v := range c.header {
				header[k] = v
			}
			var r Recorder
			r.Add(c.method, c.path, c.status, header, c.body)
			faults, err := r.Check([]byte(document))
			if errors.Is(err, node.ErrAbsent) && os.Getenv("CI") != "true" {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(faults, " "); (got == "") != (c.want == "") ||
				!strings.Contains(got, c.want) {
				t.Errorf("found %q, want %q", got, c.want)
			}
		})
	}
}
