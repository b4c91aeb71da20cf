package httpapi_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/httpapi"
)

func TestCORS(t *testing.T) {
	t.Parallel()
	exact := newFixture(t)
	star := newFixture(t, func(c *httpapi.Config) { c.CORS.Origins = []string{"*"} })
	none := newFixture(t, func(c *httpapi.Config) { c.CORS.Origins = nil })
	const page = "https://app.example.com"
	preflight := []string{"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers",
		"authorization,idempotency-key"}
	for name, tc := range map[string]struct {
		a      answer
		status int
		origin string
		vary   string
	}{
		"preflight": {exact.ask("OPTIONS", "/v1/things",
			"", append(preflight, "Origin", page)...), 204, page, "Origin"},
		"preflight of a stranger": {exact.ask("OPTIONS", "/v1/things",
			"", append(preflight, "Origin", "https://evil.example.com")...), 204, "", "Origin"},
		"preflight, longer host": {exact.ask("OPTIONS", "/v1/things",
			"", append(preflight, "Origin", page+".evil.example")...), 204, "", "Origin"},
		"preflight, other scheme": {exact.ask("OPTIONS", "/v1/things",
			"", append(preflight, "Origin", "http://app.example.com")...), 204, "", "Origin"},
		"preflight, null": {exact.ask("OPTIONS", "/v1/things",
			"", append(preflight, "Origin", "null")...), 204, "", "Origin"},
		"preflight, any": {star.ask("OPTIONS", "/v1/things",
			"", append(preflight, "Origin", "https://x.example")...), 204, "*", ""},
		"preflight, none": {none.ask("OPTIONS", "/v1/things",
			"", append(preflight, "Origin", page)...), 204, "", "Origin"},
		"a refusal can be read": {exact.ask("POST", "/v1/things", `{}`, "Origin", page),
			401, page, "Origin"},
		"a 404 can be read": {exact.ask("GET", "/nothing", "", "Origin", page), 404,
			page, "Origin"},
		"a panic can be read": {
			exact.ask("GET", "/v1/panics", "", "Origin", page, "Authorization",
				"Bearer "+exact.token(nil)), 500, page, "Origin",
		},
		"no origin": {exact.ask("POST", "/v1/things", `{}`), 401, "", "Origin"},
		"plain OPTIONS is a method": {exact.ask("OPTIONS", "/v1/things", "", "Origin", page),
			405, page, "Origin"},
	} {
		h := tc.a.header
		if tc.a.status != tc.status || h.Get("Access-Control-Allow-Origin") != tc.origin ||
			h.Get("Vary") != tc.vary {
			t.Errorf("%s: %d, origin %q, Vary %q", name, tc.a.status,
				h.Get("Access-Control-Allow-Origin"), h.Get("Vary"))
		}
		if h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: credentials are allowed", name)
		}
		allows := h.Get(
			"Access-Control-Allow-Headers") == "Authorization, Content-Type, Idempotency-Key" &&
			strings.Contains(h.Get("Access-Control-Allow-Methods"), "PATCH")
		if want := tc.status == 204 && tc.origin != ""; allows != want {
			t.Errorf("%s: allowed methods and headers %v, want %v", name, allows, want)
		}
		for _, header := range []string{"Retry-After", "Complete-Through", "Next-Cursor"} {
			exposes := strings.Contains(h.Get("Access-Control-Expose-Headers"), header)
			if want := tc.status != 204 && tc.origin != ""; exposes != want {
				t.Errorf("%s: exposes %s %v, want %v", name, header, exposes, want)
			}
		}
		if h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: headers %v", name, h)
		}
	}
}

func TestOriginsThatNoBrowserSendsAreRefused(t *testing.T) {
	t.Parallel()
	for origin, good := range map[string]bool{
		"*": true, "https://app.example.com": true, "http://localhost:3000": true,
		"https://app.example.com:8443": true,
		"https://app.example.com/":     false, "app.example.com": false,
		"https://*.example.com": true,
		"ftp://x":               false, "https://": false,
		"https://user@app.example.com": false, "null": false,
	} {
		if err := (httpapi.CORSConfig{Origins: []string{origin}}).Validate(); (err == nil) != good {
			t.Errorf("%s: %v", origin, err)
		}
	}
}

func TestABodyWithTwoReadingsIsRefused(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for body, status := range map[string]int{
		`{"name":"a"}`:                         201,
		`{"Name":"a"}`:                         201, // one reading, as encoding/json has it
		`{"name":"name","size":1}`:             201,
		`{"name":"a","name":"a"}`:              400,
		`{"name":"a","Name":"b"}`:              400,
		`{"name":"a","n\u0061me":"b"}`:         400,
		`{"name":"a","\u017Fize":1,"size":-1}`: 400, // U+017F folds to s
		`{"size":1,"name":{"a":1,"a":1}}`:      400,
		`{"name":[{"a":1},{"a":1}]}`:           422, // two objects, one of each name
		`{"name":["name","name"]}`:             422,
	} {
		if a := w.ask("POST", "/v1/things", body, "Authorization",
			"Bearer "+w.token(nil)); a.status != status {
			t.Errorf("%s was answered %d, want %d: %s", body, a.status, status, a.raw)
		}
	}
}

