package channel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"

	"github.com/pusher/pusher-http-go/v5"
)

// maxAnswer is far above what Pusher says to a batch.
const maxAnswer = 64 << 10

// A call is one request to Pusher and what is known of it. Pusher's library takes
// no context and makes a string of what it is answered, so the call is its HTTP
// transport: it brings the deadline in, and status and headers out.
type call struct {
	ctx       context.Context
	transport http.RoundTripper
	sending   atomic.Bool

	answer answer
	asked  bool // the library found nothing wrong with what it was given
	sent   bool // the request went out, in part at least
	// err is why there is no answer: an *Outage, that of the caller's context, or the library's
	// where it did not ask.
	err error
}

func (p *Pusher) trigger(ctx context.Context, batch []pusher.Event) *call {
	return p.call(ctx, func(client pusher.Client) error {
		_, err := client.TriggerBatch(batch)
		return err
	})
}

// call has one request made by do.
func (p *Pusher) call(ctx context.Context, do func(pusher.Client) error) *call {
	limited, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	c := &call{ctx: limited, transport: p.transport}
	client := p.client
	client.HTTPClient = &http.Client{Transport: c, CheckRedirect: stay}
	err := do(client)
	c.sent = c.sending.Load()
	switch {
	case c.answer.status != 0:
		// Whatever the library makes of it, this is the answer.
	case !c.asked:
		c.err = err
	case ctx.Err() != nil:
		c.err = context.Cause(ctx)
	case limited.Err() != nil:
		c.err = &Outage{Cause: TimedOut, Err: fmt.Errorf("no answer in %s", p.timeout)}
	default:
		c.err = &Outage{Cause: Unreachable, Err: withoutURL(err)}
	}
	return c
}

// stay follows no redirect: a signed request is for the host that it was signed for.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// RoundTrip sends the library's request within the call's time and keeps the answer.
func (c *call) RoundTrip(r *http.Request) (*http.Response, error) {
	c.asked = true
	trace := &httptrace.ClientTrace{WroteHeaders: func() { c.sending.Store(true) }}
	response, err := c.transport.RoundTrip(r.Clone(httptrace.WithClientTrace(c.ctx, trace)))
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	_ = response.Body.Close() // what was read is all that counts
	c.answer = answer{
		status: response.StatusCode, retryAfter: response.Header.Get("Retry-After"),
		body: body, torn: err != nil,
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

// withoutURL takes the request's signature out of an error.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
