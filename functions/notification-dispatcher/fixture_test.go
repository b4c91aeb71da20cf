package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/infra/local/channels"
	"github.com/toolboxai-solutions/satchel/infra/local/issuer"
	"github.com/toolboxai-solutions/satchel/infra/local/secrets"
	"github.com/toolboxai-solutions/satchel/infra/openapi/answers"
	"github.com/toolboxai-solutions/satchel/infra/pgtest"
	"github.com/toolboxai-solutions/satchel/shared/httpapi"
	"github.com/toolboxai-solutions/satchel/shared/outbox"
	"github.com/toolboxai-solutions/satchel/shared/telemetry"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

const (
	signingSecret = "whsec_bm90IGEgcmVhbCBzZWNyZXQsIHJlYWxseSBub3Q="
	bearerSecret  = "not-a-real-bearer-secret-at-all"
	encryptionKey = "bm90IGEgcmVhbCBrZXksIG5vdCBhIHJlYWwga2V5ISE=" // 32 bytes
)

// fixture is a school's API and delivery, on a database and a Pusher of its own.
type fixture struct {
	t      *testing.T
	db     *pgtest.Database
	school uuid.UUID
	issuer *issuer.Issuer
	pusher *channels.Server
	parts  parts
	api    http.Handler

	mu   sync.Mutex
	sent []channels.Event
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	t.Parallel()
	f := &fixture{t: t, db: pgtest.New(t)}
	f.school = f.db.Organization(t, "school")
	var err error
	if f.issuer, err = issuer.Open(t.TempDir(), pgtest.Issuer); err != nil {
		t.Fatal(err)
	}
	keys := httptest.NewServer(f.issuer.Handler())
	t.Cleanup(keys.Close)
	f.pusher, err = channels.Start(channels.Options{OnEvent: func(e channels.Event) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.sent = append(f.sent, e)
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.pusher.Stop(); err != nil {
			t.Error(err)
		}
	})
	f.parts = f.entry("notification-dispatcher/http", keys.URL)
	f.api = f.parts.api()
	return f
}

// entry is what an entry runs with.
func (f *fixture) entry(name, keys string) parts {
	f.t.Helper()
	held := map[string]any{
		"pusher": map[string]string{"secret": f.pusher.Secret, "encryption_key": encryptionKey},
		"webhooks": []any{
			map[string]any{
				"name":          "signs",
				"secret":        signingSecret,
				"organizations": []uuid.UUID{f.school},
			},
			map[string]any{
				"name":          "bears",
				"secret":        bearerSecret,
				"organizations": []uuid.UUID{f.school},
			},
		},
	}
	values := map[string]string{}
	for arn, value := range held {
		text, err := json.Marshal(value)
		if err != nil {
			f.t.Fatal(err)
		}
		values[arn] = string(text)
	}
	store, err := secrets.Start(
		secrets.Options{Allows: func(key, _ string) bool { return key == "local" }, Values: values})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = store.Stop() })
	client := secretsmanager.NewFromConfig(aws.Config{
		Region: "local", BaseEndpoint: &store.Endpoint,
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
	return parts{
		config: Config{
			PusherAppID: f.pusher.AppID, PusherKey: f.pusher.Key,
			PusherHost: "http://" + f.pusher.Host, PusherSecretARN: "pusher",
			WebhookSecretARN: "webhooks",
			Topics: []string{
				"announcements:member",
			}, Paced: true, PerMinute: 60, OrgMinute: 600, MaxAttempts: 12, MaxDelay: 600,
			RetentionDays: 30,
			PublicAPIURL:  "https://api.example.test",
			Auth: httpapi.AuthConfig{
				Issuer: pgtest.Issuer, JWKSURL: keys + "/.well-known/jwks.json",
				Audience:          []string{issuer.Audience},
				OrganizationClaim: "organization_id", KeysMaxAge: time.Hour,
			},
		},
		db: f.db.DB(
			f.t,
			name,
		), secrets: &secretReader{client: client}, bell: outbox.Doorbell{},
		metrics: telemetry.Metrics{Out: io.Discard},
		log: slog.New(
			slog.NewTextHandler(f.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}),
		), now: time.Now,
	}
}

// deliver answers the doorbell once, as its own entry.
func (f *fixture) deliver() {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), time.Minute)
	defer cancel()
	if err := f.entry("notification-dispatcher/delivery", "").deliver(ctx,
		events.SQSMessage{}); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) events() []channels.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]channels.Event(nil), f.sent...)
}

func (f *fixture) exec(sql string, arguments ...any) {
	f.t.Helper()
	if _, err := f.db.Superuser.Exec(f.t.Context(), sql, arguments...); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) number(sql string, arguments ...any) (n int) {
	f.t.Helper()
	if err := f.db.Superuser.QueryRow(f.t.Context(), sql, arguments...).Scan(&n); err != nil {
		f.t.Fatal(err)
	}
	return n
}

type user struct {
	pgtest.Person
	f     *fixture
	token string
}

func (f *fixture) user(role tenant.Role) user { return f.userOf(f.school, role) }

func (f *fixture) userOf(organization uuid.UUID, role tenant.Role) user {
	f.t.Helper()
	p := f.db.Member(f.t, organization, role)
	token, err := f.issuer.Token(
		issuer.Claims{Subject: p.Subject, Organization: organization.String()},
	)
	if err != nil {
		f.t.Fatal(err)
	}
	return user{p, f, token}
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

// reply is an answer, its JSON decoded.
type reply struct {
	t      *testing.T
	status int
	body   map[string]any
	raw    string
}

func (f *fixture) do(r *http.Request) reply {
	f.t.Helper()
	w := httptest.NewRecorder()
	f.api.ServeHTTP(w, r)
	answer := reply{t: f.t, status: w.Code, raw: w.Body.String()}
	answered.Add(r.Method, r.URL.Path, w.Code, w.Header(), answer.raw)
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &answer.body); err != nil {
			f.t.Fatalf("%s %s answers %s", r.Method, r.URL, answer.raw)
		}
	}
	return answer
}

func (u user) call(method, path string, body any, header ...string) reply {
	u.f.t.Helper()
	var content io.Reader
	kind := "application/json"
	switch b := body.(type) {
	case nil:
	case string:
		content, kind = strings.NewReader(b), "application/x-www-form-urlencoded"
	default:
		text, err := json.Marshal(b)
		if err != nil {
			u.f.t.Fatal(err)
		}
		content = bytes.NewReader(text)
	}
	r := httptest.NewRequestWithContext(u.f.t.Context(), method, path, content)
	r.Header.Set("Authorization", "Bearer "+u.token)
	if body != nil {
		r.Header.Set("Content-Type", kind)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return u.f.do(r)
}

func (r reply) want(status int, code ...string) reply {
	r.t.Helper()
	if r.status != status || len(code) > 0 && r.body["code"] != code[0] {
		r.t.Fatalf("answers %d %s, want %d %v", r.status, r.raw, status, code)
	}
	return r
}

func (r reply) str(name string) string {
	r.t.Helper()
	s, ok := r.body[name].(string)
	if !ok {
		r.t.Fatalf("%s is no text in %s", name, r.raw)
	}
	return s
}

type m = map[string]any
