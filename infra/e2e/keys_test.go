package e2e

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
)

// keys is between the functions and the issuer's keys.
type keys struct {
	server *httptest.Server

	mu     sync.Mutex
	issuer string
	down   bool
}

func relayKeys() *keys {
	k := &keys{}
	k.server = httptest.NewServer(k)
	return k
}

// through is the address to ask in place of the issuer's.
func (k *keys) through(issuer string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.issuer = issuer
	return k.server.URL
}

// cut has the issuer answer nobody.
func (k *keys) cut(yes bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.down = yes
}

func (k *keys) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	k.mu.Lock()
	issuer, down := k.issuer, k.down
	k.mu.Unlock()
	if down {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	answer, err := http.Get(issuer)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer func() { _ = answer.Body.Close() }()
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, answer.Body)
}
