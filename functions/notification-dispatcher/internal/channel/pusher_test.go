package channel_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/nacl/secretbox"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/channel"
	"github.com/toolboxai-solutions/satchel/infra/local/channels"
)

// An obviously fake key of 32 bytes.
const encryptionKey = "bm90LWEtcmVhbC1rZXktbm90LWEtcmVhbC1rZXktMTI="

type accepted struct {
	mu     sync.Mutex
	events []channels.Event
}

func (a *accepted) add(e channels.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.events = append(a.events, e)
}

func (a *accepted) list() []channels.Event {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]channels.Event(nil), a.events...)
}

func serve(t *testing.T, o channels.Options) *channels.Server {
	t.Helper()
	server, err := channels.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return server
}

func config(s *channels.Server) channel.Config {
	return channel.Config{
		AppID: s.AppID, Key: s.Key, Secret: s.Secret, Host: "http://" + s.Host,
		EncryptionKey: encryptionKey, Timeout: time.Minute,
	}
}

func connect(t *testing.T, c channel.Config) *channel.Pusher {
	t.Helper()
	p, err := channel.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPusherConforms(t *testing.T) {
	t.Parallel()
	for name, property := range conformance() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var seen accepted
			server := serve(t, channels.Options{OnEvent: seen.add})
			c := config(server)
			if strings.HasPrefix(name, "blames") {
				c.Timeout = 2 * time.Second // it waits for one call to pass it
			}
			fail := func(fail func() failure) {
				server.Disturb(func(r *http.Request) channels.Fault { return fault(t, r, fail()) })
			}
			fail(func() failure { return works })
			err := property(deadline(t), fixture{
				channel: connect(t, c),
				fail:    fail,
				received: func() []channel.Event {
					var events []channel.Event
					for _, e := range seen.list() {
						events = append(events, channel.Event{
							Channel: e.Channel, Name: e.Name, Data: decrypted(t, e),
						})
					}
					return events
				},
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// fault does to a request what Pusher does to it in such a failure. Where it looks at the request,
// it refuses poison.
func fault(t *testing.T, r *http.Request, f failure) channels.Fault {
	if f == works || f == loses {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if bytes.Contains(body, []byte(`"name":"`+poison+`"`)) {
			return channels.Fault{Status: http.StatusBadRequest}
		}
	}
	return map[failure]channels.Fault{
		fails:   {Status: http.StatusServiceUnavailable},
		limits:  {Status: http.StatusTooManyRequests, RetryAfter: "7"},
		disowns: {Status: http.StatusUnauthorized},
		cuts:    {Cut: true},
		loses:   {Cut: true, Handle: true},
		stalls:  {Hang: true},
	}[f]
}

func decrypted(t *testing.T, e channels.Event) []byte {
	if !strings.HasPrefix(e.Channel, "private-encrypted-") {
		return []byte(e.Data)
	}
	var sealed struct{ Nonce, Ciphertext []byte }
	if err := json.Unmarshal([]byte(e.Data), &sealed); err != nil {
		t.Errorf("%s is sent in clear: %s", e.Channel, e.Data)
		return nil
	}
	key, err := base64.StdEncoding.DecodeString(encryptionKey)
	if err != nil {
		t.Error(err)
	}
	shared := sum(e.Channel, key)
	data, ok := secretbox.Open(nil, sealed.Ciphertext, (*[24]byte)(sealed.Nonce), &shared)
	if !ok {
		t.Errorf("%s is not encrypted with its key", e.Channel)
	}
	return data
}

func sum(name string, key []byte) [32]byte { return sha256.Sum256(append([]byte(name), key...)) }
