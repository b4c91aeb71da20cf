package httpapi_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/infra/pgtest"
	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/httpapi"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// keys are made once: an RSA key takes as long as all the rest.
var keys = sync.OnceValue(func() (k struct {
	rsa, foreign *rsa.PrivateKey
	ec           *ecdsa.PrivateKey
}) {
	k.rsa, _ = rsa.GenerateKey(rand.Reader, 2048)
	k.foreign, _ = rsa.GenerateKey(rand.Reader, 2048)
	k.ec, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return k
})

// issuer publishes keys and counts who asks for them.
type issuer struct {
	*httptest.Server
	fetches atomic.Int64
	answer  atomic.Pointer[http.HandlerFunc]
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	i := &issuer{}
	i.publish(rsaJWK("rsa-1"), ecJWK("ec-1"))
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.fetches.Add(1)
		(*i.answer.Load())(w, r)
	}))
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) publish(jwks ...map[string]string) {
	body, _ := json.Marshal(map[string]any{"keys": jwks})
	i.answers(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })
}

func (i *issuer) answers(h http.HandlerFunc) { i.answer.Store(&h) }

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func rsaJWK(kid string) map[string]string {
	public := keys().rsa.PublicKey
	return map[string]string{"kty": "RSA", "use": "sig", "kid": kid, "n": b64(public.N.Bytes()),
		"e": b64(big.NewInt(int64(public.E)).Bytes())}
}

func ecJWK(kid string) map[string]string {
	point, _ := keys().ec.PublicKey.Bytes() // 4, X, Y
	return map[string]string{"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": kid,
		"x": b64(point[1:33]), "y": b64(point[33:])}
}

// fixture is an API over a real database, behind a real listener.
type fixture struct {
	t      testing.TB
	db     *pgtest.Database
	org    uuid.UUID
	member pgtest.Person
	issuer *issuer
	offset atomic.Int64 // of the clock that tokens are judged by
	url    string
	api    *httpapi.API
	log    *syncBuffer
	// inside POST /v1/things, between BeginIdempotent and CompleteIdempotent
	work    func(ctx context.Context, tx pgx.Tx) error
	worked  atomic.Int64
	seen    atomic.Pointer[tenant.Caller]
	refusal error // of GET /v1/fails
}

const audience = "satchel-test"

