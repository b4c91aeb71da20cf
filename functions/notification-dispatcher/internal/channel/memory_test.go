package channel_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/channel"
)

// memory is a second channel, so that the conformance suite is about channels and not about Pusher.
// Each of its flaws breaks one promise, and the suite has to see it.
type memory struct {
	flaw flaw

	mu       sync.Mutex
	fail     func() failure
	accepted []channel.Event
}

type flaw string

const (
	overtakes    flaw = "sends what comes after a refused event"
	spoils       flaw = "lets a refused event take its batch with it"
	reverses     flaw = "turns a batch round"
	drops        flaw = "drops the eleventh event"
	blames       flaw = "holds an outage against its events"
	forgets      flaw = "does not say what was delivered before an outage"
	guesses      flaw = "calls a lost answer delivered"
	despairs     flaw = "calls a lost answer waiting"
	insists      flaw = "calls its caller's end an outage"
	forgetsWait  flaw = "does not say how long to wait"
	takesAnySize flaw = "sends what is too large"
)

func memoryFixture(f flaw) fixture {
	m := &memory{flaw: f, fail: func() failure { return works }}
	return fixture{
		channel: m,
		fail: func(fail func() failure) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.fail = fail
		},
		received: func() []channel.Event {
			m.mu.Lock()
			defer m.mu.Unlock()
			return slices.Clone(m.accepted)
		},
	}
}

func (m *memory) Send(ctx context.Context, events []channel.Event) ([]channel.Outcome, error) {
	outcomes, held := make([]channel.Outcome, len(events)), map[string]bool{}
	var batch []int
	for i, e := range events {
		switch {
		case held[e.Channel] && m.flaw != overtakes:
		case e.Name == poison || !channel.ValidName(e.Channel):
			outcomes[i] = channel.Outcome{State: channel.Refused, Reason: channel.Invalid}
			held[e.Channel] = true
		case channel.Size(e) > channel.MaxData && m.flaw != takesAnySize:
			outcomes[i] = channel.Outcome{State: channel.Refused, Reason: channel.TooLarge}
			held[e.Channel] = true
		default:
			batch = append(batch, i)
		}
	}
	if m.flaw == spoils && len(held) > 0 {
		return outcomes, nil
	}
	for chunk := range slices.Chunk(batch, channel.MaxBatch) {
		state, err := m.call(ctx, events, chunk)
		for _, i := range chunk {
			outcomes[i].State = state
		}
		if err != nil {
			if m.flaw == forgets {
				clear(outcomes)
			}
			return outcomes, err
		}
	}
	return outcomes, nil
}

func (m *memory) call(
	ctx context.Context, events []channel.Event, batch []int,
) (channel.State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	bad := func(cause channel.Cause, wait time.Duration) (channel.State, error) {
		err := &channel.Outage{Cause: cause, RetryAfter: wait, Err: errors.New("planted")}
		if m.flaw == blames {
			return channel.Refused, err
		}
		return channel.Waiting, err
	}
	what := m.fail()
	switch what {
	case fails:
		return bad(channel.Unavailable, 0)
	case limits:
		if m.flaw == forgetsWait {
			return bad(channel.Limited, 0)
		}
		return bad(channel.Limited, 7*time.Second)
	case disowns:
		return bad(channel.Misconfigured, 0)
	case cuts:
		return bad(channel.Unreachable, 0)
	case stalls:
		if ctx.Err() != nil && m.flaw != insists {
			return channel.Unknown, ctx.Err()
		}
		return bad(channel.TimedOut, 0)
	}
	if m.flaw == reverses {
		slices.Reverse(batch)
	}
	for n, i := range batch {
		if m.flaw != drops || n+len(m.accepted) != 10 {
			m.accepted = append(m.accepted, events[i])
		}
	}
	if what == loses {
		_, err := bad(channel.Unreachable, 0)
		return lost(m.flaw), err
	}
	return channel.Delivered, nil
}

func TestMemoryConforms(t *testing.T) {
	t.Parallel()
	for name, property := range conformance() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := property(deadline(t), memoryFixture("")); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestConformanceSeesFlaws shows the suite a channel with one flaw at a time.
func TestConformanceSeesFlaws(t *testing.T) {
	t.Parallel()
	for _, planted := range []flaw{
		overtakes, spoils, reverses, drops, blames, forgets, guesses, despairs, insists,
		forgetsWait, takesAnySize,
	} {
		t.Run(string(planted), func(t *testing.T) {
			t.Parallel()
			for _, property := range conformance() {
				// A flaw may also keep a property from ending.
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				err := property(ctx, memoryFixture(planted))
				cancel()
				if err != nil {
					return
				}
			}
			t.Error("not seen by any property")
		})
	}
}

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func lost(f flaw) channel.State {
	switch f {
	case guesses:
		return channel.Delivered
	case despairs:
		return channel.Waiting
	}
	return channel.Unknown
}
