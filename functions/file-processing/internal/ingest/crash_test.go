package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/toolboxai-solutions/satchel/infra/local/clamd"
	"github.com/toolboxai-solutions/satchel/infra/pgtest"
	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/objectkey"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
)

// TestEveryFaultIsOutlived breaks each exchange with the object store and with Postgres in turn,
// delivers again as the queue would, and compares everything that is left with a run without a
// fault.
func TestEveryFaultIsOutlived(t *testing.T) {
	t.Parallel()
	database := pgtest.New(t)
	for name, c := range map[string]struct {
		upload
		scan bool
	}{
		"picture":  {upload{name: "a.png", mime: "image/png", content: samplePNG(t)}, false},
		"rejected": {upload{name: "a.jpg", mime: "image/jpeg", content: sampleEXE()}, false},
		"infected": {upload{name: "a.txt", mime: "text/plain", content: eicar()}, true},
	} {
		t.Run(name, func(t *testing.T) {
			want := undisturbed(t, database, c.upload, c.scan)
			for _, how := range []failure{refused, unanswered, cut} {
				eachFault(t, "store "+string(how), func(t *testing.T, n int64) bool {
					w := prepared(t, database, c.scan)
					store := &faultyStore{at: n, how: how}
					w.processor.S3 = s3Client(t, store)
					w.outlive(c.upload, want)
					return store.requests.Load() >= n
				})
			}
			for _, how := range []failure{refused, unanswered} {
				eachFault(t, "postgres "+string(how), func(t *testing.T, n int64) bool {
					w := prepared(t, database, c.scan)
					way, db := newFaultyPostgres(t, database, n, how)
					w.processor.DB = db
					w.outlive(c.upload, want)
					return way.messages.Load() >= n
				})
			}
		})
	}
}

// eachFault runs with the fault at 1, 2, 3 … until it lies beyond the end.
func eachFault(t *testing.T, name string, run func(t *testing.T, n int64) bool) {
	t.Helper()
	for n := int64(1); ; n++ {
		reached := false
		t.Run(fmt.Sprintf("%s %d", name, n), func(t *testing.T) { reached = run(t, n) })
		if t.Failed() || !reached {
			t.Logf("%s: %d places", name, n-1)
			return
		}
		if n > 200 {
			t.Fatalf("%s: no end", name)
		}
	}
}

func prepared(t *testing.T, database *pgtest.Database, scanning bool) *fixture {
	t.Helper()
	w := fixtureOn(t, database)
	if scanning {
		w.scanning()
	}
	return w
}

func undisturbed(t *testing.T, database *pgtest.Database, u upload, scanning bool) string {
	t.Helper()
	w := prepared(t, database, scanning)
	key, object := w.send(u)
	w.process(object)
	return w.state(key)
}

// outlive delivers as often as it takes, first through the fault, and compares the end.
func (w *fixture) outlive(u upload, want string) {
	w.t.Helper()
	key, object := w.send(u)
	for try := 1; ; try++ {
		_, err := w.processor.Process(w.t.Context(), object)
		if err == nil {
			break
		}
		if fault.KindOf(err) != fault.Temporary {
			w.t.Errorf("fault of kind %s: %v", fault.KindOf(err), err)
		}
		if try == maxAttempts {
			w.t.Fatalf("no end after %d deliveries: %v", try, err)
		}
		w.expireLease()
		w.due()
	}
	w.sweep(key)
	got := w.state(key)
	if listed := strings.Contains(got, "to delete incoming incoming/ORG/FILE/1"); listed {
		got = withoutUploads(got) // maintenance's work, and it knows
	}
	if got != want {
		w.t.Errorf("the end is\n%s\nwant\n%s", got, want)
	}
}

