package httpapi_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
)

func (w *fixture) keyed(key, body string) answer {
	w.t.Helper()
	return w.ask("POST", "/v1/things", body, "Authorization", "Bearer "+w.token(nil),
		"Idempotency-Key", key)
}

func TestARepeatGetsWhatTheFirstMade(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	first := w.keyed("key-1", `{"name":"a","size":3}`)
	again := w.keyed("key-1", `{ "size":3, "name":"a" }`) // the same request in other letters
	if first.status != 201 || again.status != 201 || again.body["replay"] != true ||
		again.body["id"] != first.body["id"] {
		t.Errorf("first %s, again %s", first.raw, again.raw)
	}
	expect(t, w.keyed("key-1", `{"name":"b","size":3}`), 422, "idempotency-key-reused")
	if other := w.keyed("key-2", `{"name":"a","size":3}`); other.status != 201 ||
		other.body["id"] == first.body["id"] {
		t.Errorf("another key gave %s", other.raw)
	}
	for range 2 {
		if a := w.keyed("", `{"name":"a","size":3}`); a.status != 201 || a.body["replay"] == true {
			t.Errorf("without a key: %d %s", a.status, a.raw)
		}
	}
	if n := w.worked.Load(); n != 4 {
		t.Errorf("the work was done %d times, want 4", n)
	}
	expect(t, w.keyed(strings.Repeat("k", 256), `{"name":"a"}`), 422, "invalid-request")
	expect(t, w.keyed("two words", `{"name":"a"}`), 422, "invalid-request")
}

func TestAKeyBelongsToItsUser(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	colleague := w.db.Member(t, w.org, "member")
	first := w.keyed("key-1", `{"name":"a"}`)
	theirs := w.post1(w.token(map[string]any{"sub": colleague.Subject}), "Idempotency-Key", "key-1")
	if theirs.status != 201 || theirs.body["replay"] == true ||
		theirs.body["id"] == first.body["id"] {
		t.Errorf("a colleague got %d %s", theirs.status, theirs.raw)
	}
}

func TestWhileTheFirstRunsTheSecondWaits(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	running, release := make(chan struct{}), make(chan struct{})
	w.work = func(context.Context, pgx.Tx) error {
		close(running)
		<-release
		return nil
	}
	var first answer
	var all sync.WaitGroup
	all.Go(func() { first = w.keyed("key-1", `{"name":"a"}`) })
	<-running
	second := w.keyed("key-1", `{"name":"a"}`)
	expect(t, second, 409, "request-in-progress")
	if second.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q", second.header.Get("Retry-After"))
	}
	close(release)
	all.Wait()
	third := w.keyed("key-1", `{"name":"a"}`)
	if first.status != 201 || third.body["id"] != first.body["id"] || third.body["replay"] != true {
		t.Errorf("first %s, third %s", first.raw, third.raw)
	}
}

// A colleague who thought of the same key is not in the way while the first request runs.
func TestAColleaguesKeyIsNotInTheWay(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	colleague := w.db.Member(t, w.org, "member")
	running, release := make(chan struct{}), make(chan struct{})
	var works atomic.Int32
	w.work = func(context.Context, pgx.Tx) error {
		if works.Add(1) == 1 {
			close(running)
			<-release
		}
		return nil
	}
	var all sync.WaitGroup
	all.Go(func() { w.keyed("key-1", `{"name":"a"}`) })
	<-running
	if a := w.post1(w.token(map[string]any{"sub": colleague.Subject}), "Idempotency-Key",
		"key-1"); a.status != 201 {
		t.Errorf("a colleague got %d %s", a.status, a.raw)
	}
	close(release)
	all.Wait()
}

func TestSixteenAtOnceMakeOneThing(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	urls := w.instances(4)
	token := w.token(nil)
	ids := make(chan any, 16)
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			mine := &fixture{t: t, url: urls[i%len(urls)]}
			for {
				a, err := mine.try("POST", "/v1/things", `{"name":"a"}`, "Authorization",
					"Bearer "+token, "Idempotency-Key", "key-1")
				if err == nil && a.status == 409 && a.code() == "request-in-progress" {
					continue
				}
				if err != nil || a.status != 201 {
					t.Errorf("answered %d %s, %v", a.status, a.raw, err)
				}
				ids <- a.body["id"]
				return
			}
		})
	}
	all.Wait()
	first := <-ids
	for range 15 {
		if id := <-ids; id != first {
			t.Errorf("two things: %v and %v", first, id)
		}
	}
	if n := w.worked.Load(); n != 1 {
		t.Errorf("the work was done %d times, want 1", n)
	}
}

func TestWhatFailedLeavesTheKeyFree(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.work = func(context.Context, pgx.Tx) error { return errors.New("the Lambda died here") }
	expect(t, w.keyed("key-1", `{"name":"a"}`), 500, "internal")
	w.work = func(context.Context, pgx.Tx) error { panic("or here") }
	expect(t, w.keyed("key-1", `{"name":"a"}`), 500, "internal")
	w.work = nil
	if a := w.keyed("key-1", `{"name":"a"}`); a.status != 201 || a.body["replay"] == true {
		t.Errorf("the next try got %d %s", a.status, a.raw)
	}
}

func TestAnExpiredKeyIsFree(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	first := w.keyed("key-1", `{"name":"a"}`)
	w.exec(
		`UPDATE idempotency_keys SET created_at = created_at - interval '25 hours',
			expires_at = expires_at - interval '25 hours'`)
	second := w.keyed("key-1", `{"name":"b"}`)
	if second.status != 201 || second.body["id"] == first.body["id"] {
		t.Errorf("after expiry: %d %s", second.status, second.raw)
	}
	if third := w.keyed("key-1", `{"name":"b"}`); third.body["id"] != second.body["id"] ||
		third.body["replay"] != true {
		t.Errorf("the new request is not remembered: %s", third.raw)
	}
	if n := w.count(
		`SELECT count(*) FROM idempotency_keys
			WHERE expires_at > now() + interval '23 hours'`); n != 1 {
		t.Errorf("%d fresh keys, want 1", n)
	}
}