func TestCursors(t *testing.T) {
	t.Parallel()
	c := httpapi.Cursor{CreatedAt: time.Date(2026, 5, 1, 12, 0, 0, 123456789,
		time.FixedZone("", 7200)), ID: uuid.New()}
	sent := c.String()
	back, err := httpapi.ParseCursor(sent)
	if err != nil || back.ID != c.ID ||
		!back.CreatedAt.Equal(c.CreatedAt.Truncate(time.Microsecond)) {
		t.Errorf("came back as %+v, %v", back, err)
	}
	if first, err := httpapi.ParseCursor(""); first != nil || err != nil {
		t.Errorf("no cursor gave %v, %v", first, err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	bad := []string{"x", "%", "null", b64([]byte(`null`)), b64([]byte(`{}`)),
		b64([]byte(`{"t":"2026-05-01T12:00:00Z"}`)), sent + "A", sent[:len(sent)-1],
		" " + sent, sent + "=",
		b64([]byte(`{"t":"2026-05-01T12:00:00Z","id":"` + uuid.NewString() + `","x":1}`)),
		b64([]byte(`{"t":"2026-05-01T12:00:00+02:00","id":"` + uuid.NewString() + `"}`)),
		strings.Repeat("A", 100_000)}
	for _, s := range bad {
		got, err := httpapi.ParseCursor(s)
		if classified, ok := errors.AsType[*fault.Error](err); !ok ||
			classified.Code != "invalid-cursor" || got != nil {
			t.Errorf("%.80q gave %v, %v", s, got, err)
		}
	}
}

func FuzzParseCursor(f *testing.F) {
	f.Add(httpapi.Cursor{CreatedAt: time.Unix(1_700_000_000, 0), ID: uuid.Max}.String())
	f.Add("e30")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := httpapi.ParseCursor(s)
		if err == nil && s != "" && c.String() != s {
			t.Fatalf("%q is taken and reads back as %q", s, c.String())
		}
	})
}

func TestTheAPIDescribesItself(t *testing.T) {
	t.Parallel()
	w := &fixture{t: t}
	var out bytes.Buffer
	did, err := httpapi.Describe([]string{"file-api", httpapi.DescribeFlag}, &out, "Satchel",
		"1", w.routes)
	if !did || err != nil {
		t.Fatalf("described %v, %v", did, err)
	}
	var again bytes.Buffer
	if _, err := httpapi.Describe([]string{"file-api", httpapi.DescribeFlag}, &again, "Satchel",
		"1", w.routes); err != nil || again.String() != out.String() {
		t.Error("two descriptions differ")
	}
	var document struct {
		OpenAPI    string
		Paths      map[string]map[string]map[string]any
		Components struct {
			Schemas         map[string]any
			SecuritySchemes map[string]any
		}
	}
	if err := json.Unmarshal(out.Bytes(), &document); err != nil {
		t.Fatal(err)
	}
	post := document.Paths["/v1/things"]["post"]
	if document.OpenAPI != "3.1.0" || post["security"] == nil ||
		document.Components.SecuritySchemes["bearer"] == nil {
		t.Errorf("described %s", out.String())
	}
	responses := post["responses"].(map[string]any)
	for _, status := range []string{"201", "400", "401", "409", "413", "415", "422", "429", "500",
		"503"} {
		if responses[status] == nil {
			t.Errorf("no response %s in %v", status, responses)
		}
	}
	for _, absent := range []string{"ErrorModel", "ErrorDetail", "$schema"} {
		if strings.Contains(out.String(), absent) {
			t.Errorf("the document speaks of %s", absent)
		}
	}
	if document.Components.Schemas["Problem"] == nil {
		t.Error("the document lacks Problem")
	}
	if did, err := httpapi.Describe([]string{"file-api"}, &out, "", "", w.routes); did ||
		err != nil {
		t.Errorf("described without being asked: %v, %v", did, err)
	}
}

func TestTheDocumentIsServedToAnybody(t *testing.T) {
	t.Parallel()
	w := newFixture(t, func(c *httpapi.Config) { c.Document = []byte(`{"openapi":"3.1.0"}`) })
	a := w.ask("GET", "/v1/openapi.json", "")
	if a.status != 200 ||
		a.raw != `{"openapi":"3.1.0"}` || a.header.Get("Content-Type") != "application/json" ||
		a.header.Get("Cache-Control") != "public, max-age=300" {
		t.Errorf("answered %d %v %s", a.status, a.header, a.raw)
	}
}

func TestADatabaseThatIsDownIsTemporary(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	token := w.token(nil)
	// not an outage: ours to repair
	w.exec(`ALTER TABLE organizations RENAME TO organizations_gone`)
	expect(t, w.get(token), 500, "internal")
	w.exec(`ALTER TABLE organizations_gone RENAME TO organizations`)
	w.exec(
		`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE usename = 'satchel_file_api_http' AND datname = current_database()`)
	if a := w.get(token); a.status != 200 && a.status != 503 {
		t.Errorf("with its connections cut: %d %s", a.status, a.raw)
	}
}

// Only an operation that offers CSV answers with it: an Accept header makes nothing of JSON.
func TestAcceptMakesNoCSV(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, accept := range []string{"text/csv", httpapi.CSV, "text/*", "*/*"} {
		a := f.ask("GET", "/v1/things/"+uuid.NewString(), "", "Authorization",
			"Bearer "+f.token(nil), "Accept", accept)
		if kind := a.header.Get("Content-Type"); a.status != 200 || kind != "application/json" {
			t.Errorf("Accept: %s is answered %d, %q: %s", accept, a.status, kind, a.raw)
		}
	}
}
