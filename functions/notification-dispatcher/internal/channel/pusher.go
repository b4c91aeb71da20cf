package channel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pusher/pusher-http-go/v5"
)

// DefaultTimeout of one call to Pusher.
const DefaultTimeout = 5 * time.Second

// Config of Pusher Channels.
type Config struct {
	AppID, Key, Secret string
	// Cluster is where the app is, for example eu. Not needed with Host.
	Cluster string
	// Host is what to call in place of the cluster: host or host:port over TLS, or
	// with http:// before it in clear.
	Host string
	// EncryptionKey of the private-encrypted- channels: 32 bytes in base64; "" where there are
	// none.
	EncryptionKey string
	// Timeout of one call, from connecting to the end of the answer; 0 means DefaultTimeout.
	Timeout time.Duration
}

// Pusher is a Pusher Channels app. It is safe for concurrent use.
type Pusher struct {
	client    pusher.Client
	transport http.RoundTripper
	timeout   time.Duration
	now       func() time.Time
}

var appID = regexp.MustCompile(`^[0-9A-Za-z_-]+$`)

// New checks the configuration and connects to nothing.
func New(c Config) (*Pusher, error) {
	host, secure, err := c.address()
	var faults []error
	check := func(ok bool, fault string) {
		if !ok {
			faults = append(faults, errors.New(fault))
		}
	}
	check(appID.MatchString(c.AppID), "the app id is missing or has characters that none has")
	check(c.Key != "", "the key is missing")
	check(c.Secret != "", "the secret is missing")
	if err := errors.Join(append(faults, err)...); err != nil {
		return nil, fmt.Errorf("configure Pusher: %w", err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 16
	p := &Pusher{
		client: pusher.Client{
			AppID: c.AppID, Key: c.Key, Secret: c.Secret, Host: host, Secure: secure,
			EncryptionMasterKeyBase64: c.EncryptionKey,
		},
		transport: transport,
		timeout:   cmp.Or(c.Timeout, DefaultTimeout),
		now:       time.Now,
	}
	// The library decodes the key when it first needs it, which is not safe in concurrent
	// calls; and a key that is none should be known now.
	probe := []byte("channel_name=" + encryptedPrefix + "x&socket_id=1.1")
	if _, err := p.client.AuthorizePrivateChannel(probe); err != nil && c.EncryptionKey != "" {
		return nil, errors.New("configure Pusher: the encryption key is not 32 bytes in base64")
	}
	return p, nil
}

func (c Config) address() (host string, secure bool, err error) {
	if c.Host == "" {
		if !appID.MatchString(c.Cluster) {
			return "", false, errors.New("the cluster is missing or has characters that none has")
		}
		return "api-" + c.Cluster + ".pusher.com", true, nil
	}
	raw := strings.TrimSuffix(c.Host, "/")
	if !strings.Contains(raw, "://") {
		raw = "https://" + raw
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") ||
		*u != (url.URL{Scheme: u.Scheme, Host: u.Host}) {
		return "", false, errors.New("the host is not host, host:port or a URL of only these")
	}
	return u.Host, u.Scheme == "https", nil
}

// Send gives events to Pusher, as many as there are, in calls of at most MaxBatch.
//
// There is one outcome for each event, also with an error. The error is an *Outage
// when Pusher as a whole is to be left alone for a while, or that of ctx, which
// should leave room for a call: one that is cut short leaves Unknown behind.
//
// A call that Pusher refuses is halved until the event at fault stands alone.
// After an event that was refused, no later event of its channel is sent: it is
// Waiting, so that the caller decides whether the refused one comes first, in
// another form, or never.
func (p *Pusher) Send(ctx context.Context, events []Event) ([]Outcome, error) {
	s := &sending{
		pusher: p, events: events, outcomes: make([]Outcome, len(events)), held: map[string]int{},
	}
	var fit []int
	for i, e := range events {
		if s.isHeld(i) {
			continue
		}
		outcome, ok := examine(e)
		if !ok {
			s.refuse(i, outcome)
			continue
		}
		fit = append(fit, i)
	}
	for batch := range slices.Chunk(fit, MaxBatch) {
		if err := s.send(ctx, batch); err != nil {
			return s.outcomes, fmt.Errorf("send %d events to Pusher: %w", len(batch), err)
		}
	}
	return s.outcomes, nil
}

// sending is one Send under way.
type sending struct {
	pusher   *Pusher
	events   []Event
	outcomes []Outcome
	held     map[string]int // by channel: the first event that was refused
}

// isHeld says whether an event comes after one of its channel that was refused.
func (s *sending) isHeld(i int) bool {
	first, ok := s.held[s.events[i].Channel]
	return ok && first < i
}

// refuse leaves what comes after the event in its channel for another time.
func (s *sending) refuse(i int, o Outcome) {
	s.outcomes[i] = o
	s.held[s.events[i].Channel] = i
	for later := i + 1; later < len(s.events); later++ {
		if s.isHeld(later) {
			s.outcomes[later] = Outcome{}
		}
	}
}

// send calls Pusher with the events of these indices, none of which was refused yet.
func (s *sending) send(ctx context.Context, batch []int) error {
	batch = slices.DeleteFunc(slices.Clone(batch), s.isHeld)
	if len(batch) == 0 {
		return nil
	}
	call := s.pusher.trigger(ctx, s.choose(batch))
	if !call.asked {
		o := Outcome{State: Refused, Reason: Invalid, Detail: call.err.Error()}
		return s.refused(ctx, batch, o)
	}
	if call.err != nil {
		if call.sent {
			s.mark(batch, Outcome{State: Unknown})
		}
		return call.err
	}
	switch verdict, outage := call.answer.judge(s.pusher.now()); verdict {
	case accepted:
		s.mark(batch, Outcome{State: Delivered})
	case refused:
		return s.refused(ctx, batch, call.answer.outcome())
	case failed:
		if call.answer.maybeDelivered() {
			s.mark(batch, Outcome{State: Unknown})
		}
		return outage
	}
	return nil
}

// refused finds the event at fault by halves.
func (s *sending) refused(ctx context.Context, batch []int, o Outcome) error {
	if len(batch) == 1 {
		s.refuse(batch[0], o)
		return nil
	}
	half := len(batch) / 2
	if err := s.send(ctx, batch[:half]); err != nil {
		return err
	}
	return s.send(ctx, batch[half:])
}

func (s *sending) choose(batch []int) []pusher.Event {
	chosen := make([]pusher.Event, len(batch))
	for i, index := range batch {
		e := s.events[index]
		chosen[i] = pusher.Event{Channel: e.Channel, Name: e.Name, Data: e.Data}
	}
	return chosen
}

func (s *sending) mark(batch []int, o Outcome) {
	for _, i := range batch {
		s.outcomes[i] = o
	}
}