func withoutUploads(state string) string {
	var kept []string
	for line := range strings.SplitSeq(state, "\n") {
		if !strings.HasPrefix(line, "object incoming ") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

func TestScannerFailsClosed(t *testing.T) {
	t.Parallel()
	for name, behaviour := range map[string]func(net.Conn, string){
		"hangs up at once": func(net.Conn, string) {},
		"knows no version": func(c net.Conn,
			_ string) {
			fmt.Fprint(c, "UNKNOWN COMMAND\x00")
		},
		"hangs up in the stream": versioned(
			func(c net.Conn) { _, _ = io.ReadFull(c, make([]byte, 10)) }),
		"answers nonsense": versioned(
			func(c net.Conn) { drain(c); fmt.Fprint(c, "stream: MAYBE\x00") }),
		"answers half": versioned(
			func(c net.Conn) { drain(c); fmt.Fprint(c, "stream: O") }),
		"answers another OK": versioned(func(c net.Conn) { drain(c); fmt.Fprint(c, "OK\x00") }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t).scanningAt(faultyScanner(t, behaviour))
			content := []byte(strings.Repeat("text ", 10_000))
			key, object := w.send(upload{name: "a.txt", mime: "text/plain", content: content})
			for try := range 2 * maxAttempts {
				result, err := w.processor.Process(t.Context(), object)
				if result.Attempt != 1 || fault.KindOf(err) != fault.Temporary ||
					!errors.Is(err, ErrPostponed) {
					t.Fatalf("try %d: %+v, %v", try, result, err)
				}
				if result := w.process(object); result.Outcome != OutcomeEarly {
					t.Fatalf("before its time: %+v", result)
				}
				w.due()
				expect(t, w.file(key),
					map[string]any{"status": "processing", "virus_scanned": false})
				expect(t, w.row(`SELECT lease_until, last_error FROM file_uploads`),
					map[string]any{"lease_until": nil, "last_error": storedfile.ScannerUnavailable})
			}
			w.age()
			if result := w.process(object); result.Reason != storedfile.ScannerUnavailable ||
				result.Outcome != OutcomeRejected {
				t.Fatalf("%+v", result)
			}
			w.expectKept(key, storedfile.ScannerUnavailable, content)
		})
	}
}

func TestSilentScanner(t *testing.T) {
	t.Parallel()
	w := newFixture(t).scanningAt(faultyScanner(t, versioned(func(c net.Conn) {
		drain(c)
		_, _ = c.Read(make([]byte, 1)) // until the client hangs up
	})))
	_, object := w.send(upload{name: "a.txt", mime: "text/plain", content: []byte("text")})
	ctx, cancel := context.WithTimeout(t.Context(), closing+5*time.Second)
	defer cancel()
	if result, err := w.processor.Process(ctx, object); result.Outcome != OutcomeRetry ||
		fault.KindOf(err) != fault.Temporary {
		t.Errorf("%+v, %v", result, err)
	}
	expect(t, w.row(`SELECT attempts, lease_until, last_error FROM file_uploads`),
		map[string]any{"attempts": 0, "lease_until": nil,
			"last_error": storedfile.ScannerUnavailable})
}

// drain reads a stream to its empty frame.
func drain(conn net.Conn) {
	for {
		var size [4]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil || size == [4]byte{} {
			return
		}
		n := int64(size[0])<<24 | int64(size[1])<<16 | int64(size[2])<<8 | int64(size[3])
		if _, err := io.CopyN(io.Discard, conn, n); err != nil {
			return
		}
	}
}

// expectKept is what holds for a file without a verdict of its own: an error for its uploader, the
// bytes for an operator.
func (w *fixture) expectKept(key objectkey.Key, why storedfile.Reason, content []byte) {
	w.t.Helper()
	place := objectkey.Held(w.organization, key.File, 1, w.fence(key))
	expect(w.t, w.file(key), map[string]any{"status": "error", "status_reason": why,
		"bucket_name": "quarantine", "storage_path": place,
		"virus_scanned": false, "virus_scan_result": nil})
	w.expectGivenBack()
	if _, kept := w.get("quarantine", place); string(kept) != string(content) {
		w.t.Errorf("kept are %d bytes of %d", len(kept), len(content))
	}
	if left := w.objects(key); len(left) != 1 {
		w.t.Errorf("left are %v", left)
	}
}

