package channels_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pusher/pusher-http-go/v5"

	"github.com/toolboxai-solutions/satchel/infra/local/channels"
)

func TestEventsArriveInTheirOrder(t *testing.T) {
	t.Parallel()
	var accepted []string
	s := start(t, channels.Options{OnEvent: func(e channels.Event) {
		accepted = append(accepted, e.Channel+" "+e.Name+" "+e.Data)
	}})
	one, both := subscribed(t, s, "private-a", ""), subscribed(t, s, "private-a", "")
	g := authorize(t, s, both, "private-b", "")
	if err := both.Subscribe(deadline(t), "private-b", g.Auth, ""); err != nil {
		t.Fatal(err)
	}
	next(t, both)

	p := publisher(s)
	_, err := p.TriggerBatch([]pusher.Event{
		{Channel: "private-a", Name: "first", Data: map[string]int{"n": 1}},
		{Channel: "private-b", Name: "second", Data: "2"},
	})
	if err != nil {
		t.Fatal(err)
	}
	all := []string{"private-a", "private-b", "private-c"}
	if err := p.TriggerMulti(all, "third", "3"); err != nil {
		t.Fatal(err)
	}
	notOne := pusher.TriggerParams{SocketID: &one.SocketID}
	if _, err := p.TriggerWithParams("private-a", "fourth", "4", notOne); err != nil {
		t.Fatal(err)
	}
	if err := p.Trigger("private-a", "fifth", "5"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []channels.Message{
		{Event: "first", Channel: "private-a", Data: `{"n":1}`},
		{Event: "third", Channel: "private-a", Data: "3"},
		{Event: "fifth", Channel: "private-a", Data: "5"},
	} {
		expect(t, one, want)
	}
	for _, want := range []channels.Message{
		{Event: "first", Channel: "private-a", Data: `{"n":1}`},
		{Event: "second", Channel: "private-b", Data: "2"},
		{Event: "third", Channel: "private-a", Data: "3"},
		{Event: "third", Channel: "private-b", Data: "3"},
		{Event: "fourth", Channel: "private-a", Data: "4"},
	} {
		expect(t, both, want)
	}
	want := []string{
		`private-a first {"n":1}`, "private-b second 2", "private-a third 3", "private-b third 3",
		"private-c third 3", "private-a fourth 4", "private-a fifth 5",
	}
	if !slices.Equal(accepted, want) {
		t.Errorf("accepted %q, want %q", accepted, want)
	}
}

func TestQueries(t *testing.T) {
	t.Parallel()
	s := start(t, channels.Options{})
	subscribed(t, s, "private-a", "")
	subscribed(t, s, "presence-a", "ada")
	subscribed(t, s, "presence-a", "ada")
	subscribed(t, s, "presence-a", "grace")
	p := publisher(s)

	all, err := p.Channels(pusher.ChannelsParams{})
	if err != nil || len(all.Channels) != 2 {
		t.Errorf("channels %+v, %v", all, err)
	}
	prefix, count := "presence-", "user_count"
	list, err := p.Channels(pusher.ChannelsParams{FilterByPrefix: &prefix, Info: &count})
	if err != nil || len(list.Channels) != 1 || list.Channels["presence-a"].UserCount != 2 {
		t.Errorf("presence channels %+v, %v", list, err)
	}
	if _, err := p.Channels(pusher.ChannelsParams{Info: &count}); err == nil {
		t.Error("user_count of channels without users")
	}
	info := "user_count,subscription_count"
	one, err := p.Channel("presence-a", pusher.ChannelParams{Info: &info})
	if err != nil || !one.Occupied || one.UserCount != 2 || one.SubscriptionCount != 3 {
		t.Errorf("channel %+v, %v", one, err)
	}
	none, err := p.Channel("private-nobody", pusher.ChannelParams{})
	if err != nil || none.Occupied {
		t.Errorf("channel %+v, %v", none, err)
	}
	users, err := p.GetChannelUsers("presence-a")
	if err != nil || !slices.Equal(users.List, []pusher.User{{ID: "ada"}, {ID: "grace"}}) {
		t.Errorf("users %+v, %v", users, err)
	}
	if _, err := p.GetChannelUsers("private-a"); err == nil {
		t.Error("users of a channel without users")
	}
	counted, err := p.TriggerWithParams("presence-a", "x", "1", pusher.TriggerParams{Info: &info})
	if err != nil || *counted.Channels["presence-a"].UserCount != 2 {
		t.Errorf("trigger with info %+v, %v", counted, err)
	}
	batch, err := p.TriggerBatch([]pusher.Event{
		{Channel: "private-a", Name: "x", Data: "1"},
		{Channel: "presence-a", Name: "x", Data: "1", Info: &info},
	})
	if err != nil || len(batch.Batch) != 2 || *batch.Batch[1].SubscriptionCount != 3 {
		t.Errorf("batch with info %+v, %v", batch, err)
	}
}

// TestRefusals asks with Pusher's own library, whose own checks are got around where they come
// first.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s := start(t, channels.Options{OnEvent: func(e channels.Event) {
		t.Errorf("%+v was accepted", e)
	}})
	large := strings.Repeat("a", 10*1024+1)
	event := pusher.Event{Channel: "private-a", Name: "x", Data: "1"}
	and := func(name, data string) []pusher.Event {
		return []pusher.Event{event, {Channel: "private-a", Name: name, Data: data}}
	}
	one := []pusher.Event{event}
	with := func(change func(*pusher.Client)) *pusher.Client {
		p := publisher(s)
		p.OverrideMaxMessagePayloadKB = 10_000
		change(p)
		return p
	}
	same := func(*pusher.Client) {}
	for name, c := range map[string]struct {
		client *pusher.Client
		batch  []pusher.Event
		status int
	}{
		"too large":            {with(same), and("x", large), 413},
		"a request over a MiB": {with(same), and("x", strings.Repeat(large, 110)), 413},
		"eleven":               {with(same), slices.Repeat(one, 11), 400},
		"none":                 {with(same), []pusher.Event{}, 400},
		"no name":              {with(same), and("", "1"), 400},
		"a long name":          {with(same), and(strings.Repeat("a", 201), "1"), 400},
		"another secret":       {with(func(p *pusher.Client) { p.Secret = "wrong" }), one, 401},
		"another key":          {with(func(p *pusher.Client) { p.Key = "wrong" }), one, 401},
		"another app":          {with(func(p *pusher.Client) { p.AppID = "2" }), one, 404},
		"another body": {with(func(p *pusher.Client) {
			p.HTTPClient = &http.Client{Transport: swapped{}}
		}), one, 401},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := c.client.TriggerBatch(c.batch)
			said := fmt.Sprint(err)
			if !strings.HasPrefix(said, fmt.Sprint("Status Code: ", c.status)) {
				t.Errorf("error %v, want status %d", err, c.status)
			}
			if strings.Contains(said, s.Secret) {
				t.Error("the secret is in the answer")
			}
		})
	}
}

