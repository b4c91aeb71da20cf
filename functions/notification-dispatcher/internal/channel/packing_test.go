package channel_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/channel"
	"github.com/toolboxai-solutions/satchel/infra/local/channels"
)

// batch is a call as it left.
type batch struct {
	Batch []struct{ Channel, Name, Data string } `json:"batch"`
}

// Whatever is to be sent: no call has more than ten events, none of them more than 10 KB, each of
// what fits leaves once, and those of a channel in their order.
func TestPacking(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var calls []batch
	server := serve(t, channels.Options{})
	server.Disturb(func(r *http.Request) channels.Fault {
		body, err := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		var b batch
		if err != nil || json.Unmarshal(body, &b) != nil {
			t.Errorf("a call that cannot be read: %v %q", err, body)
		}
		mu.Lock()
		defer mu.Unlock()
		calls = append(calls, b)
		return channels.Fault{}
	})
	pusher := connect(t, config(server))
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 5))
		calls = nil
		events := make([]channel.Event, random.IntN(45))
		for i := range events {
			name := []string{"private-a", "private-b", "private-encrypted-c"}[random.IntN(3)]
			text := fmt.Sprintf("%q", fmt.Sprint(i, strings.Repeat("é", random.IntN(100))))
			events[i] = channel.Event{Channel: name, Name: fmt.Sprint("e", i), Data: []byte(text)}
			if random.IntN(4) == 0 { // to the byte
				events[i].Data = sized(name, channel.MaxData-30+random.IntN(40)).Data
			}
		}
		outcomes, err := pusher.Send(deadline(t), events)
		if err != nil || len(outcomes) != len(events) {
			t.Fatalf("seed %d: %d outcomes of %d events, %v", seed, len(outcomes), len(events), err)
		}
		checkPacked(t, seed, events, outcomes, calls)
	}
}

func checkPacked(t *testing.T, seed uint64, events []channel.Event, outcomes []channel.Outcome,
	calls []batch) {
	t.Helper()
	left, want := map[string][]string{}, map[string][]string{}
	for _, c := range calls {
		if n := len(c.Batch); n == 0 || n > 10 {
			t.Errorf("seed %d: a call has %d events", seed, n)
		}
		for _, e := range c.Batch {
			if len(e.Data) > 10*1024 {
				t.Errorf("seed %d: an event has %d bytes", seed, len(e.Data))
			}
			left[e.Channel] = append(left[e.Channel], e.Name)
		}
	}
	stopped := map[string]bool{}
	delivered := 0
	for i, e := range events {
		o := outcomes[i]
		switch {
		case stopped[e.Channel]:
			if o.State != channel.Waiting {
				t.Errorf("seed %d: %d is %s behind one that was refused", seed, i, o.State)
			}
		case channel.Size(e) > 10*1024:
			stopped[e.Channel] = true
			if o.State != channel.Refused || o.Reason != channel.TooLarge {
				t.Errorf("seed %d: %d is too large, and %s", seed, i, o.State)
			}
		default:
			want[e.Channel] = append(want[e.Channel], e.Name)
			delivered++
			if o.State != channel.Delivered {
				t.Errorf("seed %d: %d is %s", seed, i, o.State)
			}
		}
	}
	for name := range want {
		if !slices.Equal(left[name], want[name]) {
			t.Errorf("seed %d: on %s left %v, want %v", seed, name, left[name], want[name])
		}
	}
	if most := (delivered + 9) / 10; len(calls) != most {
		t.Errorf("seed %d: %d calls for %d events", seed, len(calls), delivered)
	}
}
