package e2e

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// The document that clients are generated from: what it refers to exists, each operation says how
// it may fail, and every path answers.
func TestOpenAPIDocument(t *testing.T) {
	s := newSchool(t)
	a := s.send("GET", "/v1/openapi.json", "", nil).want(200)
	if version := a.str("openapi"); !strings.HasPrefix(version, "3.1.") ||
		a.str("info.title") == "" || a.str("info.version") == "" {
		t.Errorf("openapi %s", version)
	}
	document := a.body.(map[string]any)
	var walk func(node any)
	walk = func(node any) {
		switch n := node.(type) {
		case map[string]any:
			if ref, ok := n["$ref"].(string); ok {
				if reply := (reply{t: t, body: document}); !strings.HasPrefix(ref, "#/") ||
					reply.at(strings.ReplaceAll(ref[2:], "/", ".")) == nil {
					t.Errorf("%s leads nowhere", ref)
				}
			}
			for _, child := range n {
				walk(child)
			}
		case []any:
			for _, child := range n {
				walk(child)
			}
		}
	}
	walk(document)
	ids := map[any]bool{}
	u := s.user("member")
	for path, item := range document["paths"].(map[string]any) {
		for method, operation := range item.(map[string]any) {
			o, ok := operation.(map[string]any)
			if !ok || o["operationId"] == nil || ids[o["operationId"]] {
				t.Errorf("%s %s has no id of its own", method, path)
				continue
			}
			ids[o["operationId"]] = true
			responses := o["responses"].(map[string]any)
			if responses["401"] == nil && responses["default"] == nil || len(responses) < 2 {
				t.Errorf("%s %s says nothing of its failures", method, path)
			}
			declared := 0
			for _, p := range asList(o["parameters"]) {
				if p.(map[string]any)["in"] == "path" {
					declared++
				}
			}
			if declared != strings.Count(path, "{") {
				t.Errorf("%s %s declares %d of its path's parameters", method, path, declared)
			}
			target := strings.ReplaceAll(path, "{id}", "3f0c9a52-7c0e-4f6b-9d35-0f2f8a1f6e11")
			if got := u.call(strings.ToUpper(method), target,
				nil); got.at("code") == "no-such-route" || got.status == 405 || got.status >= 500 {
				t.Errorf("%s %s answers %d %s", method, path, got.status, got.raw)
			}
		}
	}
	for _, id := range []string{"create-file", "list-files", "get-file", "change-file",
		"delete-file", "restore-file", "download-file", "list-accesses", "get-usage"} {
		if !ids[id] {
			t.Errorf("there is no %s", id)
		}
	}
}

func asList(v any) []any { list, _ := v.([]any); return list }

func TestCORSPreflight(t *testing.T) {
	s := newSchool(t)
	for _, path := range []string{"/v1/files", "/v1/files/3f0c9a52-7c0e-4f6b-9d35-0f2f8a1f6e11",
		"/v1/usage"} {
		a := s.send("OPTIONS", path, "", nil, "Origin", "https://school.example",
			"Access-Control-Request-Method", "PATCH",
			"Access-Control-Request-Headers", "authorization,content-type,idempotency-key").want(
			204)
		for name, want := range map[string]string{"Origin": "*", "Methods": "PATCH",
			"Headers": "Idempotency-Key"} {
			if got := a.header.Get("Access-Control-Allow-" + name); !strings.Contains(got, want) {
				t.Errorf("%s: allow %s %q", path, name, got)
			}
		}
		if a.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Error("credentials are allowed to every origin")
		}
	}
	a := s.send("GET", "/v1/usage", "", nil, "Origin", "https://school.example").problem(401,
		"missing-token")
	if a.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Error("a browser may not read the refusal")
	}
	// The form is posted to the store by a browser too.
	u := s.user("member")
	request, err := http.NewRequest("OPTIONS", u.reserve(text("x")).str("upload.url"), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Origin", "https://school.example")
	request.Header.Set("Access-Control-Request-Method", "POST")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != 200 || response.Header.Get("Access-Control-Allow-Origin") == "" {
		t.Errorf("the store's preflight: %d %v", response.StatusCode, response.Header)
	}
}