func newFixture(t testing.TB, adjust ...func(*httpapi.Config)) *fixture {
	t.Helper()
	w := &fixture{t: t, db: pgtest.New(t), issuer: newIssuer(t), log: &syncBuffer{}}
	w.org = w.db.Organization(t, "school")
	w.member = w.db.Member(t, w.org, tenant.Staff)
	config := httpapi.Config{
		Title: "Things", Version: "1", DB: w.db.DB(t, "file-api/http"), Now: w.now,
		Auth: httpapi.AuthConfig{Issuer: pgtest.Issuer, JWKSURL: w.issuer.URL,
			Audience: []string{audience}, OrganizationClaim: "organization_id",
			KeysMaxAge: 24 * time.Hour},
		CORS: httpapi.CORSConfig{Origins: []string{"https://app.example.com"}},
		Log:  slog.New(slog.NewJSONHandler(w.log, nil)),
	}
	for _, f := range adjust {
		f(&config)
	}
	w.api = httpapi.New(config)
	w.routes(w.api)
	server := httptest.NewServer(w.api)
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

func (w *fixture) now() time.Time { return time.Now().Add(time.Duration(w.offset.Load())) }

type thing struct {
	ID     uuid.UUID `json:"id"`
	Replay bool      `json:"replay"`
}

type thingInput struct {
	httpapi.IdempotencyKey
	Body struct {
		Name string `json:"name" minLength:"1" maxLength:"20"`
		Size int64  `json:"size,omitempty" minimum:"1"`
	}
}

type thingOutput struct{ Body thing }

func (w *fixture) routes(api *httpapi.API) {
	httpapi.Read(api,
		huma.Operation{OperationID: "get-thing", Method: http.MethodGet, Path: "/v1/things/{id}"},
		func(_ context.Context, _ pgx.Tx, c tenant.Caller, in *struct {
			ID    uuid.UUID `path:"id"`
			Limit int       `query:"limit" minimum:"1" maximum:"100"`
		}) (*thingOutput, error) {
			w.seen.Store(&c)
			return &thingOutput{Body: thing{ID: in.ID}}, nil
		})
	httpapi.Write(api, huma.Operation{OperationID: "post-thing", Method: http.MethodPost,
		Path: "/v1/things", DefaultStatus: 201, Errors: []int{409, 429}}, w.post)
	httpapi.Read(api,
		huma.Operation{OperationID: "fail", Method: http.MethodGet, Path: "/v1/fails"},
		func(context.Context, pgx.Tx, tenant.Caller,
			*struct{}) (*struct{}, error) {
			return nil, w.refusal
		})
	httpapi.Read(api,
		huma.Operation{OperationID: "panic", Method: http.MethodGet, Path: "/v1/panics"},
		func(context.Context, pgx.Tx, tenant.Caller,
			*struct{}) (*struct{}, error) {
			panic("a secret detail")
		})
}

func (w *fixture) post(ctx context.Context, tx pgx.Tx, c tenant.Caller,
	in *thingInput) (*thingOutput, error) {
	hash, err := httpapi.HashRequest(in.Body)
	if err != nil {
		return nil, err
	}
	const route = "POST /v1/things"
	id, replay, err := httpapi.BeginIdempotent(ctx, tx, c, route, in.Key, hash)
	if err != nil || replay {
		return &thingOutput{Body: thing{ID: id, Replay: replay}}, err
	}
	w.worked.Add(1)
	if w.work != nil {
		if err := w.work(ctx, tx); err != nil {
			return nil, err
		}
	}
	id = uuid.New()
	return &thingOutput{Body: thing{ID: id}}, httpapi.CompleteIdempotent(ctx, tx, c, route,
		in.Key, hash, id)
}

// claims are those of a good token, with changes on top; a nil value removes a claim.
func (w *fixture) claims(changes map[string]any) jwt.MapClaims {
	now := w.now()
	claims := jwt.MapClaims{
		"iss": pgtest.Issuer, "aud": audience, "sub": w.member.Subject,
		"organization_id": w.org.String(),
		"iat":             now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	for name, value := range changes {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	return claims
}

func sign(method jwt.SigningMethod, kid string, key any, claims jwt.MapClaims) string {
	token := jwt.NewWithClaims(method, claims)
	token.Header["kid"] = kid
	signed, err := token.SignedString(key)
	if err != nil {
		panic(err)
	}
	return signed
}

func (w *fixture) token(changes map[string]any) string {
	return sign(jwt.SigningMethodRS256, "rsa-1", keys().rsa, w.claims(changes))
}

type answer struct {
	status int
	header http.Header
	raw    string
	body   map[string]any
}

func (a answer) code() string { code, _ := a.body["code"].(string); return code }

// ask sends one request; headers are alternately name and value and are added, not set.
func (w *fixture) ask(method, path, body string, headers ...string) answer {
	w.t.Helper()
	a, err := w.try(method, path, body, headers...)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func (w *fixture) try(method, path, body string, headers ...string) (answer, error) {
	request, err := http.NewRequest(method, w.url+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Content-Type" {
			request.Header.Del("Content-Type")
		}
		request.Header.Add(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: response.StatusCode, header: response.Header, raw: string(raw)}
	_ = json.Unmarshal(raw, &a.body) // not every body is JSON; then it has no members
	return a, nil
}

func (w *fixture) get(token string) answer {
	w.t.Helper()
	return w.ask("GET", "/v1/things/"+uuid.NewString(), "", "Authorization", "Bearer "+token)
}

func (w *fixture) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.db.Superuser.Exec(w.t.Context(), sql, args...); err != nil {
		w.t.Fatal(err)
	}
}

func (w *fixture) count(sql string, args ...any) (n int) {
	w.t.Helper()
	if err := w.db.Superuser.QueryRow(w.t.Context(), sql, args...).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

func expect(t testing.TB, a answer, status int, code string) {
	t.Helper()
	if a.status != status || a.code() != code {
		t.Errorf("answered %d %q, want %d %q: %s", a.status, a.code(), status, code, a.raw)
	}
}

// syncBuffer is a log that handlers write while the test reads.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

var errQuota = fault.New(fault.Limited, "quota-exceeded",
	"Delete files or ask for more space.").After(1500 * time.Millisecond)
