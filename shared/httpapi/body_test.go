package httpapi_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/shared/httpapi"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// shelf has what bodies have that hurt: a free object, arrays, an integer, nesting.
type shelf struct {
	Body struct {
		Name  string         `json:"name,omitempty" maxLength:"20"`
		Count int64          `json:"count,omitempty"`
		Free  map[string]any `json:"free,omitempty"`
		Tags  []string       `json:"tags,omitempty" maxItems:"50"`
		Long  []string       `json:"long,omitempty"`
		Inner []struct {
			Name string `json:"name" minLength:"1"`
		} `json:"inner,omitempty" maxItems:"3"`
	}
}

type bulk struct{ Body []string }

// withShelf adds POST /v1/shelves, which answers what it was sent, and routes whose answers cannot
// be sent.
func withShelf(t *testing.T) *fixture {
	t.Helper()
	w := newFixture(t)
	w.exec(`UPDATE organizations SET rate_limit_per_minute = 100000`)
	op := func(method, path string) huma.Operation {
		return huma.Operation{OperationID: method + strings.ReplaceAll(path, "/", "-"), Method: method, Path: path}
	}
	httpapi.Write(w.api, op("POST", "/v1/shelves"),
		func(_ context.Context, _ pgx.Tx, _ tenant.Caller, in *shelf) (*shelf, error) { return in, nil })
	write := func(body any) httpapi.Handler[struct{}, struct{ Body any }] {
		return func(ctx context.Context, tx pgx.Tx, c tenant.Caller, _ *struct{}) (*struct{ Body any }, error) {
			err := httpapi.CompleteIdempotent(ctx, tx, c, "x", "key", make([]byte, 32), uuid.New())
			return &struct{ Body any }{body}, err
		}
	}
	httpapi.Write(w.api, op("PUT", "/v1/huge"), write(strings.Repeat(`"`, 3_000_000)))
	httpapi.Write(w.api, op("PUT", "/v1/unsendable"), write(func() {}))
	httpapi.Read(w.api, op("GET", "/v1/bulk"),
		func(context.Context, pgx.Tx, tenant.Caller, *struct{}) (*bulk, error) {
			return &bulk{[]string{strings.Repeat("x", 7_000_000)}}, nil
		})
	httpapi.Write(w.api, op("PUT", "/v1/statement"),
		func(ctx context.Context, tx pgx.Tx, _ tenant.Caller, in *struct {
			Body struct {
				SQL  string   `json:"sql"`
				Args []string `json:"args,omitempty"`
			}
		}) (*struct{}, error) {
			args := make([]any, len(in.Body.Args))
			for i, arg := range in.Body.Args {
				args[i] = arg
			}
			_, err := tx.Exec(ctx, in.Body.SQL, args...)
			return nil, err
		})
	return w
}

func TestWhatABodyMayHold(t *testing.T) {
	t.Parallel()
	w := withShelf(t)
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for name, tc := range map[string]struct {
		body   string
		status int
		at     string
	}{
		"a large id":            {`{"free":{"id":9007199254740993}}`, 200, ""},
		"small and large":       {`{"free":{"a":5e-324,"b":1.7e308,"c":0e999,"d":-0.0}}`, 200, ""},
		"a number that is 0":    {`{"free":{"a":[1,1e-16000]}}`, 422, "body.free.a[1]"},
		"a number too large":    {`{"free":{"a":1e400}}`, 422, "body.free.a"},
		"a number of digits":    {`{"free":{"a":1` + strings.Repeat("0", 350) + `}}`, 422, "body.free.a"},
		"an integer past 2^63":  {`{"count":9223372036854775808}`, 422, "body.count"},
		"an integer at its end": {`{"count":9223372036854775807}`, 200, ""},
		"deep enough":           {`{"free":{"a":` + nested(30) + `}}`, 200, ""},
		"too deep":              {`{"free":{"a":` + nested(31) + `}}`, 422, "body.free.a" + strings.Repeat("[0]", 30)},
		"far too deep":          {`{"free":{"a":` + nested(8188) + `}}`, 422, "body.free.a" + strings.Repeat("[0]", 30)},
		"U+0000":                {`{"free":{"a":["\u0000"]}}`, 422, "body.free.a[0]"},
		"U+0000 in our own":     {`{"name":"a\u0000"}`, 200, ""}, // which may have a rule, and else Postgres has
		"U+0000 in a name":      {`{"free":{"a\u0000":1}}`, 422, "body.free"},
		"not UTF-8":             {"{\"name\":\"\xff\"}", 400, "body"},
		"half a character":      {`{"name":"\ud800"}`, 422, "body"},
		"the other half":        {`{"name":"\udc00\ud800"}`, 422, "body"},
		"a whole character":     {`{"name":"\\ud800 \ud83d\ude00"}`, 200, ""},
		"free names":            {`{"free":{"id":1,"ID":2,"ſ":3,"s":4}}`, 200, ""},
		"a free name twice":     {`{"free":{"id":1,"id":2}}`, 400, "body.free"},
		"our own folded":        {`{"name":"a","NAME":"b"}`, 400, "body"},
		"our own inside":        {`{"inner":[{"name":"a","Name":"b"}]}`, 400, "body.inner[0]"},
		"too many items":        {`{"inner":[` + strings.Repeat(`{},`, 3) + `{}]}`, 422, "body.inner"},
	} {
		a := w.ask("POST", "/v1/shelves", tc.body, "Authorization", "Bearer "+w.token(nil))
		if a.status != tc.status {
			t.Errorf("%s: answered %d, want %d: %.300s", name, a.status, tc.status, a.raw)
			continue
		}
		if tc.at == "" {
			continue
		}
		errs, _ := a.body["errors"].([]any)
		if len(errs) == 0 || errs[0].(map[string]any)["location"] != tc.at {
			t.Errorf("%s: errors %v, want one at %s", name, errs, tc.at)
		}
	}
	a := w.ask("POST", "/v1/shelves", `{"free":{"id":9007199254740993}}`, "Authorization", "Bearer "+w.token(nil))
	if !strings.Contains(a.raw, "9007199254740993") {
		t.Errorf("a large id came back as %s", a.raw)
	}
}

