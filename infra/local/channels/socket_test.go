package channels_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/toolboxai-solutions/satchel/infra/local/channels"
)

func TestConnectionsThatAreRefused(t *testing.T) {
	t.Parallel()
	s := start(t, channels.Options{})
	for path, code := range map[string]int{
		"/app/unknown?protocol=7":        4001,
		"/app/" + s.Key:                  4008,
		"/app/" + s.Key + "?protocol=x":  4006,
		"/app/" + s.Key + "?protocol=4":  4007,
		"/app/" + s.Key + "?protocol=99": 4007,
	} {
		conn, _, err := websocket.Dial(deadline(t), "ws://"+s.Host+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, said, err := conn.Read(deadline(t))
		if err != nil || !strings.Contains(string(said), fmt.Sprintf(`"code":%d`, code)) {
			t.Errorf("%s: told %s, %v", path, said, err)
		}
		_, _, err = conn.Read(deadline(t))
		if websocket.CloseStatus(err) != websocket.StatusCode(code) {
			t.Errorf("%s: closed with %v, want %d", path, err, code)
		}
	}
}

func TestSubscriptionsThatAreRefused(t *testing.T) {
	t.Parallel()
	s := start(t, channels.Options{})
	client := dial(t, s)
	other := authorize(t, s, dial(t, s), "private-a", "")
	own := authorize(t, s, client, "private-a", "")
	presence := authorize(t, s, client, "presence-a", "ada")
	eve := strings.Replace(presence.ChannelData, "ada", "eve", 1)
	nobody := authorize(t, s, client, "presence-a", "")
	for name, c := range map[string]struct{ channel, auth, data string }{
		"without a signature":               {"private-a", "", ""},
		"without one on an encrypted":       {"private-encrypted-a", "", ""},
		"of another socket":                 {"private-a", other.Auth, ""},
		"of another channel":                {"private-b", own.Auth, ""},
		"of another key":                    {"private-a", "x" + own.Auth, ""},
		"another member than the signed":    {"presence-a", presence.Auth, eve},
		"a presence channel without member": {"presence-a", nobody.Auth, ""},
		"a name that is none":               {"private a", own.Auth, ""},
		"a user's channel, not signed in":   {"#server-to-user-ada", "", ""},
	} {
		err := client.Subscribe(deadline(t), c.channel, c.auth, c.data)
		if err == nil || !strings.Contains(err.Error(), "pusher:subscription_error") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := s.Subscriptions("private-a") + s.Subscriptions("presence-a"); n != 0 {
		t.Errorf("%d subscriptions all the same", n)
	}
	if err := client.Subscribe(deadline(t), "private-a", own.Auth, ""); err != nil {
		t.Errorf("the right signature: %v", err)
	}
}

func TestUnsubscribe(t *testing.T) {
	t.Parallel()
	s := start(t, channels.Options{})
	client := subscribed(t, s, "news", "")
	news := map[string]string{"channel": "news"}
	if err := client.Send(deadline(t), "pusher:unsubscribe", "", news); err != nil {
		t.Fatal(err)
	}
	ping(t, client)
	if err := publisher(s).Trigger("news", "x", "1"); err != nil {
		t.Fatal(err)
	}
	ping(t, client) // and no event before it
}

func ping(t *testing.T, client *channels.Client) {
	t.Helper()
	if err := client.Send(deadline(t), "pusher:ping", "", struct{}{}); err != nil {
		t.Fatal(err)
	}
	expect(t, client, channels.Message{Event: "pusher:pong", Data: "{}"})
}

func TestPresence(t *testing.T) {
	t.Parallel()
	s := start(t, channels.Options{})
	ada := subscribed(t, s, "presence-a", "ada")
	grace := dial(t, s)
	g := authorize(t, s, grace, "presence-a", "grace")
	if err := grace.Subscribe(deadline(t), "presence-a", g.Auth, g.ChannelData); err != nil {
		t.Fatal(err)
	}
	expect(t, grace, channels.Message{
		Event: "pusher_internal:subscription_succeeded", Channel: "presence-a",
		Data: `{"presence":{"count":2,"hash":{"ada":null,"grace":null},"ids":["ada","grace"]}}`,
	})
	expect(t, ada, channels.Message{
		Event: "pusher_internal:member_added", Channel: "presence-a", Data: `{"user_id":"grace"}`,
	})
	// A second window of the same person is no news, neither when it opens nor when it closes.
	again := subscribed(t, s, "presence-a", "grace")
	again.Close()
	awaitSubscriptions(t, s, "presence-a", 2)
	if err := grace.Send(deadline(t), "client-typing", "presence-a", true); err != nil {
		t.Fatal(err)
	}
	expect(t, ada, channels.Message{
		Event: "client-typing", Channel: "presence-a", Data: "true", UserID: "grace",
	})
	grace.Close()
	expect(t, ada, channels.Message{
		Event: "pusher_internal:member_removed", Channel: "presence-a", Data: `{"user_id":"grace"}`,
	})
}

func TestPresenceIsFull(t *testing.T) {
	t.Parallel()
	s := start(t, channels.Options{})
	for i := range 100 {
		subscribed(t, s, "presence-a", fmt.Sprintf("user-%d", i))
	}
	client := dial(t, s)
	g := authorize(t, s, client, "presence-a", "one-too-many")
	err := client.Subscribe(deadline(t), "presence-a", g.Auth, g.ChannelData)
	if err == nil || !strings.Contains(err.Error(), "4004") {
		t.Errorf("the 101st member: %v", err)
	}
	subscribed(t, s, "presence-a", "user-7") // a second window
}

func TestClientEvents(t *testing.T) {
	t.Parallel()
	s := start(t, channels.Options{})
	from, to := subscribed(t, s, "private-a", ""), subscribed(t, s, "private-a", "")
	for _, name := range []string{"news", "private-encrypted-a"} {
		g := authorize(t, s, from, name, "")
		if err := from.Subscribe(deadline(t), name, g.Auth, ""); err != nil {
			t.Fatal(err)
		}
		next(t, from)
	}
	for name, c := range map[string]struct {
		channel string
		data    any
	}{
		"on a public channel":       {"news", 1},
		"on an encrypted channel":   {"private-encrypted-a", 1},
		"on a channel of others":    {"private-b", 1},
		"with too much data":        {"private-a", strings.Repeat("a", 11<<10)},
		"on a channel without name": {"", 1},
	} {
		if err := from.Send(deadline(t), "client-x", c.channel, c.data); err != nil {
			t.Fatal(err)
		}
		if m := next(t, from); m.Event != "pusher:error" {
			t.Errorf("%s: %+v", name, m)
		}
	}
	if err := from.Send(deadline(t), "client-x", "private-a", 1); err != nil {
		t.Fatal(err)
	}
	expect(t, to, channels.Message{Event: "client-x", Channel: "private-a", Data: "1"})
}

func TestClientEventsAreLimited(t *testing.T) {
	t.Parallel()
	s := start(t, channels.Options{})
	from := subscribed(t, s, "private-a", "")
	for { // any ten within a second are enough, so a slow machine only takes longer
		for range 20 {
			if err := from.Send(deadline(t), "client-x", "private-a", 1); err != nil {
				t.Fatal(err)
			}
		}
		if err := from.Send(deadline(t), "pusher:ping", "", struct{}{}); err != nil {
			t.Fatal(err)
		}
		m := next(t, from)
		if m.Event == "pusher:pong" {
			continue
		}
		if !strings.Contains(m.Data, "4301") {
			t.Errorf("%+v", m)
		}
		return
	}
}

func TestUsers(t *testing.T) {
	t.Parallel()
	s := start(t, channels.Options{})
	ada, grace := dial(t, s), dial(t, s)
	signIn(t, s, ada, "ada")
	signIn(t, s, grace, "grace")
	for client, user := range map[*channels.Client]string{ada: "ada", grace: "grace"} {
		if err := client.Subscribe(deadline(t), "#server-to-user-"+user, "", ""); err != nil {
			t.Fatal(err)
		}
		next(t, client)
	}
	if err := ada.Subscribe(deadline(t), "#server-to-user-grace", "", ""); err == nil {
		t.Error("somebody else's channel")
	}
	if err := publisher(s).SendToUser("ada", "x", "1"); err != nil {
		t.Fatal(err)
	}
	expect(t, ada, channels.Message{Event: "x", Channel: "#server-to-user-ada", Data: "1"})
	// A presence channel takes the user that signed in.
	g := authorize(t, s, ada, "presence-a", "")
	if err := ada.Subscribe(deadline(t), "presence-a", g.Auth, ""); err != nil {
		t.Error(err)
	}
	next(t, ada)

	post(t, s, "/apps/"+s.AppID+"/users/ada/terminate_connections")
	m := next(t, ada)
	if m.Event != "pusher:error" || !strings.Contains(m.Data, "4009") {
		t.Errorf("told %+v", m)
	}
	if _, err := ada.Next(deadline(t)); websocket.CloseStatus(err) != 4009 {
		t.Errorf("ended with %v", err)
	}
	ping(t, grace)
}

func TestSigninWithAWrongSignature(t *testing.T) {
	t.Parallel()
	s := start(t, channels.Options{})
	client := dial(t, s)
	if err := client.Signin(deadline(t), s.Key+":00", `{"id":"ada"}`); err == nil {
		t.Error("signed in")
	}
	if _, err := client.Next(deadline(t)); websocket.CloseStatus(err) != 4009 {
		t.Errorf("ended with %v", err)
	}
}

func TestASilentClientIsAskedAndStaysWhenItAnswers(t *testing.T) {
	t.Parallel()
	s := start(t, channels.Options{ActivityTimeout: 20 * time.Millisecond})
	conn, _, err := websocket.Dial(deadline(t), "ws://"+s.Host+"/app/"+s.Key+"?protocol=7", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	for asked := 0; asked < 2; {
		_, said, err := conn.Read(deadline(t))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(said), "pusher:ping") {
			asked++
			pong := []byte(`{"event":"pusher:pong","data":{}}`)
			if err := conn.Write(deadline(t), websocket.MessageText, pong); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestNonsenseIsAnsweredAndTheConnectionStays(t *testing.T) {
	t.Parallel()
	s := start(t, channels.Options{})
	client := dial(t, s)
	for event, data := range map[string]any{"pusher:subscribe": 7, "pusher:nothing": nil, "": "x"} {
		if err := client.Send(deadline(t), event, "", data); err != nil {
			t.Fatal(err)
		}
		if m := next(t, client); !strings.HasSuffix(m.Event, "error") {
			t.Errorf("%s is answered with %+v", event, m)
		}
	}
	ping(t, client)
}

func TestDroppedConnectionsEndWithoutAWord(t *testing.T) {
	t.Parallel()
	s := start(t, channels.Options{})
	client := subscribed(t, s, "news", "")
	s.DropConnections()
	_, err := client.Next(deadline(t))
	if err == nil || errors.Is(err, context.DeadlineExceeded) || websocket.CloseStatus(err) != -1 {
		t.Errorf("ended with %v", err)
	}
}
