package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/objectkey"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
)

// deliver takes an object to its end as the queue does: again and again while it comes back.
func (w *fixture) deliver(ctx context.Context, o Object) error {
	for try := 0; ; try++ {
		result, err := w.processor.Process(ctx, o)
		if result.Outcome == OutcomeEarly {
			w.due()
			continue
		}
		if err == nil || fault.KindOf(err) != fault.Temporary || try == 1000 {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// As long as a worker may write, nobody else gets its file.
func TestALeaseOutlivesItsWorker(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	deadline := time.Now().Add(10 * time.Minute)
	ctx, cancel := context.WithDeadline(t.Context(), deadline)
	defer cancel()
	w.processor.S3 = s3Client(t, &faultyStore{before: func(n int64, _ *http.Request) {
		if n == 1 {
			expect(t, w.row(`SELECT lease_until > $1 AS outlives FROM file_uploads`, deadline),
				map[string]any{"outlives": true})
		}
	}})
	_, object := w.send(upload{name: "a.txt", mime: "text/plain", content: []byte("text")})
	if result, err := w.processor.Process(ctx, object); result.Outcome != OutcomeAvailable {
		t.Errorf("%+v, %v", result, err)
	}
}

func TestSurplusIsDeleted(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	other := fixtureOn(t, w.Database)
	reserved := w.reserve(&upload{name: "a.txt", mime: "text/plain", content: []byte("text")})
	deleted := w.reserve(&upload{name: "b.txt", mime: "text/plain", content: []byte("text")})
	w.exec(`DELETE FROM files WHERE id = $1`, deleted.File)
	for name, key := range map[string]string{
		"never reserved": objectkey.Incoming(w.organization, uuid.New(), 1),
		"another tenant's file under our own": objectkey.Incoming(other.organization, reserved.File,
			1),
		"no such tenant":              objectkey.Incoming(uuid.New(), reserved.File, 1),
		"another version of the file": objectkey.Incoming(w.organization, reserved.File, 2),
		"deleted row":                 incomingKey(deleted),
	} {
		object := w.put(key, []byte("text"))
		if result := w.process(object); result.Outcome != OutcomeSuperseded {
			t.Errorf("%s: %+v", name, result)
		}
		parsed, err := objectkey.ParseIncoming(key)
		must(t, err)
		if left := w.objects(parsed); len(left) != 0 {
			t.Errorf("%s: left are %v", name, left)
		}
		if result := w.process(object); result.Outcome != OutcomeSuperseded {
			t.Errorf("%s, again: %+v", name, result)
		}
	}
	expect(t, w.file(reserved), map[string]any{"status": "pending"})
	expect(t, w.row(`SELECT attempts, object_version FROM file_uploads`),
		map[string]any{"attempts": 0, "object_version": nil})
}

func TestForeignObjectsAreLeftAlone(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	key, object := w.send(upload{name: "a.txt", mime: "text/plain", content: []byte("text")})
	before := w.state(key)
	stray := w.put("incoming/stray-"+uuid.NewString(), []byte("text"))
	for _, o := range []Object{
		stray, {Bucket: "files", Key: object.Key, Version: object.Version},
		{Bucket: "incoming", Key: objectkey.Incoming(uuid.Nil, key.File, 1),
			Version: object.Version},
		{Bucket: "incoming", Key: "incoming/" + strings.ToUpper(w.organization.String()) +
			"/" + key.File.String() + "/1", Version: object.Version},
	} {
		if result := w.process(o); result.Outcome != OutcomeUnknownKey {
			t.Errorf("%+v: %+v", o, result)
		}
	}
	w.get("incoming", stray.Key)
	if after := w.state(key); after != before {
		t.Errorf("a file changed from\n%s\nto\n%s", before, after)
	}
	if _, err := w.processor.Process(t.Context(),
		Object{Bucket: "incoming", Key: object.Key}); err == nil {
		t.Error("an object without a version was taken")
	}
}

func TestSameEventAtOnce(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	key, object := w.send(upload{name: "a.jpg", mime: "image/jpeg", content: sampleJPEG(t)})
	var outcomes []Outcome
	var lock sync.Mutex
	var workers errgroup.Group
	for range 5 {
		workers.Go(func() error {
			result, err := w.processor.Process(t.Context(), object)
			lock.Lock()
			defer lock.Unlock()
			outcomes = append(outcomes, result.Outcome)
			if result.Outcome == OutcomeBusy && fault.KindOf(err) == fault.Temporary {
				return nil
			}
			return err
		})
	}
	must(t, workers.Wait())
	ends := 0
	for _, o := range outcomes {
		if o == OutcomeAvailable {
			ends++
		}
	}
	if ends != 1 {
		t.Errorf("outcomes %v, want available once", outcomes)
	}
	w.expectAvailable(key, sampleJPEG(t))
	w.process(object) // a sixth, late
	w.expectAvailable(key, sampleJPEG(t))
}

func TestReorderedVersions(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	key, first := w.send(upload{name: "a.txt", mime: "text/plain", content: []byte("one")})
	second := w.put(incomingKey(key), []byte("two"))
	if result := w.process(second); result.Outcome != OutcomeAvailable {
		t.Fatalf("%+v", result)
	}
	if result := w.process(first); result.Outcome != OutcomeSuperseded {
		t.Fatalf("%+v", result)
	}
	w.expectAvailable(key, []byte("two"))
}

// One form sent two hundred times, at once and in any order: one file, one version, and the quota
// of one.
func TestOneFormForManyUploads(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	const uploads = 200
	var sent []Object
	content := map[string][]byte{}
	key := w.reserve(&upload{name: "a.txt", mime: "text/plain", declare: 8})
	for i := range uploads {
		text := fmt.Appendf(nil, "text %03d", i)
		object := w.put(incomingKey(key), text)
		content[object.Version] = text
		sent = append(sent, object)
	}
	rand.Shuffle(len(sent), func(i, j int) { sent[i], sent[j] = sent[j], sent[i] })
	var workers errgroup.Group
	workers.SetLimit(8)
	for _, object := range slices.Concat(sent, sent[:20]) {
		workers.Go(func() error { return w.deliver(t.Context(), object) })
	}
	must(t, workers.Wait())
	_, served := w.get("files", objectkey.Original(w.organization, key.File, 1, w.fence(key)))
	w.expectAvailable(key, served)
	if len(content) != uploads || !slices.ContainsFunc(sent,
		func(o Object) bool { return bytes.Equal(content[o.Version], served) }) {
		t.Errorf("served is %q, of %d versions", served, len(content))
	}
}

func TestLeaseOfADeadWorker(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	key, object := w.send(upload{name: "a.txt", mime: "text/plain", content: []byte("text")})
	killed, what, err := w.processor.claim(t.Context(), key, object.Version, time.Hour)
	if err != nil || what != proceed {
		t.Fatal(what, err)
	}
	result, err := w.processor.Process(t.Context(), object)
	if result.Outcome != OutcomeBusy || fault.KindOf(err) != fault.Temporary {
		t.Fatalf("%+v, %v", result, err)
	}
	w.expireLease()
	if result := w.process(object); result.Attempt != 2 || result.Outcome != OutcomeAvailable {
		t.Fatalf("%+v", result)
	}
	w.expectAvailable(key, []byte("text"))
	// It was not dead, only slow: nothing of what it does counts any more.
	if how, err := w.processor.settle(t.Context(), killed,
		finding{reason: storedfile.CorruptImage}); how != leaseLost || err != nil {
		t.Errorf("the slow worker: %s, %v", how, err)
	}
	must(t, w.processor.endLease(t.Context(), killed, "late", true))
	w.expectAvailable(key, []byte("text"))
}

// While two workers hold claims, only the later one may end anything.
func TestOnlyTheLatestClaimCounts(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	key, object := w.send(upload{name: "a.txt", mime: "text/plain", content: []byte("text")})
	processor := w.processor
	slow, _, err := processor.claim(t.Context(), key, object.Version, time.Hour)
	must(t, err)
	w.expireLease()
	latest, what, err := processor.claim(t.Context(), key, object.Version, time.Hour)
	if what != proceed || err != nil {
		t.Fatal(what, err)
	}
	before := w.state(key)
	if how, err := processor.settle(t.Context(), slow,
		finding{reason: storedfile.CorruptImage}); how != leaseLost || err != nil {
		t.Errorf("the slow worker settles: %s, %v", how, err)
	}
	must(t, processor.endLease(t.Context(), slow, "late", true))
	expect(t, w.row(`SELECT lease_until > now() AS held, last_error FROM file_uploads`),
		map[string]any{"held": true, "last_error": nil})
	w.sweep(key) // it lists what it may have stored
	if after := w.state(key); after != before {
		t.Errorf("the slow worker changed\n%s\nto\n%s", before, after)
	}
	if how, err := processor.settle(t.Context(), latest,
		finding{reason: storedfile.CorruptImage}); how != settled || err != nil {
		t.Errorf("the latest worker settles: %s, %v", how, err)
	}
	w.expectGivenBack()
}

// The first version that is claimed wins, also over one that comes while its worker is dead.
func TestClaimedVersionWins(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	key, first := w.send(upload{name: "a.txt", mime: "text/plain", content: []byte("one")})
	second := w.put(incomingKey(key), []byte("two"))
	_, _, err := w.processor.claim(t.Context(), key, first.Version, time.Hour)
	must(t, err)
	if result := w.process(second); result.Outcome != OutcomeSuperseded {
		t.Errorf("while it is worked on: %+v", result)
	}
	w.expireLease()
	third := w.put(incomingKey(key), []byte("III"))
	if result := w.process(third); result.Outcome != OutcomeSuperseded {
		t.Errorf("while its worker is dead: %+v", result)
	}
	w.process(first)
	w.expectAvailable(key, []byte("one"))
	_, served := w.get("files", objectkey.Original(w.organization, key.File, 1, w.fence(key)))
	if string(served) != "one" {
		t.Errorf("served is %q", served)
	}
}

// at runs do ahead of the first request with a method to a path that begins so.
func at(method, path string, do func()) *faultyStore {
	var once sync.Once
	return &faultyStore{before: func(_ int64, r *http.Request) {
		if r.Method == method && strings.HasPrefix(r.URL.Path, path) {
			once.Do(do)
		}
	}}
}

// A worker that is overtaken while it works leaves everything to the one that overtook it.
func TestOvertaken(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	key, object := w.send(upload{name: "a.jpg", mime: "image/jpeg", content: sampleJPEG(t)})
	winner := w.worker()
	w.processor.S3 = s3Client(t, at(http.MethodPut, "/files/original/", func() {
		w.expireLease()
		if result, err := winner.Process(context.Background(), object); err != nil ||
			result.Outcome != OutcomeAvailable {
			t.Errorf("the winner: %+v, %v", result, err)
		}
	}))
	// Its copy fails or its lease is lost, by how far it had come; either way it ends, and the
	// queue sends no third worker into trouble.
	result, err := w.processor.Process(t.Context(), object)
	if err == nil && result.Outcome != OutcomeLeaseLost {
		t.Errorf("the loser: %+v", result)
	}
	must(t, w.deliver(t.Context(), object))
	w.expectAvailable(key, sampleJPEG(t))
	w.expectVariants(key)
}

// What was made of a file that was deleted for good meanwhile is all queued for deletion.
func TestDeletedWhileWorkedOn(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	key, object := w.send(upload{name: "a.jpg", mime: "image/jpeg", content: sampleJPEG(t)})
	w.processor.S3 = s3Client(t, at(http.MethodPut, "/files/original/",
		func() { w.exec(`DELETE FROM files WHERE id = $1`, key.File) }))
	if result := w.process(object); result.Outcome != OutcomeLeaseLost {
		t.Errorf("%+v", result)
	}
	expect(t, w.row(
		`SELECT array_agg(bucket_name || ' ' || prefix ORDER BY prefix) AS due FROM object_deletions
			WHERE due_at <= now()`),
		map[string]any{"due": []string{
			"files " + objectkey.Original(w.organization, key.File, 1, 1),
			"quarantine " + objectkey.Quarantine(w.organization, key.File, 1, 1),
			"quarantine " + objectkey.Held(w.organization, key.File, 1, 1),
			"files " + objectkey.Variant(w.organization, key.File, 1, 1, ""),
		}})
	left := w.objects(key)
	if len(left) != 5 {
		t.Errorf("the test is to find four variants and the original, and has %v", left)
	}
	for name := range left {
		if !strings.HasPrefix(name, "files ") {
			t.Errorf("%s is left", name)
		}
	}
	expect(t, w.row(`SELECT count(*) AS n FROM notification_inbox`), map[string]any{"n": 0})
}

func TestOutOfTime(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	key, object := w.send(upload{name: "a.jpg", mime: "image/jpeg", content: sampleJPEG(t)})
	ctx, cancel := context.WithTimeout(t.Context(), closing+3*time.Second)
	defer cancel()
	w.processor.S3 = s3Client(t,
		at(http.MethodGet, "/incoming/", func() { <-ctx.Done() }))
	result, err := w.processor.Process(ctx, object)
	if result.Outcome != OutcomeRetry || !errors.Is(err, context.DeadlineExceeded) ||
		fault.KindOf(err) != fault.Temporary {
		t.Errorf("%+v, %v", result, err)
	}
	expect(t, w.row(`SELECT attempts, lease_until FROM file_uploads`),
		map[string]any{"attempts": 0, "lease_until": nil}) // it was the store that was slow
	w.due()
	w.process(object)
	w.expectAvailable(key, sampleJPEG(t))
}
