package httpapi_test

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/infra/pgtest"
	"github.com/toolboxai-solutions/satchel/shared/httpapi"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

func publicPEM(key *rsa.PublicKey) []byte {
	der, _ := x509.MarshalPKIXPublicKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func critical(w *fixture, names ...string) string {
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, w.claims(nil))
	token.Header["kid"], token.Header["crit"] = "rsa-1", names
	signed, err := token.SignedString(keys().rsa)
	if err != nil {
		w.t.Fatal(err)
	}
	return signed
}

func TestHostileTokensAllGetTheSameAnswer(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	if a := w.get(w.token(nil)); a.status != 200 {
		t.Fatalf("a good token was answered %d: %s", a.status, a.raw)
	}
	if a := w.get(sign(jwt.SigningMethodES256, "ec-1", keys().ec, w.claims(nil))); a.status != 200 {
		t.Fatalf("a good ES256 token was answered %d: %s", a.status, a.raw)
	}
	good := w.token(nil)
	with := func(name string, value any) string { return w.token(map[string]any{name: value}) }
	body, signature := good[:strings.LastIndex(good, ".")], good[strings.LastIndex(good, ".")+1:]
	now := time.Now()

	var want string
	for name, headers := range map[string][]string{
		"forged signature": {"Bearer " +
			sign(jwt.SigningMethodRS256, "rsa-1", keys().foreign, w.claims(nil))},
		"changed payload": {"Bearer " +
			strings.Split(with("sub", "someone-else"), ".")[0] + "." +
			strings.Split(with("sub", "x"), ".")[1] + "." + signature},
		"no signature":             {"Bearer " + body + "."},
		"expired":                  {"Bearer " + with("exp", now.Add(-time.Minute).Unix())},
		"no expiry":                {"Bearer " + with("exp", nil)},
		"not yet valid":            {"Bearer " + with("nbf", now.Add(time.Minute).Unix())},
		"wrong issuer":             {"Bearer " + with("iss", "https://evil.example.test")},
		"issuer with a slash more": {"Bearer " + with("iss", pgtest.Issuer+"/")},
		"no issuer":                {"Bearer " + with("iss", nil)},
		"wrong audience":           {"Bearer " + with("aud", "another-app")},
		"no audience":              {"Bearer " + with("aud", nil)},
		"foreign client_id": {"Bearer " +
			w.token(map[string]any{"aud": nil, "token_use": "access", "client_id": "another-app"})},
		"client_id of an id token": {"Bearer " +
			w.token(map[string]any{"aud": nil, "token_use": "id", "client_id": audience})},
		"client_id beside a wrong aud": {"Bearer " +
			w.token(map[string]any{"aud": "another-app", "token_use": "access",
				"client_id": audience})},
		"an id token with an aud": {"Bearer " + w.token(map[string]any{"token_use": "id"})},
		"token_use is no text": {"Bearer " +
			w.token(map[string]any{"token_use": []string{"access"}})},
		"critical header":       {"Bearer " + critical(w, "exp")},
		"empty critical header": {"Bearer " + critical(w)},
		"alg none": {"Bearer " +
			sign(jwt.SigningMethodNone, "rsa-1", jwt.UnsafeAllowNoneSignatureType, w.claims(nil))},
		"HS256 with the public key": {"Bearer " +
			sign(jwt.SigningMethodHS256, "rsa-1", publicPEM(&keys().rsa.PublicKey), w.claims(nil))},
		"HS256 with the modulus": {"Bearer " +
			sign(jwt.SigningMethodHS256, "rsa-1", keys().rsa.N.Bytes(), w.claims(nil))},
		"PS256": {"Bearer " +
			sign(jwt.SigningMethodPS256, "rsa-1", keys().rsa, w.claims(nil))},
		"RS256 under the EC key's id": {"Bearer " +
			sign(jwt.SigningMethodRS256, "ec-1", keys().rsa, w.claims(nil))},
		"unknown kid": {"Bearer " +
			sign(jwt.SigningMethodRS256, "rsa-2", keys().foreign, w.claims(nil))},
		"no subject":               {"Bearer " + with("sub", nil)},
		"empty subject":            {"Bearer " + with("sub", "")},
		"no organization":          {"Bearer " + with("organization_id", nil)},
		"organization is no uuid":  {"Bearer " + with("organization_id", "school")},
		"organization is a number": {"Bearer " + with("organization_id", 7)},
		"organization is a list": {"Bearer " +
			with("organization_id", []string{w.org.String()})},
		"organization is the nil uuid": {"Bearer " + with("organization_id", uuid.Nil.String())},
		"organization as urn": {"Bearer " +
			with("organization_id", "urn:uuid:"+w.org.String())},
		"no jwt":                 {"Bearer hello"},
		"empty bearer":           {"Bearer "},
		"basic":                  {"Basic " + good},
		"no scheme":              {good},
		"two headers":            {"Bearer " + good, "Bearer " + good},
		"two tokens in a header": {"Bearer " + good + ",Bearer " + good},
	} {
		var pairs []string
		for _, value := range headers {
			pairs = append(pairs, "Authorization", value)
		}
		a := w.ask("GET", "/v1/things/"+uuid.NewString(), "", pairs...)
		if a.status != 401 || a.code() != "invalid-token" ||
			a.header.Get("WWW-Authenticate") != `Bearer realm="satchel", error="invalid_token"` {
			t.Errorf("%s: answered %d %s %q", name, a.status, a.raw,
				a.header.Get("WWW-Authenticate"))
		}
		instance, _ := a.body["instance"].(string)
		said := strings.Replace(a.raw, instance, "", 1)
		if want == "" {
			want = said
		}
		if said != want {
			t.Errorf("%s: the answer differs from the others: %s", name, said)
		}
	}
	if strings.Contains(w.log.String(), strings.Split(good, ".")[1]) {
		t.Error("a token reached the log")
	}
}

