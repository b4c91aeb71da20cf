package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/infra/local/issuer"
	"github.com/toolboxai-solutions/satchel/infra/openapi/answers"
	"github.com/toolboxai-solutions/satchel/infra/pgtest"
	"github.com/toolboxai-solutions/satchel/shared/httpapi"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// fixture is a school in Berlin whose history ends on a Monday, the day after the clocks there were
// put forward, and both entries of the function.
type fixture struct {
	t      *testing.T
	db     *pgtest.Database
	school uuid.UUID
	issuer *issuer.Issuer
	config Config
	api    http.Handler
}

// today is the time that it is in Postgres.
const today = "2026-03-30T10:00:00Z"

func newFixture(t *testing.T) *fixture {
	t.Helper()
	t.Parallel()
	f := &fixture{t: t, db: pgtest.New(t)}
	f.school = f.db.Organization(t, "school")
	f.exec(`UPDATE organizations SET timezone = 'Europe/Berlin'`)
	f.itIs(today)
	f.exec(`UPDATE aggregation_runs SET first_bucket = '2026-03-30 08:00Z',
		closed = '2026-03-30 08:00Z'`)
	var err error
	if f.issuer, err = issuer.Open(t.TempDir(), pgtest.Issuer); err != nil {
		t.Fatal(err)
	}
	keys := httptest.NewServer(f.issuer.Handler())
	t.Cleanup(keys.Close)
	f.config = Config{RetentionDays: 90, Auth: httpapi.AuthConfig{
		Issuer: pgtest.Issuer, JWKSURL: keys.URL + "/.well-known/jwks.json",
		Audience: []string{issuer.Audience}, OrganizationClaim: "organization_id",
		KeysMaxAge: time.Hour,
	}}
	f.api = newAPI(f.config, f.db.DB(t, "analytics-aggregation/http"), f.log())
	return f
}

func (f *fixture) log() *slog.Logger {
	return slog.New(slog.NewTextHandler(f.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

func (f *fixture) exec(sql string, args ...any) {
	f.t.Helper()
	if _, err := f.db.Superuser.Exec(f.t.Context(), sql, args...); err != nil {
		f.t.Fatalf("%s: %v", sql, err)
	}
}

// itIs stops the clock of the buckets. As the real one it numbers its transaction first.
func (f *fixture) itIs(moment string) {
	f.t.Helper()
	f.exec(`CREATE OR REPLACE FUNCTION bucket_clock() RETURNS timestamptz LANGUAGE plpgsql VOLATILE
		SET search_path = pg_catalog, pg_temp AS $$
		BEGIN PERFORM pg_current_xact_id(); RETURN '` + moment + `'; END $$`)
}

// aggregate is a run of the schedule, by its own entry.
func (f *fixture) aggregate() {
	f.t.Helper()
	task := schedules(f.config, f.db.DB(f.t, "analytics-aggregation/run"),
		f.log())["analytics-aggregation"]
	if _, err := task.Run(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

func agent(n int) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "%d", n)) }

// ended plants tasks of an agent that all took as long and ended at one moment.
func (f *fixture) ended(n, who int, kind, status, moment string, seconds float64) {
	f.t.Helper()
	f.exec(`INSERT INTO agent_executions (organization_id, task_id, agent_instance_id, agent_type,
			task_type, status, completed_at, execution_time_seconds)
		SELECT $1, 'task', $2, $3, 'quiz', $4, $5::text::timestamptz, $6
		FROM generate_series(1, $7)`, f.school, agent(who), kind, status, moment, seconds, n)
}

// caller is a member of an organization with a token.
type caller struct {
	f     *fixture
	token string
}

func (f *fixture) caller(organization uuid.UUID, role tenant.Role) caller {
	f.t.Helper()
	p := f.db.Member(f.t, organization, role)
	token, err := f.issuer.Token(
		issuer.Claims{Subject: p.Subject, Organization: organization.String()})
	if err != nil {
		f.t.Fatal(err)
	}
	return caller{f, token}
}

func (f *fixture) staff() caller { return f.caller(f.school, tenant.Staff) }

// reply is an answer, its JSON looked into by path: "agents.0.totals.total_tasks".
type reply struct {
	t      *testing.T
	status int
	header http.Header
	raw    string
	body   any
}

// answered is every answer that a test of this package got.
var answered answers.Recorder

func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		code = answered.Report("../file-api/openapi.json")
	}
	os.Exit(code)
}

// get asks below /v1/analytics; query is name and value in turn.
func (c caller) get(path string, query ...string) reply {
	c.f.t.Helper()
	return c.conditional("", path, query...)
}

func (c caller) conditional(tag, path string, query ...string) reply {
	c.f.t.Helper()
	values := url.Values{}
	for i := 0; i < len(query); i += 2 {
		values.Set(query[i], query[i+1])
	}
	r := httptest.NewRequest("GET", "/v1/analytics"+path+"?"+values.Encode(), nil)
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	if tag != "" {
		r.Header.Set("If-None-Match", tag)
	}
	recorded := httptest.NewRecorder()
	c.f.api.ServeHTTP(recorded, r)
	a := reply{t: c.f.t, status: recorded.Code, header: recorded.Header(),
		raw: recorded.Body.String()}
	answered.Add(r.Method, r.URL.Path, a.status, a.header, a.raw)
	if a.raw != "" && !strings.HasPrefix(a.header.Get("Content-Type"), "text/csv") {
		if err := json.Unmarshal([]byte(a.raw), &a.body); err != nil {
			c.f.t.Errorf("%s: %v in %s", path, err, a.raw)
		}
	}
	return a
}

// table is an answer's CSV, row by row.
func (a reply) table() [][]string {
	a.t.Helper()
	if got := a.header.Get("Content-Type"); got != httpapi.CSV {
		a.t.Fatalf("the answer is %q: %s", got, a.raw)
	}
	rows, err := csv.NewReader(strings.NewReader(a.raw)).ReadAll()
	if err != nil {
		a.t.Fatalf("%v in %s", err, a.raw)
	}
	return rows
}

func (a reply) want(status int, code ...string) reply {
	a.t.Helper()
	if a.status != status || len(code) > 0 && a.at("code") != code[0] {
		a.t.Fatalf("answer %d %s, want %d %v", a.status, a.raw, status, code)
	}
	return a
}

func (a reply) at(path string) any {
	here := a.body
	for name := range strings.SplitSeq(path, ".") {
		switch v := here.(type) {
		case map[string]any:
			here = v[name]
		case []any:
			var i int
			if _, err := fmt.Sscan(name, &i); err != nil || i >= len(v) {
				return nil
			}
			here = v[i]
		default:
			return nil
		}
	}
	return here
}

// says compares figures of the answer: a path and its value in turn; nil stands for null.
func (a reply) says(want ...any) {
	a.t.Helper()
	for i := 0; i < len(want); i += 2 {
		if got := a.at(want[i].(string)); got != want[i+1] {
			a.t.Errorf("%s is %v, want %v, in %s", want[i], got, want[i+1], a.raw)
		}
	}
}