// swapped sends another body of the same length.
type swapped struct{}

func (swapped) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(strings.NewReader(strings.Replace(string(body), `"1"`, `"2"`, 1)))
	return http.DefaultTransport.RoundTrip(r)
}

func TestClock(t *testing.T) {
	t.Parallel()
	for seconds, fits := range map[int]bool{-590: true, 590: true, -610: false, 610: false} {
		skew := time.Duration(seconds) * time.Second
		s := start(t, channels.Options{Now: func() time.Time { return time.Now().Add(skew) }})
		if err := publisher(s).Trigger("private-a", "x", "1"); (err == nil) != fits {
			t.Errorf("%v from the server's clock: %v", skew, err)
		}
	}
}

func TestQuota(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	var passed atomic.Int64
	now := func() time.Time { return begin.Add(time.Duration(passed.Load())) }
	s := start(t, channels.Options{Quota: 3, QuotaWindow: time.Minute, Now: now})
	two := slices.Repeat([]pusher.Event{{Channel: "private-a", Name: "x", Data: "1"}}, 2)
	recorder := &lastAnswer{}
	p := publisher(s)
	p.HTTPClient = &http.Client{Transport: recorder}
	if _, err := p.TriggerBatch(two); err != nil {
		t.Fatal(err)
	}
	passed.Store(int64(20 * time.Second))
	_, err := p.TriggerBatch(two)
	if err == nil || recorder.status != 429 || recorder.retryAfter != "40" {
		t.Errorf("over the quota: %v, %+v", err, recorder)
	}
	if err := p.Trigger("private-a", "x", "1"); err != nil {
		t.Errorf("what still fits: %v", err)
	}
	passed.Store(int64(60 * time.Second))
	if _, err := p.TriggerBatch(two); err != nil {
		t.Errorf("in the next window: %v", err)
	}
}

type lastAnswer struct {
	patience   context.Context // nil for any
	status     int
	retryAfter string
}

func (l *lastAnswer) RoundTrip(r *http.Request) (*http.Response, error) {
	if l.patience != nil {
		r = r.WithContext(l.patience)
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		l.status, l.retryAfter = answer.StatusCode, answer.Header.Get("Retry-After")
	}
	return answer, err
}

func TestEncryptedDataIsPassedOnAsItIs(t *testing.T) {
	t.Parallel()
	s := start(t, channels.Options{})
	client := subscribed(t, s, "private-encrypted-a", "")
	if err := publisher(s).Trigger("private-encrypted-a", "x", "a planted name"); err != nil {
		t.Fatal(err)
	}
	m := next(t, client)
	var sealed struct{ Nonce, Ciphertext string }
	err := json.Unmarshal([]byte(m.Data), &sealed)
	if err != nil || sealed.Nonce == "" || sealed.Ciphertext == "" ||
		strings.Contains(m.Data, "planted") {
		t.Errorf("data %s", m.Data)
	}
}

func TestOtherPathsAreNotThere(t *testing.T) {
	t.Parallel()
	s := start(t, channels.Options{})
	for path, status := range map[string]int{
		"/": 404, "/apps/1/nothing": 404, "/apps/1/channels": 401, "/app/" + s.Key: 426,
	} {
		answer, err := http.Get("http://" + s.Host + path)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != status {
			t.Errorf("%s: %s, want %d", path, answer.Status, status)
		}
	}
}
