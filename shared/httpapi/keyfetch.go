package httpapi

import (
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
)

// maxKeySet bounds a key set, in bytes. One key takes about 2 kB with its certificate, and an
// issuer publishes two to six.
const maxKeySet = 256 << 10

// keySource is where the issuer publishes its keys.
type keySource struct {
	url   string
	proxy func(*http.Request) (*url.URL, error)
}

// fetch leaves nothing behind that runs on: its connection is its own, and closed with it also in
// the middle of being made.
func (s keySource) fetch(ctx context.Context) (keyfunc.Keyfunc, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	client := &http.Client{CheckRedirect: sameHost, Transport: &http.Transport{
		Proxy: s.proxy, DisableKeepAlives: true,
		// net/http would dial on when its caller has gone
		DialContext: func(_ context.Context, network, address string) (net.Conn, error) {
			connection, err := new(net.Dialer).DialContext(ctx, network, address)
			if err == nil {
				context.AfterFunc(ctx, func() { connection.Close() })
			}
			return connection, err
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return nil, failed.Err // without the URL, which may hold a key of its own
	}
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the issuer answered %s", response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxKeySet+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxKeySet {
		return nil, fmt.Errorf("the key set is larger than %d bytes", maxKeySet)
	}
	return readKeys(ctx, body)
}

// sameHost follows a redirect only to where it came from: another host would be one that nobody put
// into the settings.
func sameHost(request *http.Request, via []*http.Request) error {
	if from := via[0].URL; request.URL.Scheme != from.Scheme || request.URL.Host != from.Host {
		return fmt.Errorf("the issuer redirects to another host, %s", request.URL.Host)
	}
	if len(via) > 3 {
		return errors.New("the issuer redirects without end")
	}
	return nil
}

// readKeys takes the keys that a token can be signed with here. A set without one is refused: it is
// more likely a mistake than the wish to turn everybody away.
func readKeys(ctx context.Context, body []byte) (keyfunc.Keyfunc, error) {
	var set jwkset.JWKSMarshal
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, fmt.Errorf("the key set cannot be read: %w", err)
	}
	storage, usable := jwkset.NewMemoryStorage(), 0
	for _, marshalled := range set.Keys {
		key, err := jwkset.NewJWKFromMarshal(marshalled, jwkset.JWKMarshalOptions{},
			jwkset.JWKValidateOptions{})
		if errors.Is(err, jwkset.ErrUnsupportedKey) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("the key set holds a broken key: %w", err)
		}
		if !signs(key) {
			continue
		}
		if err := storage.KeyWrite(ctx, key); err != nil {
			return nil, err
		}
		usable++
	}
	if usable == 0 {
		return nil, errors.New("the key set holds no key for RS256 or ES256")
	}
	return keyfunc.New(keyfunc.Options{Storage: storage})
}

func signs(key jwkset.JWK) bool {
	if use := key.Marshal().USE; use != jwkset.UseSig && use != "" {
		return false
	}
	switch key.Key().(type) {
	case *rsa.PublicKey, *ecdsa.PublicKey:
		return true
	}
	return false
}