func TestRequestsThatAreNone(t *testing.T) {
	s := newSchool(t)
	u := s.user("admin")
	id := u.reserve(text("x")).str("file.id")
	u.call("GET", "/v1/nothing-here", nil).want(404)
	u.call("PUT", "/v1/files", `{}`).problem(405, "method-not-allowed")
	u.call("POST", "/v1/files", `{"filename":`).problem(400, "malformed-request")
	u.call("POST", "/v1/files", `[]`).problem(422, "invalid-request")
	u.call("POST", "/v1/files", "filename=a.txt", "Content-Type",
		"application/x-www-form-urlencoded").problem(415, "unsupported-media-type")
	for _, body := range []string{
		`{}`, `{"filename":"a.txt","content_type":"text/plain"}`,
		`{"filename":"a.txt","content_type":"text/plain","size":"1"}`,
		`{"filename":"a.txt","content_type":"text/plain","size":1.5}`,
		`{"filename":"a.txt","content_type":"text/plain","size":1,"status":"available"}`,
		`{"filename":"a.txt","content_type":"text/plain","size":1,"sha256":"abc"}`,
		`{"filename":"a.txt","content_type":"text/plain","size":1,"category":"none"}`,
		`{"filename":"a.txt","content_type":"text/plain","size":1,"retention_days":0}`,
	} {
		a := u.call("POST", "/v1/files", body).problem(422, "invalid-request")
		if a.at("errors.0.location") == nil && a.at("errors.0.message") == nil {
			t.Errorf("%s: the problem names no field: %s", body, a.raw)
		}
	}
	for _, size := range []string{"-1", "0"} {
		u.call("POST", "/v1/files", `{"filename":"a.txt","content_type":"text/plain","size":`+
			size+`}`).problem(422, "empty-file")
	}
	u.call("POST", "/v1/files",
		`{"filename":"a.txt","content_type":"text/plain","size":9223372036854775807}`).problem(413,
		"file-too-large")
	u.call("POST", "/v1/files",
		`{"filename":"a.txt","content_type":"text/plain","size":1,"title":"a\u0000b"}`).problem(422,
		"invalid-text")
	u.call("PATCH", "/v1/files/"+id, `{"status":"available"}`).problem(422, "invalid-request")
	u.call("GET", "/v1/files?cursor=x", nil).problem(422, "invalid-cursor")
	u.call("GET", "/v1/files/not-an-id", nil).problem(404, "file-not-found")
	u.call("GET", "/v1/files/"+id+"%00", nil).want(404)
	s.wantQuota(0, 1, 1)
}

// What make run leads to: a page that a browser shows, with names that are not to be trusted.
func TestStartPage(t *testing.T) {
	s := newSchool(t)
	s.slug, s.id = "oak-street-school", ""
	u := s.user("member")
	hostile := text("hello")
	hostile.name = "<script>" + u.id + ".txt"
	id := u.available(hostile)
	var page string
	until(t, "the file's event on the page", func() bool {
		answer, err := http.Get(s.ready.API + "/")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != 200 {
			t.Fatalf("%d %s, %v", answer.StatusCode, text, err)
		}
		page = string(text)
		return strings.Contains(page, "<td>file.available<td>"+id)
	})
	for _, want := range []string{"&lt;script&gt;" + u.id, "<h2>Agents</h2>",
		`href="/local/files/oak-street-school/` + id + `/original"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s:\n%s", want, page)
		}
	}
	if strings.Contains(page, "<script") {
		t.Error("a file's name becomes a part of the page")
	}
}

// The links of that page are followed by a browser, which has no token.
func TestLocalLinks(t *testing.T) {
	s := newSchool(t)
	id := s.user("member").available(text("hello"))
	answer, err := http.Get(s.ready.API + "/local/files/" + s.slug + "/" + id + "/original")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != 200 || string(content) != "hello" {
		t.Errorf("%d %q, %v", answer.StatusCode, content, err)
	}
	s.send("GET", "/local/files/"+s.slug+"/"+id+"/thumbnail", "", nil).problem(404,
		"variant-not-found")
	s.send("GET", "/local/files/no-such-school/"+id+"/original", "", nil).want(404)
	if n := s.look(`SELECT count(*) FROM organizations WHERE slug = 'no-such-school'`); n != 0 {
		t.Error("following a link made an organization")
	}
	s.send("GET", "/local/files/riverside-academy/"+id+"/original", "", nil).problem(404,
		"file-not-found")
}
