package channels_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/pusher/pusher-http-go/v5"

	"github.com/toolboxai-solutions/satchel/infra/local/channels"
)

// An obviously fake key for encrypted channels.
const masterKey = "bm90LWEtcmVhbC1rZXktbm90LWEtcmVhbC1rZXktMTI="

func start(t *testing.T, o channels.Options) *channels.Server {
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

func publisher(s *channels.Server) *pusher.Client {
	return &pusher.Client{
		AppID: s.AppID, Key: s.Key, Secret: s.Secret, Host: s.Host,
		EncryptionMasterKeyBase64: masterKey,
	}
}

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func dial(t *testing.T, s *channels.Server) *channels.Client {
	t.Helper()
	client, err := channels.Dial(deadline(t), s.Host, s.Key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// grant is what an auth endpoint answers.
type grant struct {
	Auth        string
	ChannelData string `json:"channel_data"`
	UserData    string `json:"user_data"`
}

// authorize is an auth endpoint that lets everyone in, by Pusher's library.
func authorize(
	t *testing.T, s *channels.Server, client *channels.Client, channel, user string,
) grant {
	t.Helper()
	form := []byte("socket_id=" + client.SocketID + "&channel_name=" + channel)
	answer, err := publisher(s).AuthorizePrivateChannel(form)
	if user != "" {
		answer, err = publisher(s).AuthorizePresenceChannel(form, pusher.MemberData{UserID: user})
	}
	return granted(t, answer, err)
}

func granted(t *testing.T, answer []byte, err error) grant {
	t.Helper()
	var g grant
	if err == nil {
		err = json.Unmarshal(answer, &g)
	}
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// subscribed is a client that listens to a channel, as user on a presence channel.
func subscribed(t *testing.T, s *channels.Server, channel, user string) *channels.Client {
	t.Helper()
	client := dial(t, s)
	g := authorize(t, s, client, channel, user)
	if err := client.Subscribe(deadline(t), channel, g.Auth, g.ChannelData); err != nil {
		t.Fatal(err)
	}
	next(t, client) // the subscription
	return client
}

func signIn(t *testing.T, s *channels.Server, client *channels.Client, user string) {
	t.Helper()
	form := []byte("socket_id=" + client.SocketID)
	answer, err := publisher(s).AuthenticateUser(form, map[string]any{"id": user})
	g := granted(t, answer, err)
	if err := client.Signin(deadline(t), g.Auth, g.UserData); err != nil {
		t.Fatal(err)
	}
	next(t, client)
}

func next(t *testing.T, client *channels.Client) channels.Message {
	t.Helper()
	m, err := client.Next(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func expect(t *testing.T, client *channels.Client, want channels.Message) {
	t.Helper()
	if got := next(t, client); got != want {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

// awaitSubscriptions waits until the server has noticed who has gone.
func awaitSubscriptions(t *testing.T, s *channels.Server, channel string, n int) {
	t.Helper()
	for patience := deadline(t); s.Subscriptions(channel) != n; time.Sleep(time.Millisecond) {
		if patience.Err() != nil {
			t.Fatalf("%s has %d subscriptions, want %d", channel, s.Subscriptions(channel), n)
		}
	}
}
