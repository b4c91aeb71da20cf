package channel_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/channel"
	"github.com/toolboxai-solutions/satchel/infra/local/channels"
)

func dial(t *testing.T, s *channels.Server) *channels.Client {
	t.Helper()
	client, err := channels.Dial(deadline(t), s.Host, s.Key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func TestAuthorizationsLetIn(t *testing.T) {
	t.Parallel()
	server := serve(t, channels.Options{})
	p, client := connect(t, config(server)), dial(t, server)
	for _, name := range []string{"private-a", "private-encrypted-a", "presence-a"} {
		a, err := p.AuthorizeChannel(client.SocketID, name, "ada")
		if err != nil {
			t.Fatal(err)
		}
		if (a.SharedSecret != "") != strings.Contains(name, "encrypted") ||
			(a.ChannelData != "") != strings.Contains(name, "presence") {
			t.Errorf("%s: %+v", name, a)
		}
		if err := client.Subscribe(deadline(t), name, a.Auth, a.ChannelData); err != nil {
			t.Error(err)
		}
		if err := dial(t, server).Subscribe(deadline(t), name, a.Auth, a.ChannelData); err == nil {
			t.Errorf("%s: another connection got in with it", name)
		}
	}
}

func TestNothingElseIsSigned(t *testing.T) {
	t.Parallel()
	p := connect(t, config(serve(t, channels.Options{})))
	for _, c := range [][3]string{
		{"1.1", "news", "ada"}, // needs no signature
		{"1.1", "", "ada"},
		{"1.1", "private-a b", "ada"},
		{"1.1", "private-" + strings.Repeat("a", 200), "ada"},
		{"1.1", `presence-a:{"user_id":"eve"}`, "ada"},
		{"1.1", "#server-to-user-eve", "ada"},
		{"1.1", "private-a\n", "ada"},
		{"1", "private-a", "ada"},
		{"1.1:private-b", "private-a", "ada"},
		{"1.1\n", "private-a", "ada"},
		{"", "private-a", "ada"},
		{"1.1", "presence-a", ""},
		{"1.1", "presence-a", "ada lovelace"},
	} {
		a, err := p.AuthorizeChannel(c[0], c[1], c[2])
		if !errors.Is(err, channel.ErrInvalid) || a != (channel.Authorization{}) {
			t.Errorf("%q: %+v, %v", c, a, err)
		}
	}
	for _, c := range [][2]string{
		{"1.1", ""}, {"1.1", "a:b"}, {"1.1::user::{}", "ada"}, {"", "ada"},
	} {
		a, err := p.AuthenticateUser(c[0], c[1])
		if !errors.Is(err, channel.ErrInvalid) || a != (channel.Authentication{}) {
			t.Errorf("%q: %+v, %v", c, a, err)
		}
	}
}

// TestAPrivateSignatureIsNoPresence: what is signed for a channel, "socket:name", must never be
// "socket:channel:data" of another.
func TestAPrivateSignatureIsNoPresence(t *testing.T) {
	t.Parallel()
	server := serve(t, channels.Options{})
	p, client := connect(t, config(server)), dial(t, server)
	data := `{"user_id":"eve"}`
	a, err := p.AuthorizeChannel(client.SocketID, "presence-a:"+data, "ada")
	if err == nil {
		t.Error("it was signed")
	}
	if err := client.Subscribe(deadline(t), "presence-a", a.Auth, data); err == nil {
		t.Error("eve is there")
	}
}

func TestTerminateConnections(t *testing.T) {
	t.Parallel()
	server := serve(t, channels.Options{})
	p := connect(t, config(server))
	clients := map[string]*channels.Client{}
	for _, user := range []string{"ada", "grace"} {
		client := dial(t, server)
		a, err := p.AuthenticateUser(client.SocketID, user)
		if err != nil {
			t.Fatal(err)
		}
		if err := client.Signin(deadline(t), a.Auth, a.UserData); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Next(deadline(t)); err != nil {
			t.Fatal(err)
		}
		clients[user] = client
	}
	if err := p.TerminateConnections(deadline(t), "ada"); err != nil {
		t.Fatal(err)
	}
	if m, err := clients["ada"].Next(deadline(t)); err != nil || !strings.Contains(m.Data, "4009") {
		t.Errorf("ada is told %+v, %v", m, err)
	}
	if _, err := clients["ada"].Next(deadline(t)); err == nil {
		t.Error("ada is still there")
	}
	if err := clients["grace"].Subscribe(deadline(t), "news", "", ""); err != nil {
		t.Errorf("grace is gone, too: %v", err)
	}
	if err := p.TerminateConnections(deadline(t), "nobody"); err != nil {
		t.Errorf("a user without connections: %v", err)
	}
	err := p.TerminateConnections(deadline(t), "../../events")
	if !errors.Is(err, channel.ErrInvalid) {
		t.Errorf("a user id that is a path: %v", err)
	}
	server.Disturb(func(*http.Request) channels.Fault { return channels.Fault{Status: 503} })
	if _, ok := errors.AsType[*channel.Outage](p.TerminateConnections(deadline(t), "ada")); !ok {
		t.Error("a failure of Pusher is no outage")
	}
}
