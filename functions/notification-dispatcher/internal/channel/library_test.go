package channel

import (
	"strings"
	"testing"

	"github.com/toolboxai-solutions/satchel/infra/local/channels"
)

func local(t *testing.T, o channels.Options) *Pusher {
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
	p, err := New(Config{
		AppID: server.AppID, Key: server.Key, Secret: server.Secret, Host: "http://" + server.Host,
		EncryptionKey: "bm90LWEtcmVhbC1rZXktbm90LWEtcmVhbC1rZXktMTI=", // obviously fake
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestTheLibraryMayBeStricter: what Pusher's library refuses to send is an event's fault, too, and
// not an outage.
func TestTheLibraryMayBeStricter(t *testing.T) {
	t.Parallel()
	s := &sending{
		pusher: local(t, channels.Options{}), outcomes: make([]Outcome, 3), held: map[string]int{},
		events: []Event{
			{"private-a", "x", []byte("1")}, {"private b", "x", []byte("2")},
			{"private-c", "x", []byte("3")},
		},
	}
	if err := s.send(t.Context(), []int{0, 1, 2}); err != nil {
		t.Fatal(err)
	}
	o := s.outcomes
	if o[0].State != Delivered || o[1].Reason != Invalid || o[2].State != Delivered {
		t.Errorf("outcomes %+v", o)
	}
}

func TestSizeIsWhatIsSent(t *testing.T) {
	t.Parallel()
	var sizes []int
	p := local(t, channels.Options{OnEvent: func(e channels.Event) {
		sizes = append(sizes, len(e.Data))
	}})
	var events []Event
	for _, name := range []string{"private-a", "private-encrypted-a"} {
		for n := range 25 {
			data := strings.Repeat("é", n) + strings.Repeat("a", n%3)
			events = append(events, Event{name, "x", []byte(data)})
		}
	}
	if _, err := p.Send(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	for i, e := range events {
		if len(sizes) != len(events) || Size(e) != sizes[i] {
			t.Fatalf("%d bytes on %s: sent %v", len(e.Data), e.Channel, sizes)
		}
	}
}
