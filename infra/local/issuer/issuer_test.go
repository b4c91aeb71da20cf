package issuer

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
)

func serve(t *testing.T, dir string) *Issuer {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	i, err := Open(dir, server.URL)
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("/", i.Handler())
	return i
}

func TestTokensAreVerifiedByThePublishedKeys(t *testing.T) {
	t.Parallel()
	i := serve(t, t.TempDir())
	response, err := http.Get(i.URL + "/.well-known/openid-configuration")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var discovery struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := json.NewDecoder(response.Body).Decode(&discovery); err != nil ||
		discovery.Issuer != i.URL {
		t.Fatalf("discovery %+v: %v", discovery, err)
	}
	keys, err := keyfunc.NewDefaultCtx(t.Context(), []string{discovery.JWKSURI})
	if err != nil {
		t.Fatal(err)
	}
	for _, algorithm := range []string{"ES256", "RS256"} {
		text, err := i.Token(Claims{Subject: "ada@example.org", Email: "ada@example.org",
			Organization: "org", Algorithm: algorithm})
		if err != nil {
			t.Fatal(err)
		}
		claims := jwt.MapClaims{}
		if _, err := jwt.ParseWithClaims(text, claims, keys.Keyfunc,
			jwt.WithValidMethods([]string{algorithm}),
			jwt.WithIssuer(i.URL), jwt.WithAudience(Audience),
			jwt.WithExpirationRequired()); err != nil {
			t.Fatalf("%s: %v", algorithm, err)
		}
		expires, _ := claims.GetExpirationTime()
		if left := time.Until(expires.Time); left > time.Hour || left < 30*time.Minute {
			t.Errorf("%s: expires in %s", algorithm, left)
		}
		if claims["sub"] != "ada@example.org" || claims["email"] != "ada@example.org" ||
			claims["organization_id"] != "org" {
			t.Errorf("%s: claims %v", algorithm, claims)
		}
	}
	if _, err := i.Token(Claims{Algorithm: "HS256"}); err == nil {
		t.Error("signed with HS256")
	}
}

func TestKeysOutliveTheProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, second, other := serve(t, dir), serve(t, dir), serve(t, t.TempDir())
	if first.ec.id != second.ec.id || first.rsa.id != second.rsa.id {
		t.Error("a second run has other keys")
	}
	if first.ec.id == other.ec.id {
		t.Error("two stacks share a key")
	}
}
