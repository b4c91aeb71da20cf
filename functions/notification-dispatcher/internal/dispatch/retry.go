package dispatch

import (
	"math/rand/v2"
	"time"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/channel"
)

const (
	firstRetry  = 2 * time.Second
	longestWait = 10 * time.Minute
)

// backoff is how long to wait after so many failures in a row: it doubles from first, and jitter,
// from 0 to 1, spreads it over its upper half. asked, what the service asks for, is the least.
func backoff(failures int, asked time.Duration, jitter float64) time.Duration {
	wait := longestWait
	if failures < 10 {
		wait = min(firstRetry<<max(failures-1, 0), longestWait)
	}
	wait = wait/2 + time.Duration(jitter*float64(wait/2))
	return max(wait, asked)
}

func jitter() float64 { return rand.Float64() }

// fate is what becomes of a job.
type fate string

const (
	waits     fate = "waits"     // as it was: nothing was held against it
	delivered fate = "delivered" // also a catch-up, whose events are folded then
	retries   fate = "retries"
	shrinks   fate = "shrinks" // sent again at once, smaller
	dies      fate = "dies"
)

// judge decides what becomes of an event after an outcome. attempts are those before it.
func judge(o channel.Outcome, attempts, most int, small bool) fate {
	switch o.State {
	case channel.Delivered:
		return delivered
	case channel.Waiting, channel.Unknown:
		return waits
	}
	switch {
	case o.Reason == channel.Invalid:
		return dies // the same again would be refused again
	case o.Reason == channel.TooLarge && !small:
		return shrinks
	case attempts+1 >= most:
		return dies
	}
	return retries
}

// reason is why an event died, for people.
func reason(o channel.Outcome) string {
	text := "refused by Pusher: " + string(o.Reason)
	if o.Detail != "" {
		text += ": " + o.Detail
	}
	return text
}
