package channel_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/channel"
	"github.com/toolboxai-solutions/satchel/infra/local/channels"
)

// stranger is an app of no server of these tests.
var stranger = channel.Config{
	AppID: "1", Key: "key", Secret: "planted-secret", Cluster: "eu", EncryptionKey: encryptionKey,
}

func sendOne(t *testing.T, c channel.Config) (channel.Outcome, *channel.Outage) {
	t.Helper()
	outcomes, err := connect(t, c).Send(deadline(t), numbered("private-a", 1))
	outage, ok := errors.AsType[*channel.Outage](err)
	if err != nil && !ok {
		t.Fatal(err)
	}
	said := fmt.Sprint(err)
	if strings.Contains(said, c.Secret) || strings.Contains(said, "auth_signature") {
		t.Errorf("a secret or a signed URL is in the error %q", said)
	}
	return outcomes[0], outage
}

func TestATornAnswerIsAnAnswer(t *testing.T) {
	t.Parallel()
	server := serve(t, channels.Options{})
	server.Disturb(func(*http.Request) channels.Fault { return channels.Fault{Torn: true} })
	if o, outage := sendOne(t, config(server)); o.State != channel.Delivered || outage != nil {
		t.Errorf("%s, %v", o.State, outage)
	}
}

// TestASlowAnswerIsBounded: the time is that of the whole call, however the answer's bytes are
// spread.
func TestASlowAnswerIsBounded(t *testing.T) {
	t.Parallel()
	server := serve(t, channels.Options{})
	server.Disturb(func(*http.Request) channels.Fault {
		return channels.Fault{Trickle: 2 * time.Minute}
	})
	c := config(server)
	c.Timeout = time.Second
	// The status may or may not have come by then; what counts is that the call ended.
	if o, _ := sendOne(t, c); o.State != channel.Delivered && o.State != channel.Unknown {
		t.Errorf("%s", o.State)
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	server := serve(t, channels.Options{})
	c := config(server)
	gone, err := channels.Start(channels.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c.Host = "http://" + gone.Host
	if err := gone.Stop(); err != nil {
		t.Fatal(err)
	}
	o, outage := sendOne(t, c)
	if o.State != channel.Waiting || outage == nil || outage.Cause != channel.Unreachable {
		t.Errorf("%s, %v", o.State, outage)
	}
}

func TestWrongCredentialsAreNoEventsFault(t *testing.T) {
	t.Parallel()
	server := serve(t, channels.Options{})
	for name, change := range map[string]func(*channel.Config){
		"secret": func(c *channel.Config) { c.Secret = "wrong-secret" },
		"key":    func(c *channel.Config) { c.Key = "wrong" },
		"app id": func(c *channel.Config) { c.AppID = "404" },
	} {
		c := config(server)
		change(&c)
		o, outage := sendOne(t, c)
		if o.State != channel.Waiting || outage == nil || outage.Cause != channel.Misconfigured {
			t.Errorf("%s: %s, %v", name, o.State, outage)
		}
	}
}

func TestQuotaIsAnOutageWithAnEnd(t *testing.T) {
	t.Parallel()
	server := serve(t, channels.Options{Quota: 15, QuotaWindow: time.Hour})
	outcomes, err := connect(t, config(server)).Send(deadline(t), numbered("private-a", 25))
	outage, ok := errors.AsType[*channel.Outage](err)
	if !ok || outage.Cause != channel.Limited || outage.RetryAfter < 50*time.Minute {
		t.Errorf("error %v", err)
	}
	if got := states(outcomes); got != strings.Repeat("D", 10)+strings.Repeat("W", 15) {
		t.Errorf("outcomes %s", got)
	}
}

// TestAnotherServer: a host that answers everything with a page must not pass for Pusher, nor be
// followed elsewhere.
func TestAnotherServer(t *testing.T) {
	t.Parallel()
	var followed atomic.Bool
	mux := http.NewServeMux()
	mux.HandleFunc("POST /apps/1/batch_events", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/elsewhere", func(http.ResponseWriter, *http.Request) { followed.Store(true) })
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("<html>Welcome"))
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	for app, state := range map[string]channel.State{"1": channel.Waiting, "2": channel.Unknown} {
		c := stranger
		c.AppID, c.Host = app, server.URL
		o, outage := sendOne(t, c)
		if o.State != state || outage == nil || outage.Cause != channel.Misconfigured {
			t.Errorf("app %s: %s, %v", app, o.State, outage)
		}
	}
	if followed.Load() {
		t.Error("a signed request was sent on")
	}
}

// TestWithoutASchemeItIsTLS: nothing leaves in clear by omission.
func TestWithoutASchemeItIsTLS(t *testing.T) {
	t.Parallel()
	var asked atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked.Store(true)
	}))
	t.Cleanup(server.Close)
	c := stranger
	c.Host = strings.TrimPrefix(server.URL, "http://")
	if o, outage := sendOne(t, c); o.State == channel.Delivered || outage == nil || asked.Load() {
		t.Errorf("%s, %v, asked in clear: %v", o.State, outage, asked.Load())
	}
}

func TestADeadContextSendsNothing(t *testing.T) {
	t.Parallel()
	var seen accepted
	server := serve(t, channels.Options{OnEvent: seen.add})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	outcomes, err := connect(t, config(server)).Send(ctx, numbered("private-a", 2))
	if !errors.Is(err, context.Canceled) || states(outcomes) != "WW" || len(seen.list()) != 0 {
		t.Errorf("%s, %v, accepted %d", states(outcomes), err, len(seen.list()))
	}
}

func TestNewNamesEveryFault(t *testing.T) {
	t.Parallel()
	good := stranger
	if _, err := channel.New(good); err != nil {
		t.Error(err)
	}
	_, err := channel.New(channel.Config{AppID: "1/2", EncryptionKey: encryptionKey})
	for _, fault := range []string{"app id", "key", "secret", "cluster"} {
		if err == nil || !strings.Contains(err.Error(), "the "+fault) {
			t.Errorf("%s is not in %v", fault, err)
		}
	}
	for _, host := range []string{
		"ftp://x", "http://", "http://x/path", "http://user:pass@x", "https://x?y",
		"x#y", "a b",
	} {
		c := good
		c.Host = host
		if _, err := channel.New(c); err == nil {
			t.Errorf("host %q was accepted", host)
		}
	}
	for _, key := range []string{"short", "bm90IDMyIGJ5dGVz"} {
		c := good
		c.EncryptionKey = key
		_, err := channel.New(c)
		if err == nil || strings.Contains(err.Error(), key) {
			t.Errorf("encryption key %q: %v", key, err)
		}
	}
}