func TestAMissingTokenSaysWhatToDo(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	a := w.ask("GET", "/v1/things/"+uuid.NewString(), "")
	expect(t, a, 401, "missing-token")
	if got := a.header.Get("WWW-Authenticate"); got != `Bearer realm="satchel"` {
		t.Errorf("challenge is %q", got)
	}
	expect(t, w.ask("POST", "/v1/things", `{"unknown":`), 401,
		"missing-token") // before the body is looked at
	if w.issuer.fetches.Load() != 0 {
		t.Error("keys were fetched before there was a token")
	}
}

func TestACognitoAccessTokenIsTakenByItsClient(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	if a := w.get(w.token(map[string]any{"aud": nil, "token_use": "access",
		"client_id": audience})); a.status != 200 {
		t.Errorf("answered %d: %s", a.status, a.raw)
	}
	if a := w.get(w.token(map[string]any{"aud": []string{"other", audience}})); a.status != 200 {
		t.Errorf("a token for two audiences was answered %d: %s", a.status, a.raw)
	}
}

func TestTheOrganizationClaimMayLieInAnObject(t *testing.T) {
	t.Parallel()
	for path, claims := range map[string]func(id string) map[string]any{
		"app_metadata.organization_id": func(id string) map[string]any {
			return map[string]any{"app_metadata": map[string]any{"organization_id": id}}
		},
		"https://school.example/org.uuid": func(
			id string) map[string]any {
			return map[string]any{"https://school.example/org.uuid": id}
		},
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t, func(c *httpapi.Config) { c.Auth.OrganizationClaim = path })
			if a := w.get(w.token(claims(w.org.String()))); a.status != 200 {
				t.Errorf("answered %d: %s", a.status, a.raw)
			}
			// organization_id at the top does not count then
			expect(t, w.get(w.token(nil)), 401, "invalid-token")
			expect(t, w.get(w.token(map[string]any{"app_metadata": "text"})), 401, "invalid-token")
		})
	}
}

