package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// AuthConfig says whose tokens are taken. Any OpenID Connect issuer will do: Supabase, Cognito,
// Auth0.
type AuthConfig struct {
	Issuer            string        `env:"AUTH_ISSUER,required" help:"the exact iss of accepted tokens"`
	JWKSURL           string        `env:"AUTH_JWKS_URL" help:"where the issuer publishes its keys; default: AUTH_ISSUER/.well-known/jwks.json"`
	Audience          []string      `env:"AUTH_AUDIENCE,required" help:"accepted aud of tokens; for Cognito access tokens, which have none, the client_id"`
	OrganizationClaim string        `env:"AUTH_ORGANIZATION_CLAIM" envDefault:"organization_id" help:"claim that names the organization, which users cannot edit; dots lead into objects: app_metadata.organization_id (docs/sign-in.md)"`
	KeysMaxAge        time.Duration `env:"AUTH_KEYS_MAX_AGE" envDefault:"24h" help:"how long a known key is accepted while the issuer cannot be asked for its keys"`
	JITMembership     bool          `env:"AUTH_JIT_MEMBERSHIP" envDefault:"false" help:"a valid token makes its bearer a member of the organization it names"`
}

// Validate refuses what would let a user choose their own organization, or somebody else their
// keys.
func (c AuthConfig) Validate() error {
	var all []error
	if userEditable(c.OrganizationClaim) {
		all = append(all, errors.New(
			"AUTH_ORGANIZATION_CLAIM: must not be a claim that users can edit themselves "+
				"(user_metadata, a profile claim, "+
				"a custom: attribute of Cognito); docs/sign-in.md says which to use"))
	}
	if slices.Contains(strings.Split(c.OrganizationClaim, "."), "") {
		all = append(all, errors.New(
			"AUTH_ORGANIZATION_CLAIM: must be a claim's name, or names with a dot between each "+
				"two"))
	}
	if keys, err := url.Parse(c.jwksURL()); err != nil || !trustworthy(keys) {
		all = append(all, errors.New(
			"AUTH_JWKS_URL: must be an https URL (or http to a loopback address); it follows "+
				"from AUTH_ISSUER when it is not set"))
	}
	if c.KeysMaxAge < keysFresh {
		all = append(all, fmt.Errorf(
			"AUTH_KEYS_MAX_AGE: must be %s or more, which is how often the issuer is asked",
			keysFresh))
	}
	return errors.Join(all...)
}

