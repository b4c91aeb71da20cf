package channels_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/pusher/pusher-http-go/v5"

	pusherclient "github.com/toolboxai-solutions/satchel/infra/e2e/pusher-client"
	"github.com/toolboxai-solutions/satchel/infra/local/channels"
)

// endpoints are the two that an application has, by Pusher's library for Go: the token is the user.
func endpoints(t *testing.T, s *channels.Server) (channelAuth, userAuth string) {
	t.Helper()
	type sign func(user string, body []byte, form url.Values) ([]byte, error)
	answer := func(sign sign) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			user, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			form, err := url.ParseQuery(string(body))
			if err != nil {
				t.Error(err)
			}
			if user == "" || strings.HasSuffix(form.Get("channel_name"), "-secret") {
				http.Error(w, "no", http.StatusForbidden)
				return
			}
			signature, err := sign(user, body, form)
			if err != nil {
				t.Error(err)
			}
			_, _ = w.Write(signature)
		}
	}
	mux := http.NewServeMux()
	mux.Handle("POST /channel", answer(func(user string, body []byte, form url.Values) (
		[]byte, error,
	) {
		if strings.HasPrefix(form.Get("channel_name"), "presence-") {
			return publisher(s).AuthorizePresenceChannel(body, pusher.MemberData{UserID: user})
		}
		return publisher(s).AuthorizePrivateChannel(body)
	}))
	mux.Handle("POST /user", answer(func(user string, body []byte, _ url.Values) ([]byte, error) {
		return publisher(s).AuthenticateUser(body, map[string]any{"id": user})
	}))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL + "/channel", server.URL + "/user"
}

func browser(t *testing.T, s *channels.Server, user string) *pusherclient.Client {
	t.Helper()
	channelAuth, userAuth := endpoints(t, s)
	client := pusherclient.Start(t, pusherclient.Options{
		Host: s.Host, Key: s.Key, Token: user, ChannelAuth: channelAuth, UserAuth: userAuth,
	})
	client.Await(t, "signed_in")
	return client
}

func listen(t *testing.T, client *pusherclient.Client, channel string) pusherclient.Line {
	t.Helper()
	client.Subscribe(t, channel)
	line := client.Await(t, "subscribed")
	if line.Channel != channel {
		t.Fatalf("subscribed to %s, want %s", line.Channel, channel)
	}
	return line
}

func expectEvent(t *testing.T, client *pusherclient.Client, channel, event, data string) {
	t.Helper()
	line := client.Await(t, "event")
	if line.Channel != channel || line.Event != event || string(line.Data) != data {
		t.Errorf("got %+v %s, want %s %s %s", line, line.Data, channel, event, data)
	}
}

// TestPusherJS is the proof that a browser would understand this server.
func TestPusherJS(t *testing.T) {
	t.Parallel()
	s := start(t, channels.Options{})
	ada := browser(t, s, "ada")
	for _, channel := range []string{"news", "private-a", "private-encrypted-a"} {
		listen(t, ada, channel)
		if err := publisher(s).Trigger(channel, "x", map[string]string{"to": channel}); err != nil {
			t.Fatal(err)
		}
		expectEvent(t, ada, channel, "x", `{"to":"`+channel+`"}`)
	}
	ada.Subscribe(t, "private-secret")
	if line := ada.Await(t, "refused"); line.Channel != "private-secret" || line.Status != 403 {
		t.Errorf("a channel of others: %+v", line)
	}
	if err := publisher(s).SendToUser("ada", "x", 1); err != nil {
		t.Fatal(err)
	}
	expectEvent(t, ada, "user", "x", "1")

	grace := browser(t, s, "grace")
	listen(t, ada, "presence-a")
	members := listen(t, grace, "presence-a").Members
	if !slices.Equal(members, []string{"ada", "grace"}) {
		t.Errorf("members %q", members)
	}
	expectEvent(t, ada, "presence-a", "pusher:member_added", `{"id":"grace"}`)
	grace.Trigger(t, "presence-a", "client-hello", 7)
	expectEvent(t, ada, "presence-a", "client-hello", "7")
	grace.Disconnect(t)
	expectEvent(t, ada, "presence-a", "pusher:member_removed", `{"id":"grace"}`)
}

func TestPusherJSComesBack(t *testing.T) {
	t.Parallel()
	s := start(t, channels.Options{})
	ada := browser(t, s, "ada")
	listen(t, ada, "private-a")
	s.DropConnections()
	ada.Await(t, "disconnected")
	ada.Await(t, "signed_in")
	ada.Await(t, "subscribed")
	if err := publisher(s).Trigger("private-a", "x", 1); err != nil {
		t.Fatal(err)
	}
	expectEvent(t, ada, "private-a", "x", "1")
}

func TestPusherJSStaysAwayWhenTerminated(t *testing.T) {
	t.Parallel()
	s := start(t, channels.Options{})
	ada := browser(t, s, "ada")
	listen(t, ada, "private-a")
	post(t, s, "/apps/"+s.AppID+"/users/ada/terminate_connections")
	if line := ada.Await(t, "error"); !strings.Contains(string(line.Data), "4009") {
		t.Errorf("told %s", line.Data)
	}
	ada.Await(t, "disconnected")
	awaitSubscriptions(t, s, "private-a", 0)
}
