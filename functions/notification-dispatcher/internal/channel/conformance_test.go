package channel_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/channel"
)

// sender is what a dispatcher needs of a channel.
type sender interface {
	Send(context.Context, []channel.Event) ([]channel.Outcome, error)
}

// failure is what the service behind a channel does to one call.
type failure int

const (
	works failure = iota
	fails
	limits // for 7 seconds
	disowns
	cuts   // the connection, before it has looked
	loses  // the answer, after having accepted
	stalls // until the caller gives up
	failures
)

// poison is the name of an event that the service refuses.
const poison = "poison"

// fixture is a channel with the service behind it in the test's hands.
type fixture struct {
	channel sender
	// fail is asked before each call.
	fail func(func() failure)
	// received is what the service accepted, in its order.
	received func() []channel.Event
}

// always is a service that does the same to each call.
func (f fixture) always(what failure) { f.fail(func() failure { return what }) }

// conformance is what any channel has to keep to. Each property says how it is broken.
func conformance() map[string]func(context.Context, fixture) error {
	return map[string]func(context.Context, fixture) error{
		"delivers all, in their order":                   deliversInOrder,
		"sends what is just not too large, and no more":  knowsTheLimit,
		"lets no event take others with it":              isolates,
		"lets nothing overtake a refused event":          holds,
		"blames no event for an outage":                  blamesNobody,
		"says how long to wait":                          passesOnRetryAfter,
		"calls what may have arrived unknown":            admitsNotKnowing,
		"says what was delivered before an outage":       remembers,
		"stops when it is told to, which is no outage":   stops,
		"is safe for several callers":                    isSafe,
		"loses nothing and turns nothing round, at last": survives,
	}
}

func numbered(channelName string, n int) []channel.Event {
	events := make([]channel.Event, n)
	for i := range events {
		data := fmt.Appendf(nil, `{"sequence":%d}`, i)
		events[i] = channel.Event{Channel: channelName, Name: "x", Data: data}
	}
	return events
}

func states(outcomes []channel.Outcome) string {
	var b strings.Builder
	for _, o := range outcomes {
		b.WriteString(strings.ToUpper(o.State.String()[:1]))
	}
	return b.String()
}

func text(e channel.Event) string { return e.Channel + " " + e.Name + " " + string(e.Data) }

func expectReceived(f fixture, want []channel.Event) error {
	same := func(a, b channel.Event) bool { return text(a) == text(b) }
	if got := f.received(); !slices.EqualFunc(got, want, same) {
		return fmt.Errorf("received %d events %q, want %d", len(got), got, len(want))
	}
	return nil
}

func expectStates(outcomes []channel.Outcome, want string) error {
	if got := states(outcomes); got != want {
		return fmt.Errorf("outcomes %s, want %s", got, want)
	}
	return nil
}

func deliversInOrder(ctx context.Context, f fixture) error {
	a, b := numbered("private-a", 20), numbered("private-encrypted-b", 3)
	events := slices.Concat(a[:13], b, a[13:])
	outcomes, err := f.channel.Send(ctx, events)
	if none, e := f.channel.Send(ctx, nil); len(none) != 0 || e != nil {
		return fmt.Errorf("of nothing became %v, %w", none, e)
	}
	all := strings.Repeat("D", 23)
	return errors.Join(err, expectStates(outcomes, all), expectReceived(f, events))
}

func sized(channelName string, size int) channel.Event {
	e := channel.Event{Channel: channelName, Name: "x"}
	for grow := size; grow > 0; grow /= 2 { // to the last byte, encrypted or not
		for {
			larger := e
			larger.Data = []byte(`"` + strings.Repeat("a", len(e.Data)+grow) + `"`)
			if channel.Size(larger) > size {
				break
			}
			e = larger
		}
	}
	return e
}