// trustworthy reports whether nobody on the way can put keys of their own into the answer.
func trustworthy(u *url.URL) bool {
	if u.Scheme == "https" && u.Host != "" {
		return true
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "http" && (u.Hostname() == "localhost" || err == nil && ip.IsLoopback())
}

func (c AuthConfig) jwksURL() string {
	if c.JWKSURL != "" {
		return c.JWKSURL
	}
	return strings.TrimRight(c.Issuer, "/") + "/.well-known/jwks.json"
}

// verifier checks tokens without asking anybody but the issuer, and the issuer only for its keys.
type verifier struct {
	config AuthConfig
	parser *jwt.Parser
	keys   *keySet
}

// leeway is how far the issuer's clock may be off.
const leeway = 30 * time.Second

func newVerifier(c AuthConfig, now func() time.Time, log *slog.Logger) *verifier {
	return &verifier{
		config: c,
		keys:   newKeySet(c.jwksURL(), c.KeysMaxAge, now, log),
		parser: jwt.NewParser(
			// Asymmetric methods alone: with HS256 in this list a public key would do as a secret.
			jwt.WithValidMethods([]string{"RS256", "ES256"}),
			jwt.WithIssuer(c.Issuer),
			jwt.WithExpirationRequired(),
			jwt.WithLeeway(leeway),
			jwt.WithTimeFunc(now),
			jwt.WithStrictDecoding(),
		),
	}
}

// maxSubject is OpenID Connect's own limit (Core 1.0, section 2), and maxEmail that of RFC 5321.
const (
	maxSubject = 255
	maxEmail   = 320
)

const (
	codeMissingToken = "missing-token"
	codeInvalidToken = "invalid-token"
)

// verify returns who the Authorization header names. Whatever is wrong with a token, the answer is
// the same: a client that may know is the one that can decode its own token, and the log tells us.
func (v *verifier) verify(ctx context.Context, headers []string) (identity, error) {
	if len(headers) == 0 {
		return identity{}, fault.New(fault.Unauthenticated, codeMissingToken,
			"This route needs a signed-in user. Send an access token in the header "+
				"Authorization: Bearer <token>.")
	}
	who, err := v.identify(ctx, headers)
	if errors.Is(err, errKeysUnavailable) {
		return identity{}, fault.Wrap(err, fault.Temporary, "sign-in-unavailable",
			"Tokens cannot be checked just now, because the sign-in service does not answer. Try "+
				"again in a moment.").After(2 * time.Second)
	}
	if fault.KindOf(err) == fault.Invalid {
		return identity{}, err
	}
	if err != nil {
		return identity{}, fault.Wrap(err, fault.Unauthenticated, codeInvalidToken,
			"The access token was not accepted. Sign in again to get a new one.")
	}
	return who, nil
}

func (v *verifier) identify(ctx context.Context, headers []string) (identity, error) {
	if len(headers) > 1 {
		return identity{}, errors.New("more than one Authorization header")
	}
	scheme, raw, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "Bearer") || raw == "" || strings.ContainsAny(raw, " ,") {
		return identity{}, errors.New(
			"the Authorization header does not hold exactly one bearer token")
	}
	claims := jwt.MapClaims{}
	if _, err := v.parser.ParseWithClaims(raw, claims, v.keyOf(ctx)); err != nil {
		return identity{}, err
	}
	// Cognito says what a token is for, and an ID token is for the client that asked for it, not
	// for an API.
	if use, says := claims["token_use"]; says && use != "access" {
		return identity{}, errors.New("token is no access token")
	}
	if err := v.checkAudience(claims); err != nil {
		return identity{}, err
	}
	subject, err := claims.GetSubject()
	if err != nil || subject == "" {
		return identity{}, errors.New("token has no subject")
	}
	if len(subject) > maxSubject || !storable(subject) {
		return identity{}, fault.New(fault.Invalid, "invalid-subject",
			"The token's subject cannot be kept: it has more than 255 bytes, or a character that "+
				"cannot be stored.").At("token.sub")
	}
	organization, err := organizationOf(claims, v.config.OrganizationClaim)
	if err != nil {
		return identity{}, err
	}
	email, _ := claims["email"].(string)
	if len(email) > maxEmail || !storable(email) {
		email = "" // nothing depends on it
	}
	return identity{
		organization: organization, user: tenant.UserID(v.config.Issuer, subject),
		issuer: v.config.Issuer, subject: subject, email: email,
	}, nil
}

// keyOf finds the key of a token whose header asks for nothing that is not done here. RFC 7515,
// section 4.1.11: who does not understand what crit lists must refuse, and nothing that it could
// list is understood.
func (v *verifier) keyOf(ctx context.Context) jwt.Keyfunc {
	find := v.keys.find(ctx)
	return func(token *jwt.Token) (any, error) {
		if _, present := token.Header["crit"]; present {
			return nil, errors.New("token has critical headers")
		}
		return find(token)
	}
}

// checkAudience accepts a Cognito access token by its client_id, because Cognito puts no aud into
// it:
// https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html
func (v *verifier) checkAudience(claims jwt.MapClaims) error {
	accepted := func(name string) bool { return slices.Contains(v.config.Audience, name) }
	if _, present := claims["aud"]; !present && claims["token_use"] == "access" {
		if client, _ := claims["client_id"].(string); accepted(client) {
			return nil
		}
	}
	audience, err := claims.GetAudience()
	if err != nil || !slices.ContainsFunc(audience, accepted) {
		return errors.New("token is for another audience")
	}
	return nil
}
