package httpapi

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
)

// CORSConfig says which pages a browser lets call this API (Fetch standard, "CORS protocol").
// Sign-in is a header and not a cookie, so an origin gains nothing but being able to send the
// tokens that it has.
type CORSConfig struct {
	Origins []string `env:"CORS_ORIGINS" help:"origins such as https://app.example.com that browsers may call from, or *; none when not set"`
}

// Validate refuses origins that no browser would ever send, which is how a wrong entry shows.
func (c CORSConfig) Validate() error {
	for _, origin := range c.Origins {
		u, err := url.Parse(origin)
		if origin != "*" && (err != nil || (u.Scheme != "https" && u.Scheme != "http") ||
			u.Host == "" || u.Scheme+"://"+u.Host != origin) {
			return fmt.Errorf("CORS_ORIGINS: each must be * or a scheme and a host such " +
				"as https://app.example.com, with no path or slash at the end")
		}
	}
	return nil
}

const (
	corsMethods = "GET, POST, PUT, PATCH, DELETE"
	corsHeaders = "Authorization, Content-Type, Idempotency-Key"
	corsExposed = "Retry-After, X-Request-Id, Location, Complete-Through, Next-Cursor"
	corsMaxAge  = "7200" // the longest that Chromium keeps a preflight's answer
)

// handle sets the headers that r's origin may have, answers a preflight itself, and reports whether
// there is more to do.
func (c CORSConfig) handle(w http.ResponseWriter, r *http.Request) (proceed bool) {
	header := w.Header()
	preflight := r.Method == http.MethodOptions &&
		r.Header.Get("Access-Control-Request-Method") != ""
	anyOrigin := slices.Contains(c.Origins, "*")
	if !anyOrigin {
		header.Add("Vary", "Origin")
	}
	origin := r.Header.Get("Origin")
	allowed := origin != "" && (anyOrigin || slices.Contains(c.Origins, origin))
	switch {
	case allowed && anyOrigin:
		header.Set("Access-Control-Allow-Origin", "*")
	case allowed:
		header.Set("Access-Control-Allow-Origin", origin)
	}
	if allowed && !preflight {
		header.Set("Access-Control-Expose-Headers", corsExposed)
	}
	if !preflight {
		return true
	}
	if allowed {
		header.Set("Access-Control-Allow-Methods", corsMethods)
		header.Set("Access-Control-Allow-Headers", corsHeaders)
		header.Set("Access-Control-Max-Age", corsMaxAge)
	}
	w.WriteHeader(http.StatusNoContent)
	return false
}
