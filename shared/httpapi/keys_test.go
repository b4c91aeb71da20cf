package httpapi

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
)

// published is a key set under test with the clock that it is judged by, and an issuer that does
// what the test says.
type published struct {
	*keySet
	issuer   *httptest.Server
	answer   atomic.Pointer[http.HandlerFunc]
	fetches  atomic.Int64
	closed   chan struct{} // gets one for each connection that ended
	clock    atomic.Int64
	patience atomic.Int64 // of the last fetch
	log      bytes.Buffer
}

const maxAgeHere = 24 * time.Hour

func newPublished(t *testing.T) *published {
	t.Helper()
	p := &published{closed: make(chan struct{}, 1000)}
	p.issuer = httptest.NewUnstartedServer(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			p.fetches.Add(1)
			(*p.answer.Load())(w, r)
		}))
	p.issuer.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			p.closed <- struct{}{}
		}
	}
	p.issuer.Start()
	t.Cleanup(p.issuer.Close)
	p.publish(ecKey("one"))
	start := time.Now()
	p.keySet = newKeySet(p.issuer.URL, maxAgeHere,
		func() time.Time { return start.Add(time.Duration(p.clock.Load())) },
		slog.New(slog.NewTextHandler(&p.log, nil)))
	p.source.proxy = func(r *http.Request) (*url.URL, error) {
		if until, limited := r.Context().Deadline(); limited {
			p.patience.Store(int64(time.Until(until)))
		} else {
			t.Error("a fetch without an end")
		}
		return nil, nil
	}
	return p
}

func (p *published) answers(h http.HandlerFunc) { p.answer.Store(&h) }

func (p *published) publish(keys ...string) {
	p.answers(func(w http.ResponseWriter,
		_ *http.Request) {
		fmt.Fprintf(w, `{"keys":[%s]}`, strings.Join(keys, ","))
	})
}

func (p *published) hang() {
	p.answers(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
}

func (p *published) pass(d time.Duration) { p.clock.Add(int64(d)) }

// ask looks for a key as a request does.
func (p *published) ask(t *testing.T, kid string) error {
	t.Helper()
	_, err := p.find(t.Context())(&jwt.Token{Header: map[string]any{"kid": kid, "alg": "ES256"}})
	return err
}

func (p *published) want(t *testing.T, when, kid string, want error) {
	t.Helper()
	if err := p.ask(t, kid); !errors.Is(err, want) || (want == nil) != (err == nil) {
		t.Errorf("%s: key %s gives %v, want %v", when, kid, err, want)
	}
}

func ecKey(kid string) string {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	point, _ := key.PublicKey.Bytes()
	text := base64.RawURLEncoding.EncodeToString
	return fmt.Sprintf(`{"kty":"EC","crv":"P-256","use":"sig","kid":%q,"x":%q,"y":%q}`, kid,
		text(point[1:33]), text(point[33:]))
}

func TestAKnownKeyOutlivesItsIssuer(t *testing.T) {
	t.Parallel()
	p := newPublished(t)
	p.want(t, "at first", "one", nil)
	p.hang()
	p.pass(keysFresh + time.Minute)
	for range 20 {
		p.want(t, "while the issuer hangs", "one", nil)
	}
	if n := p.fetches.Load(); n != 2 {
		t.Errorf("%d fetches, want the first and one for twenty requests within a moment", n)
	}
	if got := time.Duration(p.patience.Load()); got > refreshPatience {
		t.Errorf("a request whose key is known gave the issuer %s", got)
	}
	p.pass(keysPause)
	p.want(t, "half a minute later", "one", nil)
	if n := p.fetches.Load(); n != 3 {
		t.Errorf("%d fetches, want one more after the pause", n)
	}
	p.pass(maxAgeHere)
	p.want(t, "after the maximum age", "one", errKeysUnavailable)
	p.publish(ecKey("one"))
	p.pass(keysPause)
	p.want(t, "once the issuer is back", "one", nil)
	p.want(t, "and an unknown one", "two", jwkset.ErrKeyNotFound)
}

func TestOnlyAnUnknownKeyWaits(t *testing.T) {
	t.Parallel()
	p := newPublished(t)
	p.want(t, "at first", "one", nil)
	if got := time.Duration(p.patience.Load()); got > unknownPatience || got < refreshPatience {
		t.Errorf("an unknown key gave the issuer %s", got)
	}
	asked, release := make(chan struct{}), make(chan struct{})
	p.answers(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-release
		panic(http.ErrAbortHandler)
	})
	p.pass(keysFresh + keysPause)
	var unknown sync.WaitGroup
	unknown.Go(func() {
		if _, err := p.find(
			t.Context())(&jwt.Token{Header: map[string]any{"kid": "two",
			"alg": "ES256"}}); !errors.Is(err, errKeysUnavailable) {
			t.Errorf("the unknown key gives %v", err)
		}
	})
	<-asked
	p.want(t, "while another request waits for the issuer", "one", nil)
	close(release)
	unknown.Wait()
}