// However much of a request is wrong, the answer is one that a person can read.
func TestProblemsAreBounded(t *testing.T) {
	t.Parallel()
	w := withShelf(t)
	many := func(item string) string { return strings.Repeat(item+",", 250_000/(len(item)+1)) + item }
	strangers := &strings.Builder{}
	for i := range 20_000 {
		fmt.Fprintf(strangers, `"n%d":0,`, i)
	}
	for name, body := range map[string]string{
		"wrong items":     `{"long":[` + many("1") + `]}`,
		"too many items":  `{"tags":[` + many("1") + `]}`,
		"wrong objects":   `{"inner":[` + many("{}") + `]}`,
		"unknown members": `{` + strangers.String() + `"x":0}`,
		"wrong numbers":   `{"free":{"a":[` + many("1e999") + `]}}`,
		"a long name":     `{"` + strings.Repeat("n", 250_000) + `":1e999}`,
		"a long name, in": `{"free":{"` + strings.Repeat("é", 125_000) + `":[` + strings.Repeat(`1e999,`, 400) + `1]}}`,
	} {
		a := w.ask("POST", "/v1/shelves", body, "Authorization", "Bearer "+w.token(nil))
		errs, _ := a.body["errors"].([]any)
		if a.status != 422 || len(errs) == 0 || len(errs) > 32 || len(a.raw) > 20_000 {
			t.Errorf("%s: answered %d with %d errors in %d bytes", name, a.status, len(errs), len(a.raw))
		}
	}
	query := strings.Repeat("x&y%00=1&", 10)
	for i := range 2_000 {
		query += fmt.Sprintf("a%d=1&", i)
	}
	for _, q := range []string{query, strings.ReplaceAll(query, "%00", "")} {
		a := w.ask("GET", "/v1/bulk?"+q, "", "Authorization", "Bearer "+w.token(nil))
		if a.status != 422 || len(a.raw) > 20_000 {
			t.Errorf("a query of many names: %d in %d bytes", a.status, len(a.raw))
		}
	}
}

// A valid token of somebody who is no member is answered before its body is looked at.
func TestAStrangersBodyIsNotRead(t *testing.T) {
	t.Parallel()
	w := withShelf(t)
	stranger := w.token(map[string]any{"sub": "nobody"})
	for _, method := range []string{"POST", "GET"} {
		request := httptest.NewRequest(method, "/v1/shelves?limit=x", failingBody{t})
		if method == "GET" {
			request.URL.Path = "/v1/bulk"
		}
		request.Header.Set("Authorization", "Bearer "+stranger)
		response := httptest.NewRecorder()
		w.api.ServeHTTP(response, request)
		if response.Code != http.StatusForbidden {
			t.Errorf("%s: answered %d %s", method, response.Code, response.Body)
		}
	}
}

type failingBody struct{ t *testing.T }

func (b failingBody) Read([]byte) (int, error) {
	b.t.Error("the body of a stranger was read")
	return 0, http.ErrBodyReadAfterClose
}