func knowsTheLimit(ctx context.Context, f fixture) error {
	var want []channel.Event
	for _, name := range []string{"private-a", "private-encrypted-a"} {
		fits, large := sized(name, channel.MaxData), sized(name, channel.MaxData+8)
		outcomes, err := f.channel.Send(ctx, []channel.Event{fits, large})
		if err := errors.Join(err, expectStates(outcomes, "DR")); err != nil {
			return err
		}
		if outcomes[1].Reason != channel.TooLarge {
			return fmt.Errorf("refused as %s", outcomes[1].Reason)
		}
		want = append(want, fits)
	}
	return expectReceived(f, want)
}

func isolates(ctx context.Context, f fixture) error {
	for bad := range 10 {
		var events, want []channel.Event
		for i := range 10 {
			e := numbered(fmt.Sprintf("private-%d-%d", bad, i), 1)[0]
			switch {
			case i != bad:
				want = append(want, e)
			case bad%3 == 0:
				e.Name = poison
			case bad%3 == 1:
				e.Channel = "private " + e.Channel
			default:
				e.Data = slices.Repeat([]byte("a"), channel.MaxData+1)
			}
			events = append(events, e)
		}
		want = slices.Concat(f.received(), want)
		outcomes, err := f.channel.Send(ctx, events)
		err = errors.Join(err, expectReceived(f, want),
			expectStates(outcomes, strings.Repeat("D", bad)+"R"+strings.Repeat("D", 9-bad)))
		if err != nil {
			return err
		}
		if outcomes[bad].Reason == "" {
			return errors.New("refused without a reason")
		}
	}
	return nil
}

func holds(ctx context.Context, f fixture) error {
	a, b := numbered("private-a", 4), numbered("private-b", 4)
	a[3].Data = slices.Repeat([]byte("a"), channel.MaxData+1) // no matter: it comes after another
	for _, spoil := range []func(*channel.Event){
		func(e *channel.Event) { e.Name = poison },
		func(e *channel.Event) { e.Data = slices.Repeat([]byte("a"), channel.MaxData+1) },
	} {
		want := slices.Concat(f.received(), []channel.Event{a[0], b[0], b[1], b[2], b[3]})
		events := []channel.Event{a[0], b[0], a[1], b[1], a[2], b[2], a[3], b[3]}
		spoil(&events[2])
		outcomes, err := f.channel.Send(ctx, events)
		err = errors.Join(err, expectStates(outcomes, "DDRDWDWD"), expectReceived(f, want))
		if err != nil {
			return err
		}
	}
	return nil
}

func blamesNobody(ctx context.Context, f fixture) error {
	events := numbered("private-a", 3)
	for what, cause := range map[failure]channel.Cause{
		fails: channel.Unavailable, limits: channel.Limited, disowns: channel.Misconfigured,
		cuts: channel.Unreachable, stalls: channel.TimedOut,
	} {
		f.always(what)
		outcomes, err := f.channel.Send(ctx, events)
		outage, ok := errors.AsType[*channel.Outage](err)
		if !ok || outage.Cause != cause {
			return fmt.Errorf("failure %d: error %w, want an outage, %s", what, err, cause)
		}
		for _, o := range outcomes {
			if o.State != channel.Waiting && o.State != channel.Unknown {
				return fmt.Errorf("failure %d: outcomes %s", what, states(outcomes))
			}
		}
		if len(outcomes) != len(events) {
			return fmt.Errorf("failure %d: %d outcomes of 3 events", what, len(outcomes))
		}
	}
	f.always(works)
	outcomes, err := f.channel.Send(ctx, events)
	return errors.Join(err, expectStates(outcomes, "DDD"), expectReceived(f, events))
}

func passesOnRetryAfter(ctx context.Context, f fixture) error {
	f.always(limits)
	_, err := f.channel.Send(ctx, numbered("private-a", 1))
	outage, ok := errors.AsType[*channel.Outage](err)
	if !ok || outage.RetryAfter != 7*time.Second {
		return fmt.Errorf("error %#v, want an outage of 7 s", err)
	}
	return nil
}

func admitsNotKnowing(ctx context.Context, f fixture) error {
	events := numbered("private-a", 3)
	f.always(loses)
	outcomes, err := f.channel.Send(ctx, events)
	if _, ok := errors.AsType[*channel.Outage](err); !ok {
		return fmt.Errorf("error %w, want an outage", err)
	}
	return errors.Join(expectStates(outcomes, "UUU"), expectReceived(f, events))
}