func TestABadKeySetChangesNothing(t *testing.T) {
	t.Parallel()
	text := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }
	}
	elsewhere := httptest.NewServer(text(`{"keys":[` + ecKey("evil") + `]}`))
	t.Cleanup(elsewhere.Close)
	var sent atomic.Int64
	for name, answer := range map[string]http.HandlerFunc{
		"empty":    text(`{"keys":[]}`),
		"nothing":  text(``),
		"null":     text(`null`),
		"no keys":  text(`{}`),
		"not json": text(`<html>`),
		"cut":      text(`{"keys":[` + ecKey("two")),
		"a broken key": text(`{"keys":[` + ecKey("two") +
			`,{"kty":"EC","crv":"P-256","kid":"one","x":"AA","y":"AA"}]}`),
		"keys for encryption": text(`{"keys":[` + strings.Replace(ecKey("two"), `"sig"`, `"enc"`,
			1) + `]}`),
		"a shared secret": text(`{"keys":[{"kty":"oct","kid":"one","k":"c2VjcmV0"}]}`),
		"an error": func(w http.ResponseWriter,
			_ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
		},
		"huge": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"keys":[` + ecKey("two") + `],"filler":"`))
			for range 200 << 10 { // 200 MB
				n, err := w.Write(bytes.Repeat([]byte("x"), 1<<10))
				if sent.Add(int64(n)); err != nil {
					return
				}
			}
			_, _ = w.Write([]byte(`"}`))
		},
		"another host": func(w http.ResponseWriter,
			r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
		},
		"round and round": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/"+r.URL.Path+"x", http.StatusFound)
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPublished(t)
			p.want(t, "at first", "one", nil)
			p.answers(answer)
			p.pass(keysFresh + time.Minute)
			p.want(t, "afterwards", "one", nil)
			if !strings.Contains(p.log.String(), "fetch the issuer's keys") {
				t.Error("nobody was told")
			}
			p.pass(keysPause)
			p.want(t, "afterwards", "two", errKeysUnavailable)
			p.want(t, "afterwards", "evil", errKeysUnavailable)
		})
	}
	if n := sent.Load(); n > 100<<20 {
		t.Errorf("%d MB of a huge key set were read", n>>20)
	}
}

func TestARedirectOnTheSameHostIsFollowed(t *testing.T) {
	t.Parallel()
	p := newPublished(t)
	key := ecKey("one")
	p.answers(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			http.Redirect(w, r, "/keys", http.StatusMovedPermanently)
			return
		}
		fmt.Fprintf(w, `{"keys":[%s]}`, key)
	})
	p.want(t, "at first", "one", nil)
}

func TestPausesAfterFailuresGrow(t *testing.T) {
	t.Parallel()
	p := newPublished(t)
	p.answers(func(w http.ResponseWriter,
		_ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
	})
	var pauses []time.Duration
	last := time.Duration(0)
	for at := range 200 {
		before := p.fetches.Load()
		p.want(t, "during an outage", "one", errKeysUnavailable)
		if now := time.Duration(at) * time.Second; p.fetches.Load() > before {
			pauses, last = append(pauses, now-last), now
		}
		p.pass(time.Second)
	}
	if got := fmt.Sprint(pauses[:8]); got != "[0s 1s 2s 4s 8s 16s 30s 30s]" {
		t.Errorf("the issuer was asked after %s", got)
	}
}

// No connection that a request made, or began to make, is there when the request has its answer:
// not one that waits for an answer, not one in the middle of its TLS handshake, not one that is
// kept for the next time.
func TestNoWorkOutlivesItsRequest(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	for _, scheme := range []string{"http", "https"} {
		ctx, cancel := context.WithCancel(t.Context())
		s := newKeySet(scheme+"://"+silent.Addr().String(), maxAgeHere, time.Now,
			slog.New(slog.DiscardHandler))
		ended := make(chan error, 1)
		go func() {
			_, err := s.find(ctx)(&jwt.Token{Header: map[string]any{"kid": "one", "alg": "ES256"}})
			ended <- err
		}()
		connection, err := silent.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := connection.Read(make([]byte, 4<<10)); err != nil {
			t.Errorf("%s: nothing was asked: %v", scheme, err)
		}
		cancel()
		if err := <-ended; !errors.Is(err, errKeysUnavailable) {
			t.Errorf("%s: got %v", scheme, err)
		}
		for err = nil; err == nil; {
			_, err = connection.Read(make([]byte, 4<<10))
		}
		connection.Close()
	}

	p := newPublished(t)
	p.want(t, "at first", "one", nil)
	<-p.closed
}
