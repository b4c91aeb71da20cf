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
	// the issuer is asked again after this long, so that a key which it withdrew is refused
	keysFresh = 10 * time.Minute
	keysPause = 30 * time.Second // and at most this often, whoever wants it
	// after a failure; it doubles with each one more, up to keysPause
	keysFirstPause = time.Second
	// what a request whose key is known may lose to a refresh
	refreshPatience = 250 * time.Millisecond
	unknownPatience = 2 * time.Second // what a request whose key is not known may wait
)

var errKeysUnavailable = errors.New("the issuer's keys cannot be had")

// keySet holds the issuer's published keys (JWKS, RFC 7517). It fetches when the first token comes
// and not at start, so that a cold start does not wait for it, and only inside a request: a
// Lambda's sandbox is frozen after its answer, and what ran on would be torn apart.
//
// A key that is known answers from memory, also through an outage of the issuer, until maxAge has
// passed since the issuer last confirmed it.
type keySet struct {
	source keySource
	maxAge time.Duration
	now    func() time.Time
	log    *slog.Logger

	fetching chan struct{} // holds one token: who has taken it may fetch

	mu       sync.Mutex // guards what follows, and is never held while fetching
	keys     keyfunc.Keyfunc
	fetched  time.Time // when keys were last had
	tried    time.Time
	failures int // since then
}

func newKeySet(url string, maxAge time.Duration, now func() time.Time, log *slog.Logger) *keySet {
	s := &keySet{
		source: keySource{url: url, proxy: http.ProxyFromEnvironment}, maxAge: maxAge, log: log,
		// by the wall: the monotonic clock stands still while a sandbox is frozen
		now:      func() time.Time { return now().Round(0) },
		fetching: make(chan struct{}, 1),
	}
	s.fetching <- struct{}{}
	return s
}

// find returns the key function for one parse. Its error is errKeysUnavailable when it cannot be
// told whether the token's key is the issuer's.
func (s *keySet) find(ctx context.Context) jwt.Keyfunc {
	return func(token *jwt.Token) (any, error) {
		key, err := s.known(ctx, token)
		if err == nil {
			if s.due() && s.refresh(ctx, refreshPatience, s.due) == nil {
				return s.known(ctx, token) // unless it was withdrawn
			}
			return key, nil
		}
		if !errors.Is(err, jwkset.ErrKeyNotFound) && !errors.Is(err, errKeysUnavailable) {
			return nil, err
		}
		missing := func() bool { _, err := s.known(ctx, token); return err != nil }
		if refreshed := s.refresh(ctx, unknownPatience, missing); refreshed != nil {
			// A refusal to ask again so soon leaves the key unknown; a failure leaves that open.
			if s.failing() {
				return nil, refreshed
			}
			return nil, err
		}
		return s.known(ctx, token)
	}
}

// known looks the token's key up in memory.
func (s *keySet) known(ctx context.Context, token *jwt.Token) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil || s.now().Sub(s.fetched) > s.maxAge {
		return nil, errKeysUnavailable
	}
	return s.keys.KeyfuncCtx(ctx)(token)
}

// due reports whether the issuer should be asked again although nothing is missing.
func (s *keySet) due() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now().Sub(s.fetched) > keysFresh && s.now().Sub(s.tried) >= keysPause
}

func (s *keySet) failing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failures > 0
}

// refresh replaces the keys within patience if, once it is this request's turn, they are still
// wanted. What cannot be fetched leaves the old ones as they are.
func (s *keySet) refresh(ctx context.Context, patience time.Duration, wanted func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case <-s.fetching:
		defer func() { s.fetching <- struct{}{} }()
	case <-ctx.Done():
		return fmt.Errorf("%w: %w while another request asked for them", errKeysUnavailable,
			ctx.Err())
	}
	if !wanted() {
		return nil
	}
	if err := s.begin(); err != nil {
		return err
	}
	keys, err := s.source.fetch(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.failures++
		s.log.ErrorContext(ctx, "fetch the issuer's keys", "error", err, "failures", s.failures,
			"last_fetched", s.fetched)
		return fmt.Errorf("%w: %w", errKeysUnavailable, err)
	}
	s.keys, s.fetched, s.failures = keys, s.now(), 0
	return nil
}

// begin notes the attempt, or refuses it so soon after the last one.
func (s *keySet) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	pause := keysPause
	if s.failures > 0 {
		pause = min(keysFirstPause<<min(s.failures-1, 8), keysPause)
	}
	if !s.tried.IsZero() && s.now().Sub(s.tried) < pause {
		return fmt.Errorf("%w: asked a moment ago", errKeysUnavailable)
	}
	s.tried = s.now()
	return nil
}
