package channels

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxBody holds a full batch with every byte escaped, as \u00XX.
const maxBody = 1 << 20

// signed lets only requests through that this app's secret signed, with their body.
func (s *Server) signed(handle func(http.ResponseWriter, *http.Request, []byte)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			http.Error(w, "The request is too large.", http.StatusRequestEntityTooLarge)
			return
		}
		if err != nil {
			http.Error(w, "The request's body broke off.", http.StatusBadRequest)
			return
		}
		if r.PathValue("app") != s.AppID {
			http.Error(w, "Unknown app id.", http.StatusNotFound)
			return
		}
		if why := s.unauthorized(r, body); why != "" {
			http.Error(w, why, http.StatusUnauthorized)
			return
		}
		handle(w, r, body)
	}
}

// unauthorized says what is wrong with a request's signature; nothing when it is right.
func (s *Server) unauthorized(r *http.Request, body []byte) string {
	query := r.URL.Query()
	switch {
	case query.Get("auth_key") != s.Key:
		return "Unknown auth_key."
	case query.Get("auth_version") != "1.0":
		return "auth_version is not 1.0."
	}
	seconds, err := strconv.ParseInt(query.Get("auth_timestamp"), 10, 64)
	if err != nil {
		return "auth_timestamp is not a number of seconds."
	}
	if skew := s.now().Sub(time.Unix(seconds, 0)).Abs(); skew > maxClockSkew {
		return fmt.Sprintf("Timestamp expired: %d is not within 600 s of our time.", seconds)
	}
	if len(body) > 0 {
		sum := md5.Sum(body)
		if query.Get("body_md5") != hex.EncodeToString(sum[:]) {
			return "body_md5 is not the MD5 of the body."
		}
	}
	if !s.isSigned(r.Method+"\n"+r.URL.Path+"\n"+canonical(query), query.Get("auth_signature")) {
		return "Invalid signature."
	}
	return ""
}

// canonical is the query as it is signed: sorted, lower-case names, not escaped, without the
// signature.
func canonical(query url.Values) string {
	var pairs []string
	for name, values := range query {
		if name != "auth_signature" {
			pairs = append(pairs, strings.ToLower(name)+"="+strings.Join(values, ","))
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// isSigned checks a signature of the app's secret, in hexadecimal.
func (s *Server) isSigned(what, signature string) bool {
	given, err := hex.DecodeString(signature)
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, []byte(s.Secret))
	mac.Write([]byte(what))
	return hmac.Equal(given, mac.Sum(nil))
}

// isAuthorized checks "key:signature", as an auth endpoint gives it to a client.
func (s *Server) isAuthorized(what, auth string) bool {
	key, signature, _ := strings.Cut(auth, ":")
	return key == s.Key && s.isSigned(what, signature)
}
