package channel

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter bounds what a service may ask for: a header that is wrong by
// years must not stop everything for years.
const maxRetryAfter = time.Hour

// maxDetail characters of an answer are kept for people.
const maxDetail = 200

// answer is what Pusher said to a request.
type answer struct {
	status     int
	retryAfter string
	body       []byte
	torn       bool // the body broke off
}

// verdict on a request.
type verdict int

const (
	accepted verdict = iota
	refused          // because of what is in it
	failed           // because of the service
)

// judge tells what a request's events did from what the service did. 413 and the
// other 4xx are about an event, except those that would be the answer to any.
func (a answer) judge(now time.Time) (verdict, *Outage) {
	switch {
	case a.status >= 200 && a.status < 300:
		// A status is an answer, even if the connection broke after it. But a whole body
		// that is no JSON object was not written by Pusher.
		if a.torn || isObject(a.body) {
			return accepted, nil
		}
		return failed, a.outage(Misconfigured, now)
	case a.status >= 500, a.status == http.StatusRequestTimeout, a.status == http.StatusTooEarly:
		return failed, a.outage(Unavailable, now)
	case a.status == http.StatusTooManyRequests:
		return failed, a.outage(Limited, now)
	case a.status < 400:
		return failed, a.outage(Misconfigured, now)
	}
	switch a.status {
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden,
		http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusProxyAuthRequired,
		http.StatusGone, http.StatusMisdirectedRequest, http.StatusUpgradeRequired:
		return failed, a.outage(Misconfigured, now)
	}
	return refused, nil
}

func (a answer) outage(cause Cause, now time.Time) *Outage {
	return &Outage{
		Cause: cause, Status: a.status, RetryAfter: wait(a.retryAfter, now),
		Err: fmt.Errorf("answered %d: %s", a.status, a.detail()),
	}
}

// maybeDelivered says whether a request that failed with this answer can have been accepted all
// the same: a gateway gives up on a service that goes on.
func (a answer) maybeDelivered() bool {
	return a.status < 300 || a.status >= 500 || a.status == http.StatusRequestTimeout
}

func (a answer) outcome() Outcome {
	reason := Rejected
	if a.status == http.StatusRequestEntityTooLarge {
		reason = TooLarge
	}
	return Outcome{State: Refused, Reason: reason, Status: a.status, Detail: a.detail()}
}

// detail is the answer's beginning, on one line.
func (a answer) detail() string {
	text := strings.Join(strings.Fields(strings.ToValidUTF8(string(a.body), "?")), " ")
	if letters := []rune(text); len(letters) > maxDetail {
		return string(letters[:maxDetail]) + "…"
	}
	return text
}

func isObject(body []byte) bool {
	return json.Valid(body) && bytes.HasPrefix(bytes.TrimSpace(body), []byte("{"))
}

// wait reads a Retry-After header: seconds or a date (RFC 9110, 10.2.3). One that cannot be read
// says 0.
func wait(header string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(header); err == nil {
		return min(time.Duration(max(seconds, 0)), maxRetryAfter/time.Second) * time.Second
	}
	if date, err := http.ParseTime(header); err == nil {
		return min(max(date.Sub(now), 0), maxRetryAfter)
	}
	return 0
}
