package channel_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/channel"
	pusherclient "github.com/toolboxai-solutions/satchel/infra/e2e/pusher-client"
	"github.com/toolboxai-solutions/satchel/infra/local/channels"
)

// Pusher's own client decrypts what we encrypt with the secret that we give it, and with another
// key it reads nothing.
func TestABrowserDecryptsWithTheKeyAlone(t *testing.T) {
	t.Parallel()
	server := serve(t, channels.Options{})
	sends := connect(t, config(server))
	wrong := config(server)
	wrong.EncryptionKey = base64.StdEncoding.EncodeToString([]byte(strings.Repeat("w", 32)))
	var signs atomic.Pointer[channel.Pusher] // and says by which key the client decrypts
	signs.Store(connect(t, wrong))
	asked := make(chan struct{}, 10)
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, err := signs.Load().AuthorizeChannel(r.FormValue("socket_id"),
			r.FormValue("channel_name"), "ada")
		if err == nil {
			err = json.NewEncoder(w).Encode(a)
		}
		if err != nil {
			t.Error(err)
		}
		asked <- struct{}{}
	}))
	t.Cleanup(endpoint.Close)
	browser := pusherclient.Start(t, pusherclient.Options{
		Host: server.Host, Key: server.Key, ChannelAuth: endpoint.URL,
	})
	const name = "private-encrypted-ada"
	browser.Subscribe(t, name)
	browser.Await(t, "subscribed")
	send := func(event string) {
		t.Helper()
		outcomes, err := sends.Send(t.Context(), []channel.Event{
			{Channel: name, Name: event, Data: []byte(`{"text":"Well done, Zoë!"}`)},
		})
		if err != nil || outcomes[0].State != channel.Delivered {
			t.Fatalf("%+v, %v", outcomes, err)
		}
	}
	send("unreadable")
	for range 2 { // it asks once more for the key, and drops what that does not open
		select {
		case <-asked:
		case <-deadline(t).Done():
			t.Fatal("the client read with the wrong key")
		}
	}
	signs.Store(sends)
	send("readable")
	line := browser.Await(t, "event")
	if line.Event != "readable" || string(line.Data) != `{"text":"Well done, Zoë!"}` {
		t.Errorf("read %s %s", line.Event, line.Data)
	}
}