// What cannot be sent must not have happened: a client that is told 500 tries again.
func TestAnAnswerThatCannotBeSentIsNotCommitted(t *testing.T) {
	t.Parallel()
	w := withShelf(t)
	for _, path := range []string{"/v1/huge", "/v1/unsendable"} {
		expect(t, w.ask("PUT", path, "", "Authorization", "Bearer "+w.token(nil)), 500, "internal")
	}
	if n := w.count(`SELECT count(*) FROM idempotency_keys`); n != 0 {
		t.Errorf("%d rows were committed", n)
	}
	expect(t, w.ask("GET", "/v1/bulk", "", "Authorization", "Bearer "+w.token(nil)), 500, "internal")
}

func TestWhatPostgresRefusesIsTheClientsToChange(t *testing.T) {
	t.Parallel()
	w := withShelf(t)
	for sql, field := range map[string]any{
		`SELECT 9223372036854775807::bigint + 1`: nil,
		`SELECT repeat('1', 200000)::numeric`:    nil,
		`SELECT 'x'::uuid`:                       nil,
		`INSERT INTO rate_limits (organization_id, bucket, tat) SELECT current_organization_id(), string_agg(gen_random_uuid()::text, ''), now() FROM generate_series(1, 300)`:                                        nil,
		`INSERT INTO rate_limits (organization_id, bucket) VALUES (current_organization_id(), 'b')`:                                                                                                                   "tat",
		`INSERT INTO idempotency_keys (organization_id, user_id, route, key, request_hash, resource_id) VALUES (current_organization_id(), current_organization_id(), '', '', sha256(''), current_organization_id())`: "key",
	} {
		a := w.ask("PUT", "/v1/statement", `{"sql":"`+strings.ReplaceAll(sql, `"`, `\"`)+`"}`, "Authorization", "Bearer "+w.token(nil))
		expect(t, a, 422, "invalid-value")
		var at any
		if errs, _ := a.body["errors"].([]any); len(errs) > 0 {
			at = errs[0].(map[string]any)["location"]
		}
		if at != field {
			t.Errorf("%s: blames %v, want %v", sql, at, field)
		}
	}
	expect(t, w.get(w.token(map[string]any{"sub": strings.Repeat("s", 3000)})), 422, "invalid-subject")
	expect(t, w.get(w.token(map[string]any{"sub": "s\u0000"})), 422, "invalid-subject")
	a := w.ask("PUT", "/v1/statement?a%00=1", `{"sql":"SELECT '\u0000'"}`, "Authorization", "Bearer "+w.token(nil))
	expect(t, a, 422, "invalid-request")
	a = w.ask("PUT", "/v1/statement", `{"sql":"SELECT $1::text","args":["a\u0000"]}`, "Authorization", "Bearer "+w.token(nil))
	if expect(t, a, 422, "invalid-text"); !strings.Contains(a.raw, `"location":"body.args[0]"`) {
		t.Errorf("blames %s", a.raw)
	}
}

func TestPathsAreNotRedirected(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for _, path := range []string{"//v1/things", "/v1/./things", "/v1//things", "/v1/x/../things", "/v1/things/", "/v1/things/."} {
		expect(t, w.ask("POST", path, `{"name":"a"}`, "Authorization", "Bearer "+w.token(nil)), 404, "no-such-route")
	}
}

func TestHeadAnswersAsGetWithoutItsBody(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.exec(`UPDATE organizations SET rate_limit_per_minute = 2`)
	var heads, gets int
	httpapi.ReadRecorded(w.api, huma.Operation{OperationID: "get-recorded", Method: http.MethodGet, Path: "/v1/recorded"},
		func(ctx context.Context, _ pgx.Tx, _ tenant.Caller, _ *struct{}) (*thingOutput, error) {
			if httpapi.HeadOnly(ctx) {
				heads++
			} else {
				gets++
			}
			return &thingOutput{}, nil
		})
	for range 4 {
		if a := w.ask("HEAD", "/v1/recorded", "", "Authorization", "Bearer "+w.token(nil)); a.status != 200 || a.raw != "" {
			t.Errorf("HEAD: %d %s", a.status, a.raw)
		}
	}
	ask := func() answer { return w.ask("GET", "/v1/recorded", "", "Authorization", "Bearer "+w.token(nil)) }
	if a := ask(); a.status != 200 {
		t.Errorf("GET: %d %s", a.status, a.raw)
	}
	expect(t, ask(), 429, "rate-limited")
	w.exec(`UPDATE rate_limits SET tat = now()`)
	w.exec(`UPDATE organizations SET status = 'suspended'`)
	if a := ask(); a.status != 200 {
		t.Errorf("of a suspended organization: %d %s", a.status, a.raw)
	}
	expect(t, ask(), 429, "rate-limited")
	if heads != 4 || gets != 2 {
		t.Errorf("%d HEAD and %d GET reached the handler", heads, gets)
	}
}