func TestAuthSettingsThatGiveTheHouseAwayAreRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*httpapi.AuthConfig)
		want   string
	}{
		"good": {func(*httpapi.AuthConfig) {}, ""},
		"loopback": {func(c *httpapi.AuthConfig) { c.Issuer = "http://127.0.0.1:4000" },
			""},
		"app_metadata": {func(c *httpapi.AuthConfig) {
			c.OrganizationClaim =
				"app_metadata.org"
		}, ""},
		"user_metadata": {func(c *httpapi.AuthConfig) {
			c.OrganizationClaim =
				"user_metadata.organization_id"
		}, "AUTH_ORGANIZATION_CLAIM"},
		"deeper": {func(c *httpapi.AuthConfig) {
			c.OrganizationClaim =
				"x.User_Metadata.org"
		}, "AUTH_ORGANIZATION_CLAIM"},
		"cognito": {func(c *httpapi.AuthConfig) {
			c.OrganizationClaim =
				"custom:organization_id"
		}, "AUTH_ORGANIZATION_CLAIM"},
		"cognito nested": {func(c *httpapi.AuthConfig) { c.OrganizationClaim = "a.custom:org" },
			"AUTH_ORGANIZATION_CLAIM"},
		"auth0": {func(c *httpapi.AuthConfig) {
			c.OrganizationClaim =
				"https://x.example/user_metadata.org"
		}, "AUTH_ORGANIZATION_CLAIM"},
		"clerk": {func(c *httpapi.AuthConfig) {
			c.OrganizationClaim =
				"unsafe_metadata.org"
		}, "AUTH_ORGANIZATION_CLAIM"},
		"a profile claim": {func(c *httpapi.AuthConfig) { c.OrganizationClaim = "website" },
			"AUTH_ORGANIZATION_CLAIM"},
		"an address": {func(c *httpapi.AuthConfig) {
			c.OrganizationClaim =
				"address.locality"
		}, "AUTH_ORGANIZATION_CLAIM"},
		"of its own name": {func(c *httpapi.AuthConfig) {
			c.OrganizationClaim =
				"https://profile.example/organization_id"
		}, ""},
		"raw": {func(c *httpapi.AuthConfig) {
			c.OrganizationClaim =
				"raw_user_meta_data.org"
		}, "AUTH_ORGANIZATION_CLAIM"},
		"empty step": {func(c *httpapi.AuthConfig) { c.OrganizationClaim = "a..b" },
			"AUTH_ORGANIZATION_CLAIM"},
		"plain http": {func(c *httpapi.AuthConfig) {
			c.JWKSURL =
				"http://issuer.example/jwks"
		}, "AUTH_JWKS_URL"},
		"http by issuer": {func(c *httpapi.AuthConfig) { c.Issuer = "http://issuer.example" },
			"AUTH_JWKS_URL"},
		"a file": {func(c *httpapi.AuthConfig) { c.JWKSURL = "file:///etc/keys" },
			"AUTH_JWKS_URL"},
		"looks loopback": {func(c *httpapi.AuthConfig) {
			c.JWKSURL =
				"http://127.0.0.1.evil.example/"
		}, "AUTH_JWKS_URL"},
		"keys of a moment": {func(c *httpapi.AuthConfig) { c.KeysMaxAge = time.Minute },
			"AUTH_KEYS_MAX_AGE"},
		"looks localhost": {func(c *httpapi.AuthConfig) {
			c.JWKSURL =
				"http://localhost@evil.example/"
		}, "AUTH_JWKS_URL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := httpapi.AuthConfig{Issuer: "https://issuer.example", Audience: []string{"a"},
				OrganizationClaim: "organization_id", KeysMaxAge: time.Hour}
			tc.change(&config)
			err := config.Validate()
			if (err == nil) != (tc.want == "") || err != nil &&
				!strings.HasPrefix(err.Error(), tc.want+": ") {
				t.Errorf("Validate says %v, want one about %q", err, tc.want)
			}
		})
	}
}

func TestKeysAreFetchedOnceForManyTokens(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			if a, err := w.try("GET", "/v1/things/"+uuid.NewString(), "", "Authorization",
				"Bearer "+w.token(nil)); err != nil || a.status != 200 {
				t.Errorf("answered %d %s, %v", a.status, a.raw, err)
			}
		})
	}
	all.Wait()
	if n := w.issuer.fetches.Load(); n != 1 {
		t.Errorf("%d fetches for 40 tokens at once, want 1", n)
	}
}