func remembers(ctx context.Context, f fixture) error {
	events := numbered("private-a", 25)
	calls := 0
	f.fail(func() failure {
		if calls++; calls == 3 {
			return disowns
		}
		return works
	})
	outcomes, err := f.channel.Send(ctx, events)
	if _, ok := errors.AsType[*channel.Outage](err); !ok {
		return fmt.Errorf("error %w, want an outage", err)
	}
	twenty := strings.Repeat("D", 20)
	return errors.Join(expectStates(outcomes, twenty+"WWWWW"), expectReceived(f, events[:20]))
}

func stops(ctx context.Context, f fixture) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	f.fail(func() failure {
		stop()
		return stalls
	})
	outcomes, err := f.channel.Send(ctx, numbered("private-a", 12))
	if _, ok := errors.AsType[*channel.Outage](err); ok || !errors.Is(err, context.Canceled) {
		return fmt.Errorf("error %w, want that of the context", err)
	}
	if got := states(outcomes); strings.Trim(got[:10], "UW") != "" || got[10:] != "WW" {
		return fmt.Errorf("outcomes %s", got)
	}
	return nil
}

func isSafe(ctx context.Context, f fixture) error {
	var callers sync.WaitGroup
	faults := make([]error, 8)
	for i := range faults {
		callers.Go(func() {
			events := numbered(fmt.Sprintf("private-encrypted-%d", i), 20)
			outcomes, err := f.channel.Send(ctx, events)
			faults[i] = errors.Join(err, expectStates(outcomes, strings.Repeat("D", 20)))
		})
	}
	callers.Wait()
	return errors.Join(faults...)
}

// survives drives a channel as a dispatcher does, through a service that does anything. At the end
// every event has arrived or was refused, and the first arrivals are in their order.
func survives(ctx context.Context, f fixture) error {
	for seed := range uint64(10) {
		random := rand.New(rand.NewPCG(seed, 6))
		var mu sync.Mutex
		f.fail(func() failure {
			mu.Lock()
			defer mu.Unlock()
			what := failure(random.IntN(3 * int(failures)))
			if what >= stalls { // which takes its time, and has properties of its own
				return works
			}
			return what
		})
		var left []channel.Event
		want := map[string][]string{}
		for i := range 60 {
			name := fmt.Sprintf("private-%d-%d", seed, random.IntN(5))
			e := channel.Event{Channel: name, Name: "x", Data: fmt.Appendf(nil, "%d", i)}
			if random.IntN(10) == 0 {
				e.Name = poison
			} else {
				want[e.Channel] = append(want[e.Channel], string(e.Data))
			}
			left = append(left, e)
		}
		for len(left) > 0 && ctx.Err() == nil {
			outcomes, err := f.channel.Send(ctx, left)
			if _, ok := errors.AsType[*channel.Outage](err); err != nil && !ok {
				return fmt.Errorf("seed %d: %w", seed, err)
			}
			var again []channel.Event
			for i, o := range outcomes {
				switch {
				case o.State == channel.Waiting, o.State == channel.Unknown:
					again = append(again, left[i])
				case (o.State == channel.Refused) != (left[i].Name == poison):
					return fmt.Errorf("seed %d: %s was %s", seed, text(left[i]), o.State)
				}
			}
			left = again
		}
		if err := arrived(f, want); err != nil {
			return fmt.Errorf("seed %d: %w", seed, err)
		}
	}
	return nil
}

func arrived(f fixture, want map[string][]string) error {
	got := map[string][]string{}
	for _, e := range f.received() {
		if !slices.Contains(got[e.Channel], string(e.Data)) {
			got[e.Channel] = append(got[e.Channel], string(e.Data))
		}
	}
	for name, data := range want {
		if !slices.Equal(got[name], data) {
			return fmt.Errorf("on %s arrived %v, want %v", name, got[name], data)
		}
	}
	return nil
}
