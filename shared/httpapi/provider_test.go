package httpapi_test

import (
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/shared/httpapi"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// The settings that docs/sign-in.md gives for each provider, with a token as that provider makes
// it.
func TestTokensOfProviders(t *testing.T) {
	t.Parallel()
	now, expiry := time.Now().Unix(), time.Now().Add(time.Hour).Unix()
	for name, provider := range map[string]struct {
		auth    httpapi.AuthConfig
		token   func(organization string) jwt.MapClaims
		subject string
		users   string // where a user could write an organization
	}{
		"Supabase": {
			auth: httpapi.AuthConfig{Issuer: "https://abcdefghijklmnopqrst.supabase.co/auth/v1",
				Audience:          []string{"authenticated"},
				OrganizationClaim: "app_metadata.organization_id"},
			subject: "7f1c0b1e-8f0a-4d0c-9a43-2f7a7c0c9a10",
			token: func(organization string) jwt.MapClaims {
				return jwt.MapClaims{
					"iss": "https://abcdefghijklmnopqrst.supabase.co/auth/v1",
					"sub": "7f1c0b1e-8f0a-4d0c-9a43-2f7a7c0c9a10", "aud": "authenticated",
					"exp": expiry, "iat": now, "email": "ada@example.test", "phone": "",
					"role": "authenticated", "aal": "aal1",
					"amr": []any{map[string]any{"method": "password", "timestamp": now}},
					"app_metadata": map[string]any{"provider": "email",
						"providers": []string{"email"}, "organization_id": organization},
					"session_id": "0b5f1a52-5f0b-4c53-8f1b-0c1d2e3f4a5b", "is_anonymous": false,
					"user_metadata": map[string]any{"organization_id": uuid.NewString()},
				}
			},
			users: "user_metadata.organization_id",
		},
		"Cognito": {
			auth: httpapi.AuthConfig{Issuer: "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_FaKePoOl1", Audience: []string{"1example23456789"},
				OrganizationClaim: "organization_id"},
			subject: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
			// an access token, with the claim of a pre token generation trigger
			token: func(organization string) jwt.MapClaims {
				return jwt.MapClaims{
					"iss":       "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_FaKePoOl1",
					"sub":       "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
					"client_id": "1example23456789", "token_use": "access",
					"scope": "openid profile email", "auth_time": now, "exp": expiry,
					"iat":            now,
					"cognito:groups": []string{"teachers"}, "username": "ada", "version": 2,
					"jti": uuid.NewString(), "origin_jti": uuid.NewString(),
					"organization_id": organization,
				}
			},
			users: "custom:organization_id",
		},
		"Auth0": {
			auth: httpapi.AuthConfig{Issuer: "https://oak-street.eu.auth0.com/",
				Audience:          []string{"https://files.example.com"},
				OrganizationClaim: "https://files.example.com/organization_id"},
			subject: "auth0|66f1e2d3c4b5a69788776655",
			// an access token, with the claim of a post-login action
			token: func(organization string) jwt.MapClaims {
				return jwt.MapClaims{
					"iss": "https://oak-street.eu.auth0.com/",
					"sub": "auth0|66f1e2d3c4b5a69788776655",
					"aud": []string{"https://files.example.com",
						"https://oak-street.eu.auth0.com/userinfo"}, "azp": "fakeClientId",
					"scope": "openid profile email",
					"exp":   expiry, "iat": now,
					"https://files.example.com/organization_id": organization,
				}
			},
			users: "https://files.example.com/user_metadata.organization_id",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t, func(c *httpapi.Config) {
				provider.auth.JWKSURL, provider.auth.KeysMaxAge = c.Auth.JWKSURL, c.Auth.KeysMaxAge
				c.Auth = provider.auth
			})
			user := tenant.UserID(provider.auth.Issuer, provider.subject)
			w.exec(`INSERT INTO users (id, issuer, subject)
				VALUES ($1, $2, $3)`, user, provider.auth.Issuer, provider.subject)
			w.exec(`INSERT INTO memberships (organization_id, user_id)
				VALUES ($1, $2)`, w.org, user)
			if err := provider.auth.Validate(); err != nil {
				t.Fatal(err)
			}
			claims := provider.token(w.org.String())
			if a := w.get(sign(jwt.SigningMethodRS256, "rsa-1", keys().rsa,
				claims)); a.status != 200 {
				t.Errorf("answered %d: %s", a.status, a.raw)
			}
			if got := w.seen.Load(); got == nil || got.User != user || got.Organization != w.org {
				t.Errorf("the caller is %+v", got)
			}
			claims[provider.users], claims["aud"] = w.org.String(), "another-app"
			expect(t, w.get(sign(jwt.SigningMethodRS256, "rsa-1", keys().rsa, claims)), 401,
				"invalid-token")
			expect(t, w.get(sign(jwt.SigningMethodRS256, "rsa-1", keys().rsa, provider.token(""))),
				401, "invalid-token")

			provider.auth.OrganizationClaim = provider.users
			if err := provider.auth.Validate(); err == nil {
				t.Errorf("%s may name the organization, and its user can edit it", provider.users)
			}
		})
	}
}
