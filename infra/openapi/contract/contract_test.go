package contract_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/toolboxai-solutions/satchel/infra/openapi/contract"
)

const document = `{"openapi":"3.1.0","info":{"title":"Things","version":"1"},"paths":{
	"/v1/things/{id}":{"get":{"responses":{
		"200":{"description":"OK","headers":{"X-Known":{"schema":{"type":"string"}}},"content":{"application/json":{"schema":{
			"type":"object","required":["size"],"additionalProperties":false,"properties":{"size":{"type":"integer","minimum":1},"at":{"type":["string","null"],"format":"date-time"}}}}}},
		"204":{"description":"No Content"}}}}}}`

func TestAnswersAreHeldToTheDocument(t *testing.T) {
	t.Parallel()
	c, err := contract.New([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		method, path string
		status       int
		header, body string
		want         string // "": it is as the document has it
	}{
		"as it is":               {"GET", "/v1/things/1?a=b", 200, "X-Known", `{"size":1,"at":null}`, ""},
		"a header too many":      {"GET", "/v1/things/1", 200, "X-Other", `{"size":1}`, "X-Other"},
		"null for a number":      {"GET", "/v1/things/1", 200, "X-Known", `{"size":null}`, "not as the document"},
		"below its minimum":      {"GET", "/v1/things/1", 200, "X-Known", `{"size":0}`, "not as the document"},
		"no date":                {"GET", "/v1/things/1", 200, "X-Known", `{"size":1,"at":"today"}`, "not as the document"},
		"a member too many":      {"GET", "/v1/things/1", 200, "X-Known", `{"size":1,"x":1}`, "not as the document"},
		"another status":         {"GET", "/v1/things/1", 201, "X-Known", `{"size":1}`, "no answer 201"},
		"a body where none is":   {"GET", "/v1/things/1", 204, "Date", `{}`, "has a body"},
		"none where none is":     {"GET", "/v1/things/1", 204, "Date", ``, ""},
		"none where one is":      {"GET", "/v1/things/1", 200, "Date", ``, "not as the document"},
		"HEAD has none":          {"HEAD", "/v1/things/1", 200, "Date", ``, ""},
		"another method":         {"PUT", "/v1/things/1", 200, "Date", `{}`, "no such operation"},
		"another method refused": {"PUT", "/v1/things/1", 405, "Date", `{}`, ""},
		"another path":           {"GET", "/v1/thing/1", 404, "Date", `{}`, ""},
	} {
		header := http.Header{"Content-Type": {"application/json"}, tc.header: {"x"}}
		err := c.Check(tc.method, tc.path, tc.status, header, []byte(tc.body))
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}
