package httpapi_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/shared/fault"
)

var update = flag.Bool("update", false, "write the golden files")

// TestProblemsGolden holds the shape of every kind of refusal: clients are written against these.
func TestProblemsGolden(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	auth := []string{"Authorization", "Bearer " + w.token(nil)}
	with := func(more ...string) []string { return append(append([]string{}, auth...), more...) }
	fails := func(err error) answer {
		w.refusal = err
		return w.ask("GET", "/v1/fails", "", auth...)
	}
	shapes := map[string]any{}
	for _, tc := range []struct {
		name string
		a    answer
	}{
		{"no route", w.ask("GET", "/v1/nothing", "")},
		{"wrong method", w.ask("DELETE", "/v1/things", "")},
		{"missing token", w.ask("GET", "/v1/fails", "")},
		{"invalid token", w.ask("GET", "/v1/fails", "", "Authorization", "Bearer x")},
		{"no body", w.ask("POST", "/v1/things", "", auth...)},
		{"no json", w.ask("POST", "/v1/things", `{"name":`, auth...)},
		{"trailing json", w.ask("POST", "/v1/things", `{"name":"a"}{}`, auth...)},
		{"unknown field",
			w.ask("POST", "/v1/things", `{"name":"a","password":"hunter2"}`, auth...)},
		{"wrong fields", w.ask("POST", "/v1/things", `{"name":"","size":"hunter2"}`, auth...)},
		{"name in two cases", w.ask("POST", "/v1/things",
			`{"name":"a","Name":"`+strings.Repeat("a", 100)+`"}`, auth...)},
		{"too large",
			w.ask("POST", "/v1/things", `{"name":"`+strings.Repeat("a", 256<<10)+`"}`, auth...)},
		{"wrong type",
			w.ask("POST", "/v1/things", `<name>a</name>`, with("Content-Type", "text/xml")...)},
		{"path is no uuid", w.ask("GET", "/v1/things/7", "", auth...)},
		{"query out of range",
			w.ask("GET", "/v1/things/"+uuid.Max.String()+"?limit=101", "", auth...)},
		{"unknown query", w.ask("GET", "/v1/things/"+uuid.Max.String()+"?limits=1", "", auth...)},
		{"panic", w.ask("GET", "/v1/panics", "", auth...)},
		{"unclassified", fails(errors.New("pq: a secret detail of host db-7"))},
		{"limited", fails(errQuota)},
		{"wrapped", fails(fmt.Errorf("claim file: %w",
			fault.Wrap(errors.New("a secret detail"), fault.Conflict, "file-busy", "Try again.")))},
	} {
		if strings.Contains(tc.a.raw, "secret") || strings.Contains(tc.a.raw, "hunter2") {
			t.Errorf("%s: the answer gives away: %s", tc.name, tc.a.raw)
		}
		if got := tc.a.header.Get("Content-Type"); got != "application/problem+json" {
			t.Errorf("%s: content type %q", tc.name, got)
		}
		if tc.a.body["instance"] == nil ||
			tc.a.body["instance"] != tc.a.header.Get("X-Request-Id") {
			t.Errorf("%s: instance %v, request %q", tc.name, tc.a.body["instance"],
				tc.a.header.Get("X-Request-Id"))
		}
		tc.a.body["instance"] = "REQUEST"
		got := map[string]any{"status": tc.a.status, "body": tc.a.body}
		for _, name := range []string{"Allow", "Retry-After", "WWW-Authenticate"} {
			if value := tc.a.header.Get(name); value != "" {
				got[name] = value
			}
		}
		shapes[tc.name] = got
	}
	golden(t, "problems.json", shapes)
	for _, secret := range []string{"a secret detail of host db-7", "panic", "file-busy",
		`"route":"GET /v1/fails"`} {
		if !strings.Contains(w.log.String(), secret) {
			t.Errorf("the log lacks %q", secret)
		}
	}
}

func golden(t *testing.T, name string, value any) {
	t.Helper()
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		t.Fatal(err)
	}
	got := out.Bytes()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
	}
}

func TestEveryKindOfFaultHasItsStatus(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for kind, status := range map[fault.Kind]int{
		fault.Invalid: 422, fault.Unauthenticated: 401, fault.Forbidden: 403, fault.NotFound: 404,
		fault.Conflict: 409,
		fault.TooLarge: 413, fault.Unsupported: 415, fault.Limited: 429, fault.Temporary: 503,
	} {
		w.refusal = fault.New(kind, "a-code", "Do this.")
		a := w.ask("GET", "/v1/fails", "", "Authorization", "Bearer "+w.token(nil))
		expect(t, a, status, "a-code")
		if a.body["detail"] != "Do this." || !strings.HasSuffix(a.body["type"].(string), "a-code") {
			t.Errorf("%s: %s", kind, a.raw)
		}
	}
	w.refusal = fault.Wrap(errors.New("x"), fault.Internal, "a-code", "Not for clients.")
	expect(t, w.ask("GET", "/v1/fails", "", "Authorization", "Bearer "+w.token(nil)), 500,
		"internal")
}