func TestClamdKilledMidStream(t *testing.T) {
	t.Parallel()
	daemon, err := clamd.Start(t.Context(), clamd.Options{})
	if errors.Is(err, clamd.ErrNotInstalled) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	must(t, err)
	t.Cleanup(func() { must(t, daemon.Stop()) })
	w := newFixture(t).scanningAt(daemon.Address)
	content := []byte(strings.Repeat("text ", 200_000))
	key, object := w.send(upload{name: "a.txt", mime: "text/plain", content: content})
	w.processor.S3 = s3Client(t, &faultyStore{body: func(body io.ReadCloser) io.ReadCloser {
		return &hookedReader{ReadCloser: body, first: func() { must(t, daemon.Kill()) }}
	}})
	if result, err := w.processor.Process(t.Context(),
		object); fault.KindOf(err) != fault.Temporary || result.Outcome != OutcomeRetry {
		t.Errorf("%+v, %v", result, err)
	}
	expect(t, w.row(`SELECT attempts, lease_until, last_error FROM file_uploads`),
		map[string]any{"attempts": 0, "lease_until": nil,
			"last_error": storedfile.ScannerUnavailable})
	must(t, daemon.Restart(t.Context()))
	w.processor.S3 = w.s3
	w.due()
	if result := w.process(object); result.Attempt != 1 || result.Outcome != OutcomeAvailable {
		t.Errorf("%+v", result)
	}
	if engine := fmt.Sprint(w.file(key)["virus_scan_engine"]); !strings.HasPrefix(engine, "ClamAV ") {
		t.Errorf("scanned by %s", engine)
	}
}

func TestPostgresRestartedMidRun(t *testing.T) {
	t.Parallel()
	database := pgtest.NewIsolated(t)
	u := upload{name: "a.jpg", mime: "image/jpeg", content: sampleJPEG(t)}
	want := undisturbed(t, database, u, false)
	for _, n := range []int64{1, 6} {
		t.Run(fmt.Sprintf("ahead of request %d", n), func(t *testing.T) {
			w := fixtureOn(t, database)
			w.processor.S3 = s3Client(t, &faultyStore{before: func(i int64, _ *http.Request) {
				if i == n {
					must(t, errors.Join(database.Cluster.Crash(context.Background()),
						database.Cluster.Resume(context.Background())))
					database.Superuser.Reset() // the test's own connections died too
				}
			}})
			w.outlive(u, want)
		})
	}
}

func TestGivenUp(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	key, object := w.send(upload{name: "a.jpg", mime: "image/jpeg", content: sampleJPEG(t)})
	for attempt := 1; attempt <= maxAttempts; attempt++ { // workers that die without a word
		_, what, err := w.processor.claim(t.Context(), key, object.Version, time.Hour)
		if what != proceed || err != nil {
			t.Fatal(what, err)
		}
		w.expireLease()
	}
	if result := w.process(object); result.Reason != storedfile.TooManyAttempts {
		t.Fatalf("%+v", result)
	}
	w.expectKept(key, storedfile.TooManyAttempts, sampleJPEG(t))
}

