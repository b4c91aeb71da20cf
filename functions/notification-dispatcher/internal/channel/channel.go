// Package channel takes events to browsers, through Pusher Channels.
//
// A channel makes three promises, whatever happens to it on the way: it says of
// each event what became of it; what it delivered of one Pusher channel in one
// Send is the beginning of what was given for it, so that nothing overtakes; and
// what is nobody's fault but its own (Outage) is never held against an event.
// The conformance suite in this package's tests holds any channel to them.
package channel

import (
	"fmt"
	"strings"
	"time"
)

// Event is one message for one Pusher channel.
type Event struct {
	Channel string
	Name    string
	// Data is JSON. On a private-encrypted- channel it leaves encrypted.
	Data []byte
}

// State is what became of an event.
type State int

const (
	// Waiting was not sent, or turned away with all others: give it again.
	Waiting State = iota
	// Delivered was accepted. Pusher promises no more than that: whoever is not
	// connected never gets it.
	Delivered
	// Unknown was sent, and no answer came that says whether it was accepted: give it
	// again, with the same id in its data, by which a client drops a repeat.
	Unknown
	// Refused was not accepted because of what it is; see Reason.
	Refused
)

func (s State) String() string {
	return [...]string{"waiting", "delivered", "unknown", "refused"}[s]
}

// Reason is why an event was refused.
type Reason string

const (
	// TooLarge has more than MaxData bytes: a smaller event may stand for it.
	TooLarge Reason = "too_large"
	// Invalid has a name or a channel that no channel would take: the same will never be accepted.
	Invalid Reason = "invalid"
	// Rejected was answered so by Pusher, alone in its request.
	Rejected Reason = "rejected"
)

// Outcome of one event.
type Outcome struct {
	State  State
	Reason Reason // of Refused
	Status int    // of Pusher's answer to a Refused event; 0 when it was not asked
	Detail string // what that answer said, cut short
}

// Cause of an outage.
type Cause string

const (
	// Unreachable: no connection, or one that broke.
	Unreachable Cause = "unreachable"
	// TimedOut: no answer in the time that a call is given.
	TimedOut Cause = "timed_out"
	// Unavailable: the service says that it failed (5xx).
	Unavailable Cause = "unavailable"
	// Limited: the service takes no more for now (429).
	Limited Cause = "limited"
	// Misconfigured: the service does not take us for its app (401, 403, 404, a
	// redirect, an answer that is not Pusher's). A person has to repair it.
	Misconfigured Cause = "misconfigured"
)

// Outage is a failure of the channel as a whole and of no event.
type Outage struct {
	Cause  Cause
	Status int // of the answer; 0 when there was none
	// RetryAfter is how long the service asks to be left alone, at most
	// maxRetryAfter; 0 when it does not say.
	RetryAfter time.Duration
	Err        error
}

func (o *Outage) Error() string {
	return fmt.Sprintf("channel is %s: %v", strings.ReplaceAll(string(o.Cause), "_", " "), o.Err)
}

func (o *Outage) Unwrap() error { return o.Err }
