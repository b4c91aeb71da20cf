// Package issuer is the identity provider of the local stack: an OpenID Connect issuer that signs
// whatever it is asked to, with keys that outlive the process.
package issuer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// Audience of the tokens.
	Audience = "satchel-local"
	// Lifetime of a token.
	Lifetime = time.Hour
)

// Issuer signs tokens and publishes the keys to check them with.
type Issuer struct {
	// URL is where Handler is served.
	URL string
	// Name is the iss claim, from which users' ids follow: URL unless it is set.
	Name string
	Now  func() time.Time

	ec  key
	rsa key
}

// Claims of a token; iss, aud, iat and exp are added.
type Claims struct {
	Subject, Email string
	// Organization is its id.
	Organization string
	// Algorithm is ES256 (the default) or RS256.
	Algorithm string
}

// Open reads the keys from a directory, or makes them there the first time.
func Open(dir, url string) (*Issuer, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the issuer's directory: %w", err)
	}
	i := &Issuer{URL: url, Name: url, Now: time.Now}
	var err error
	if i.ec, err = open(filepath.Join(dir, "es256.pem"), func() (crypto.Signer, error) {
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}); err != nil {
		return nil, err
	}
	if i.rsa, err = open(filepath.Join(dir, "rs256.pem"), func() (crypto.Signer, error) {
		return rsa.GenerateKey(rand.Reader, 2048)
	}); err != nil {
		return nil, err
	}
	return i, nil
}

// Token signs the claims for an hour.
func (i *Issuer) Token(c Claims) (string, error) {
	now := i.Now()
	return i.Sign(c.Algorithm, jwt.MapClaims{
		"iss": i.Name, "aud": Audience, "sub": c.Subject, "email": c.Email,
		"organization_id": c.Organization,
		"iat":             now.Unix(), "exp": now.Add(Lifetime).Unix(),
	})
}

// Sign signs any claims, so that a test can make a token that is wrong in just one of them.
func (i *Issuer) Sign(algorithm string, claims jwt.Claims) (string, error) {
	method, k := jwt.SigningMethod(jwt.SigningMethodES256), i.ec
	switch algorithm {
	case "", "ES256":
	case "RS256":
		method, k = jwt.SigningMethodRS256, i.rsa
	default:
		return "", fmt.Errorf("sign token: no key for %s", algorithm)
	}
	token := jwt.NewWithClaims(method, claims)
	token.Header["kid"] = k.id
	return token.SignedString(k.private)
}

// Handler serves the discovery document and the keys.
func (i *Issuer) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration",
		func(w http.ResponseWriter, _ *http.Request) {
			answer(w, map[string]any{
				"issuer": i.Name, "jwks_uri": i.URL + "/.well-known/jwks.json",
				"token_endpoint":                        i.URL + "/local/token",
				"response_types_supported":              []string{"token"},
				"subject_types_supported":               []string{"public"},
				"id_token_signing_alg_values_supported": []string{"ES256", "RS256"},
				"claims_supported": []string{"iss", "aud", "sub", "iat", "exp",
					"email", "organization_id"},
			})
		})
	mux.HandleFunc("GET /.well-known/jwks.json", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"keys": []any{i.ec.public(), i.rsa.public()}})
	})
	return mux
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}