// An outage of what is written to: whatever the file has behind it, nothing of it is deleted while
// its bytes are nowhere else. At the end of its days it ends, and its bytes stay where they are.
func TestNothingIsDeletedThatCouldNotBeKept(t *testing.T) {
	t.Parallel()
	for name, attempts := range map[string]int{"a good file": 0,
		"one that had its attempts": maxAttempts} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t)
			content := sampleJPEG(t)
			key, object := w.send(upload{name: "a.jpg", mime: "image/jpeg", content: content})
			w.exec(`UPDATE file_uploads SET attempts = $1,
				object_version = $2`, attempts, object.Version)
			good := w.processor.Config.Buckets
			w.processor.Config.Files, w.processor.Config.Quarantine = "not-there",
				"not-there-either"
			for try := range 20 {
				result, err := w.processor.Process(t.Context(), object)
				if !errors.Is(err, ErrPostponed) || result.Outcome != OutcomeRetry {
					t.Fatalf("try %d: %+v, %v", try, result, err)
				}
				w.due()
			}
			expect(t, w.file(key), map[string]any{"status": "processing"})
			expect(t, w.row(`SELECT attempts, retries, unclean_fences FROM file_uploads`),
				map[string]any{"attempts": attempts, "retries": 20, "unclean_fences": "[]"})
			if attempts == 0 {
				w.processor.Config.Buckets = good
				w.process(object)
				w.expectAvailable(key, content)
				return
			}
			w.age()
			if result := w.process(object); result.Reason != storedfile.TooManyAttempts {
				t.Fatalf("%+v", result)
			}
			expect(t, w.file(key), map[string]any{"status": "error", "bucket_name": "incoming",
				"storage_path": object.Key})
			expect(t, w.row(`SELECT count(*) AS n FROM object_deletions`), map[string]any{"n": 0})
			for range 2 { // the queue may bring its event again
				if result := w.process(object); result.Outcome != OutcomeSuperseded {
					t.Errorf("its event, once more: %+v", result)
				}
			}
			if _, kept := w.get("incoming", object.Key); string(kept) != string(content) {
				t.Errorf("%d bytes of %d are left", len(kept), len(content))
			}
			w.expectGivenBack()
		})
	}
}

// What an attempt stored before it was lost is on the deletion list of the one that won, and what
// the winner stored is not.
func TestLostAttemptsLeaveNothing(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	key, object := w.send(upload{name: "a.jpg", mime: "image/jpeg", content: sampleJPEG(t)})
	// the original's copy is the sixth request; before it come variants
	for n := int64(3); n <= 5; n++ {
		w.processor.S3 = s3Client(t, &faultyStore{at: n, how: unanswered})
		if _, err := w.processor.Process(t.Context(), object); !errors.Is(err, ErrPostponed) {
			t.Fatal(err)
		}
		w.due()
	}
	w.processor.S3 = w.s3
	if result := w.process(object); result.Attempt != 1 || result.Outcome != OutcomeAvailable {
		t.Fatalf("%+v", result)
	}
	if before := len(w.objects(key)); before <= 5 {
		t.Fatalf("the lost attempts stored nothing: there are %d objects", before)
	}
	w.sweep(key)
	if after := w.objects(key); len(after) != 5 {
		t.Errorf("left are %v", after)
	}
	w.expectVariants(key)
	w.expectAvailable(key, sampleJPEG(t))
}

// A file that takes longer than one may is one that ends its worker: that counts.
func TestOnlyTheFilesOwnTimeCounts(t *testing.T) {
	t.Parallel()
	for cause, attempts := range map[error]int{errTooSlow: 1, context.DeadlineExceeded: 0} {
		w := newFixture(t)
		key, object := w.send(upload{name: "a.txt", mime: "text/plain", content: []byte("text")})
		c, _, err := w.processor.claim(t.Context(), key, object.Version, time.Hour)
		must(t, err)
		w.processor.release(t.Context(), c, fmt.Errorf("make pictures: %w", cause))
		expect(t, w.row(`SELECT attempts, retries, lease_until FROM file_uploads`),
			map[string]any{"attempts": attempts, "retries": 1, "lease_until": nil})
	}
}

// A worker that is killed cleans nothing up, and Lambda keeps its sandbox with the temporary
// directory: an upload in hand must have no name there.
func TestAKilledWorkerLeavesNoSpool(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	key, object := w.send(upload{name: "a.jpg", mime: "image/jpeg", content: sampleJPEG(t)})
	looked := false
	look := func() {
		looked = true
		if spooled, err := filepath.Glob(filepath.Join(os.TempDir(), spoolPattern)); err != nil ||
			len(spooled) > 0 {
			t.Errorf("killed now, the worker would leave %v, %v", spooled, err)
		}
	}
	w.processor.S3 = s3Client(t, &faultyStore{body: func(body io.ReadCloser) io.ReadCloser {
		return &hookedReader{ReadCloser: body, first: look}
	}})
	w.process(object)
	if !looked {
		t.Error("nothing was read")
	}
	w.expectAvailable(key, sampleJPEG(t))
}
