package channels_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/toolboxai-solutions/satchel/infra/local/channels"
)

// post signs a request that Pusher's library does not have.
func post(t *testing.T, s *channels.Server, path string) {
	t.Helper()
	query := fmt.Sprintf("auth_key=%s&auth_timestamp=%d&auth_version=1.0", s.Key, time.Now().Unix())
	mac := hmac.New(sha256.New, []byte(s.Secret))
	mac.Write([]byte("POST\n" + path + "\n" + query))
	query += "&auth_signature=" + hex.EncodeToString(mac.Sum(nil))
	answer, err := http.Post("http://"+s.Host+path+"?"+query, "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", path, answer.Status)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault    channels.Fault
		accepted int32
		status   int // 0: no answer
	}{
		"none":                     {channels.Fault{}, 1, 200},
		"status":                   {channels.Fault{Status: 503, RetryAfter: "7"}, 0, 503},
		"cut":                      {channels.Fault{Cut: true}, 0, 0},
		"cut after accepting":      {channels.Fault{Cut: true, Handle: true}, 1, 0},
		"hang":                     {channels.Fault{Hang: true}, 0, 0},
		"hang after accepting":     {channels.Fault{Hang: true, Handle: true}, 1, 0},
		"torn":                     {channels.Fault{Torn: true}, 1, 200},
		"trickle":                  {channels.Fault{Trickle: time.Millisecond}, 1, 200},
		"late":                     {channels.Fault{Delay: time.Millisecond}, 1, 200},
		"late, and then not there": {channels.Fault{Delay: time.Millisecond, Status: 500}, 0, 500},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var accepted atomic.Int32
			patience, giveUp := context.WithCancel(t.Context())
			s := start(t, channels.Options{OnEvent: func(channels.Event) {
				if accepted.Add(1); c.fault.Hang {
					giveUp()
				}
			}})
			s.Disturb(func(*http.Request) channels.Fault {
				if c.fault.Hang && !c.fault.Handle {
					giveUp()
				}
				return c.fault
			})
			p, last := publisher(s), &lastAnswer{patience: patience}
			p.HTTPClient = &http.Client{Transport: last}
			err := p.Trigger("private-a", "x", "1")
			if accepted.Load() != c.accepted || last.status != c.status {
				t.Errorf("accepted %d, status %d (%v)", accepted.Load(), last.status, err)
			}
			if c.fault.Torn && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("a torn answer is read as %v", err)
			}
			if last.retryAfter != c.fault.RetryAfter {
				t.Errorf("Retry-After %q", last.retryAfter)
			}
			s.Disturb(nil)
			p = publisher(s)
			if err := p.Trigger("private-a", "x", "1"); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}
