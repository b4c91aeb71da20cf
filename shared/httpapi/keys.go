package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
)

const (
	keysMaxAge     = time.Hour        // a key that the issuer withdrew is refused after this long
	keysMinAge     = 30 * time.Second // an unknown key id asks the issuer at most this often
	keysRetryAfter = time.Second      // and after a failure this often
	keysTimeout    = 3 * time.Second
)

var errKeysUnavailable = errors.New("the issuer's keys cannot be had")

// keySet holds the issuer's published keys (JWKS, RFC 7517). It fetches when the first token comes and not at start, so that a cold start does
// not wait for it, and has no goroutine: a frozen Lambda would not run it.
type keySet struct {
	url    string
	client *http.Client
	now    func() time.Time
	log    *slog.Logger

	mu      sync.Mutex // held while fetching: whoever comes meanwhile needs the same answer
	keys    keyfunc.Keyfunc
	fetched time.Time // when keys were last fetched
	tried   time.Time
	failed  bool // whether the last try failed
}

func newKeySet(url string, now func() time.Time, log *slog.Logger) *keySet {
	return &keySet{url: url, client: &http.Client{Timeout: keysTimeout}, now: now, log: log}
}

// find returns the key function for one parse. Its error is errKeysUnavailable when it cannot be told whether the token's key is the issuer's.
func (s *keySet) find(ctx context.Context) jwt.Keyfunc {
	return func(token *jwt.Token) (any, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.keys == nil || s.now().Sub(s.fetched) > keysMaxAge {
			if err := s.refresh(ctx); err != nil && s.keys == nil {
				return nil, err
			}
		}
		key, err := s.keys.KeyfuncCtx(ctx)(token)
		if !errors.Is(err, jwkset.ErrKeyNotFound) {
			return key, err
		}
		// The issuer may have new keys. A refusal to ask again so soon leaves the key unknown, unless the last try failed.
		if refreshed := s.refresh(ctx); refreshed != nil {
			if s.failed {
				return nil, refreshed
			}
			return nil, err
		}
		return s.keys.KeyfuncCtx(ctx)(token)
	}
}

// refresh replaces the keys. What it cannot fetch, or not yet, leaves the old ones in place.
func (s *keySet) refresh(ctx context.Context) error {
	pause := keysMinAge
	if s.failed {
		pause = keysRetryAfter
	}
	if !s.tried.IsZero() && s.now().Sub(s.tried) < pause {
		return fmt.Errorf("%w: asked a moment ago", errKeysUnavailable)
	}
	s.tried = s.now()
	storage, err := jwkset.NewStorageFromHTTP(s.url, jwkset.HTTPClientStorageOptions{Ctx: ctx, Client: s.client, HTTPTimeout: keysTimeout})
	if err == nil {
		s.keys, err = keyfunc.New(keyfunc.Options{Storage: storage, UseWhitelist: []jwkset.USE{jwkset.UseSig, ""}})
	}
	s.failed = err != nil
	if err != nil {
		s.log.ErrorContext(ctx, "fetch the issuer's keys", "error", err)
		return fmt.Errorf("%w: %w", errKeysUnavailable, err)
	}
	s.fetched = s.tried
	return nil
}
