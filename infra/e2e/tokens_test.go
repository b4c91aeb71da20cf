package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// wantForbidden asks without credentials, or with a link that was bent.
func wantForbidden(t *testing.T, link string) {
	t.Helper()
	response, err := http.Get(link)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != 403 {
		t.Errorf("%s answers %d", strings.SplitN(link, "?", 2)[0], response.StatusCode)
	}
}

// publicKey is the issuer's ES256 key, as everybody may read it.
func publicKey(t *testing.T) (kid string, raw []byte, key *ecdsa.PublicKey) {
	t.Helper()
	response, err := http.Get(shared.ready.Issuer + "/.well-known/jwks.json")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	raw, err = io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var set struct {
		Keys []struct{ Kid, Kty, X, Y string }
	}
	if err := json.Unmarshal(raw, &set); err != nil {
		t.Fatal(err)
	}
	for _, k := range set.Keys {
		if k.Kty == "EC" {
			x, errX := base64.RawURLEncoding.DecodeString(k.X)
			y, errY := base64.RawURLEncoding.DecodeString(k.Y)
			if errX != nil || errY != nil {
				t.Fatal(errX, errY)
			}
			key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(),
				slices.Concat([]byte{4}, x, y))
			if err != nil {
				t.Fatal(err)
			}
			return k.Kid, raw, key
		}
	}
	t.Fatalf("no EC key in %s", raw)
	return "", nil, nil
}

func TestTokensThatAreRefused(t *testing.T) {
	s := newSchool(t)
	u := s.user("admin")
	id := u.reserve(text("x")).str("file.id")
	claims := func(changes ...any) jwt.MapClaims {
		all := jwt.MapClaims{
			"iss": shared.stack.Issuer.Name, "aud": "satchel-local", "sub": u.email,
			"organization_id": s.id,
			"iat":             time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
		}
		for i := 0; i < len(changes); i += 2 {
			if all[changes[i].(string)] = changes[i+1]; changes[i+1] == nil {
				delete(all, changes[i].(string))
			}
		}
		return all
	}
	signed := func(c jwt.MapClaims) string { // with the issuer's true key
		token, err := shared.stack.Issuer.Sign("ES256", c)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	// what is changed below is what is wrong
	s.send("GET", "/v1/usage", signed(claims()), nil).want(200)
	kid, set, public := publicKey(t)
	forge := func(method jwt.SigningMethod, key any, header ...string) string {
		token := jwt.NewWithClaims(method, claims())
		token.Header["kid"] = kid
		for i := 0; i < len(header); i += 2 {
			token.Header[header[i]] = header[i+1]
		}
		text, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	mine, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	whole := strings.Split(signed(claims()), ".")
	for name, token := range map[string]string{
		"forged":                  forge(jwt.SigningMethodES256, mine),
		"forged with its own kid": forge(jwt.SigningMethodES256, mine, "kid", "mine"),
		"forged with jku": forge(jwt.SigningMethodES256, mine, "jku",
			"http://127.0.0.1:1/jwks.json"),
		"alg none": forge(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType),
		"HS256 with the PEM": forge(jwt.SigningMethodHS256,
			pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
		"HS256 with the DER":      forge(jwt.SigningMethodHS256, der),
		"HS256 with the JWKS":     forge(jwt.SigningMethodHS256, set),
		"HS256 with an empty key": forge(jwt.SigningMethodHS256, []byte{}),
		"signature of another": whole[0] + "." + strings.Split(signed(claims("sub", "eve")),
			".")[1] + "." + whole[2],
		"no signature":          whole[0] + "." + whole[1] + ".",
		"expired":               signed(claims("exp", time.Now().Add(-time.Minute).Unix())),
		"never expires":         signed(claims("exp", nil)),
		"not yet valid":         signed(claims("nbf", time.Now().Add(time.Hour).Unix())),
		"wrong audience":        signed(claims("aud", "another-service")),
		"no audience":           signed(claims("aud", nil)),
		"wrong issuer":          signed(claims("iss", "https://issuer.example")),
		"no subject":            signed(claims("sub", "")),
		"no organization":       signed(claims("organization_id", nil)),
		"organization is no id": signed(claims("organization_id", s.slug)),
		"organization in user data": signed(claims("organization_id", nil, "user_metadata",
			map[string]any{"organization_id": s.id})),
		"nonsense": "x",
	} {
		for _, path := range []string{"/v1/usage", "/v1/files", "/v1/files/" + id,
			"/v1/files/" + id + "/download"} {
			a := s.send("GET", path, token, nil)
			if a.problem(401, "invalid-token"); !strings.HasPrefix(a.header.Get("WWW-Authenticate"),
				"Bearer ") {
				t.Errorf("%s: challenge %q", name, a.header.Get("WWW-Authenticate"))
			}
		}
		s.send("POST", "/v1/files", token, text("x").body()).problem(401, "invalid-token")
	}
	s.send("GET", "/v1/usage", "", nil).problem(401, "missing-token")
	s.send("GET", "/v1/usage", "", nil, "Authorization", "Basic YTpi").problem(401, "invalid-token")
	// A true token of a member, for an organization that it is no member of, or that is none.
	other := schoolOn(t, s.platform)
	for _, organization := range []string{other.id, uuid.NewString()} {
		s.send("GET", "/v1/usage", signed(claims("organization_id", organization)),
			nil).problem(403, "not-a-member")
		s.send("POST", "/v1/files", signed(claims("organization_id", organization)),
			text("x").body()).problem(403, "not-a-member")
	}
}

func TestRemovedMember(t *testing.T) {
	s := newSchool(t)
	u := s.user("admin")
	id := u.available(text("x"))
	s.change(`DELETE FROM memberships WHERE organization_id = $1 AND user_id = $2`, s.id, u.id)
	for _, path := range []string{"/v1/usage", "/v1/files", "/v1/files/" + id,
		"/v1/files/" + id + "/download"} {
		u.call("GET", path, nil).problem(403, "not-a-member")
	}
	u.call("POST", "/v1/files", text("x").body()).problem(403, "not-a-member")
	u.call("DELETE", "/v1/files/"+id, nil).problem(403, "not-a-member")
	if n := s.look(`SELECT count(*) FROM files WHERE organization_id = $1 AND status = 'available'`,
		s.id); n != 1 {
		t.Errorf("%d files are left", n)
	}
}

func TestSuspendedOrganizationReadsOnly(t *testing.T) {
	s := newSchool(t)
	u := s.user("admin")
	id := u.available(text("x"))
	upload := u.reserve(text("in flight"))
	s.change(`UPDATE organizations SET status = 'suspended' WHERE id = $1`, s.id)
	u.fetch(id, "")
	u.call("POST", "/v1/files", text("x").body()).problem(403, "organization-suspended")
	u.call("DELETE", "/v1/files/"+id, nil).problem(403, "organization-suspended")
	if status, body := upload.post([]byte("in flight")); status != 204 {
		t.Fatalf("the form answers %d %s", status, body)
	}
	if a := u.settled(upload.str("file.id")); a.at("file.status") != "error" ||
		a.at("file.reason") != "organization_suspended" {
		t.Errorf("what was in flight ended as %s", a.raw)
	}
}