func TestUnknownKeyIDsCannotFloodTheIssuer(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.get(w.token(nil))
	w.offset.Store(int64(31 * time.Second))
	for range 20 {
		expect(t, w.get(sign(jwt.SigningMethodRS256, uuid.NewString(), keys().foreign,
			w.claims(nil))), 401, "invalid-token")
	}
	if n := w.issuer.fetches.Load(); n != 2 {
		t.Errorf("%d fetches, want 2: the first and one for twenty unknown ids", n)
	}
}

func TestKeysRotate(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	old := func() string { return w.token(nil) }
	if a := w.get(old()); a.status != 200 {
		t.Fatal(a.raw)
	}
	w.issuer.publish(ecJWK("ec-2"))
	w.offset.Store(int64(31 * time.Second))
	if a := w.get(sign(jwt.SigningMethodES256, "ec-2", keys().ec, w.claims(nil))); a.status != 200 {
		t.Errorf("the new key was answered %d: %s", a.status, a.raw)
	}
	expect(t, w.get(old()), 401, "invalid-token")

	w.issuer.publish(rsaJWK("rsa-1"))
	w.offset.Store(int64(2 * time.Hour))
	// withdrawn, seen by age
	expect(t, w.get(sign(jwt.SigningMethodES256, "ec-2", keys().ec, w.claims(nil))), 401,
		"invalid-token")
}

func TestAnIssuerThatIsDownIsTemporary(t *testing.T) {
	t.Parallel()
	broken := map[string]http.HandlerFunc{
		"error": func(w http.ResponseWriter,
			_ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
		},
		"no json": func(w http.ResponseWriter, _ *http.Request) {
			_,
				_ = w.Write([]byte("<html>"))
		},
		"hangs up": func(w http.ResponseWriter, _ *http.Request) {
			connection, _, _ := http.NewResponseController(w).Hijack()
			_ = connection.Close()
		},
	}
	for name, answer := range broken {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t)
			w.issuer.answers(answer)
			a := w.get(w.token(nil))
			expect(t, a, 503, "sign-in-unavailable")
			if a.header.Get("Retry-After") != "2" {
				t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
			}
			expect(t, w.get(w.token(nil)), 503, "sign-in-unavailable")
			if n := w.issuer.fetches.Load(); n != 1 {
				t.Errorf("%d fetches within the pause after a failure", n)
			}
			w.issuer.publish(rsaJWK("rsa-1"))
			w.offset.Store(int64(1100 * time.Millisecond))
			if a := w.get(w.token(nil)); a.status != 200 {
				t.Errorf("after recovery: %d %s", a.status, a.raw)
			}
			// With keys in hand an outage stops only tokens under keys that are new.
			w.issuer.answers(answer)
			w.offset.Store(int64(2 * time.Hour))
			if a := w.get(w.token(nil)); a.status != 200 {
				t.Errorf("known key during an outage: %d %s", a.status, a.raw)
			}
			expect(t, w.get(sign(jwt.SigningMethodES256, "ec-9", keys().ec, w.claims(nil))), 503,
				"sign-in-unavailable")
		})
	}
}

func TestAnIssuerThatHangsDoesNotHangUs(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	release := make(chan struct{})
	defer close(release)
	w.issuer.answers(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	request := httptest.NewRequestWithContext(ctx, "GET", "/v1/things/"+uuid.NewString(), nil)
	request.Header.Set("Authorization", "Bearer "+w.token(nil))
	recorder := httptest.NewRecorder()
	w.api.ServeHTTP(recorder, request)
	if recorder.Code != 503 {
		t.Errorf("answered %d: %s", recorder.Code, recorder.Body)
	}
}

func TestATokenCannotBringItsOwnKeys(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	evil := newIssuer(t)
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, w.claims(nil))
	token.Header["kid"], token.Header["jku"], token.Header["x5u"] = "evil", evil.URL, evil.URL
	token.Header["jwk"] = rsaJWK("evil")
	signed, err := token.SignedString(keys().foreign)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, w.get(signed), 401, "invalid-token")
	if evil.fetches.Load() != 0 {
		t.Error("the token's own key server was asked")
	}
}

func TestUsersOfTwoIssuersAreTwoUsers(t *testing.T) {
	t.Parallel()
	if tenant.UserID("https://a", "1") == tenant.UserID("https://b", "1") {
		t.Error("the same subject of two issuers is one user")
	}
}
