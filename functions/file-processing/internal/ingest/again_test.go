package ingest

import (
	"fmt"
	"regexp"
	"testing"

	"github.com/toolboxai-solutions/satchel/shared/objectkey"
)

var writesOrLocks = regexp.MustCompile(`(?i)\b(for (no key )?(update|share)|update|insert|delete)\b`)

// A form is good for as many uploads as fit into its time, and each makes an event: one user sent
// one 2,740 times. What all but one of them cost is counted, and not how long they take.
func TestAFormThatIsSentAgainAndAgain(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	listened, wire := w.Listen(t, entry)
	w.processor.DB = listened
	key, first := w.send(upload{name: "a.txt", mime: "text/plain", content: []byte("text")})
	again := func(p *Processor, n int) (int, []string) {
		return wire.Of(func() {
			for i := range n {
				o := Object{Bucket: first.Bucket, Key: first.Key, Version: fmt.Sprintf("%s%04d", first.Version[:22], i)}
				result, err := p.Process(t.Context(), o)
				if err != nil || result.Outcome != OutcomeSuperseded || result.Attempt != 0 {
					t.Fatalf("%+v, %v", result, err)
				}
			}
		})
	}
	oneRead := func(when string, trips int, statements []string) {
		t.Helper()
		// The other one names the organization.
		if trips != 1 || len(statements) != 2 || writesOrLocks.MatchString(statements[1]) {
			t.Errorf("%s: %d round trips: %q", when, trips, statements)
		}
	}
	// Another worker has it.
	w.exec(`UPDATE file_uploads SET object_version = $1, fence = 1, attempts = 1,
		lease_until = now() + interval '1 hour' WHERE file_id = $2`, first.Version, key.File)
	again(w.worker(), 1) // the connection's first time
	trips, statements := again(w.worker(), 1)
	oneRead("while another version is worked on", trips, statements)
	w.exec(`UPDATE file_uploads SET lease_until = NULL WHERE file_id = $1`, key.File)

	if result := w.process(first); result.Outcome != OutcomeAvailable {
		t.Fatalf("%+v", result)
	}
	if trips, statements := again(w.processor, 200); trips != 0 {
		t.Errorf("who settled it asks again: %q", statements)
	}
	other := w.worker()
	trips, statements = again(other, 1)
	oneRead("after the verdict", trips, statements)
	if trips, statements := again(other, 200); trips != 0 {
		t.Errorf("who has seen that it is settled asks again: %q", statements)
	}
}

// What is remembered is bounded, and the newest of it.
func TestSettledKeysAreForgotten(t *testing.T) {
	t.Parallel()
	w := &settledKeys{}
	key := func(n int) objectkey.Key { return objectkey.Key{Version: n} }
	for n := range settledMost + 10 {
		w.add(key(n))
		w.add(key(n))
	}
	if len(w.known) != settledMost || w.has(key(9)) || !w.has(key(10)) ||
		!w.has(key(settledMost+9)) {
		t.Errorf("%d are known", len(w.known))
	}
}
