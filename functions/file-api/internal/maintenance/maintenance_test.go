package maintenance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/library"
	"github.com/toolboxai-solutions/satchel/infra/local/queue"
	"github.com/toolboxai-solutions/satchel/infra/local/s3"
	"github.com/toolboxai-solutions/satchel/infra/pgtest"
	"github.com/toolboxai-solutions/satchel/infra/template"
	"github.com/toolboxai-solutions/satchel/shared/mediatype"
	"github.com/toolboxai-solutions/satchel/shared/objectkey"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
	"github.com/toolboxai-solutions/satchel/shared/telemetry"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

// Only one S3 server can run in a process; stop ends it when a test started it.
var stop = func() {}

var server = sync.OnceValues(func() (*s3.Server, error) {
	dir, err := os.MkdirTemp("", "maintenance")
	if err != nil {
		return nil, err
	}
	running, err := s3.Start(context.Background(), s3.Options{
		Dir: dir, Buckets: s3.Versioned(buckets().Incoming, buckets().Files, buckets().Quarantine),
	})
	if err == nil {
		stop = func() { _ = running.Stop(); _ = os.RemoveAll(dir) }
	}
	return running, err
})

func TestMain(m *testing.M) {
	code := m.Run()
	stop()
	os.Exit(code)
}

func buckets() storedfile.Buckets {
	return storedfile.Buckets{Incoming: "maintenance-incoming", Files: "maintenance-files",
		Quarantine: "maintenance-quarantine"}
}

// fixture is maintenance with a real database, store and queue, a library to make files with, and a
// clock that tests move.
type fixture struct {
	t           *testing.T
	db          *pgtest.Database
	client      *awss3.Client
	queue       *sqs.Client
	library     *library.Library
	maintenance *Runner
	http        *tenantdb.DB
	now         time.Time
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	t.Parallel()
	store, err := server()
	if err != nil {
		t.Fatal(err)
	}
	messages, err := queue.Start(queue.Options{Queues: []template.Queue{{Name: "ingest"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := messages.Stop(); err != nil {
			t.Error(err)
		}
	})
	config := aws.Config{Region: store.Region,
		Credentials: credentials.NewStaticCredentialsProvider(store.AccessKey, store.SecretKey, "")}
	w := &fixture{t: t, db: pgtest.New(t), now: time.Now()}
	w.http = w.db.DB(t, "file-api/http")
	config.BaseEndpoint = &store.Endpoint
	w.client = awss3.NewFromConfig(config)
	config.BaseEndpoint = &messages.Endpoint
	w.queue = sqs.NewFromConfig(config)
	clock := func() time.Time { return w.now }
	w.library = &library.Library{
		Limits:  library.Limits{MaxFileSize: 1 << 20, Allowed: mediatype.Patterns{"*/*"}},
		Buckets: buckets(), Signer: library.NewSigner(w.client), Now: clock,
	}
	w.maintenance = &Runner{
		System: library.System{Buckets: buckets(), Now: clock},
		DB:     w.db.DB(t, "file-api/maintenance"), S3: w.client, Queue: w.queue,
		QueueURL: messages.URL("ingest"), RecordDays: 400,
		Metrics: telemetry.Metrics{Out: io.Discard},
		Log: slog.New(
			slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	return w
}

func (w *fixture) member(slug string) tenant.Caller {
	return w.db.Member(w.t, w.db.Organization(w.t, slug), tenant.Member).Caller
}

func (w *fixture) in(by tenant.Caller, fn func(tx pgx.Tx) error) {
	w.t.Helper()
	if err := w.http.InTenant(w.t.Context(), by.Organization, fn); err != nil {
		w.t.Fatal(err)
	}
}

func (w *fixture) reserve(by tenant.Caller) (f library.File) {
	w.t.Helper()
	w.in(by, func(tx pgx.Tx) (err error) {
		made, err := w.library.Reserve(w.t.Context(), tx, by,
			library.NewFile{Filename: "a.txt", ContentType: "text/plain", Size: 5}, uuid.New(), nil)
		f = made.File
		return err
	})
	return f
}

// put stores one more version and returns its id.
func (w *fixture) put(bucket, key string) string {
	w.t.Helper()
	out, err := w.client.PutObject(w.t.Context(),
		&awss3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader("hello")})
	if err != nil {
		w.t.Fatal(err)
	}
	return *out.VersionId
}

func (w *fixture) run() Summary {
	w.t.Helper()
	done, err := w.maintenance.Run(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return done
}

func (w *fixture) wantRun(want Summary) {
	w.t.Helper()
	got := w.run()
	got.Made = 0 // depends on the day; TestRecordsEnd looks at them
	if got != want {
		w.t.Errorf("maintenance did %+v, want %+v", got, want)
	}
}

// sent takes what is in the queue as "key version".
func (w *fixture) sent() []string {
	w.t.Helper()
	var all []string
	for {
		got, err := w.queue.ReceiveMessage(w.t.Context(),
			&sqs.ReceiveMessageInput{QueueUrl: &w.maintenance.QueueURL, MaxNumberOfMessages: 10})
		if err != nil {
			w.t.Fatal(err)
		}
		if len(got.Messages) == 0 {
			return all
		}
		for _, m := range got.Messages {
			var event events.S3Event
			if err := json.Unmarshal([]byte(*m.Body), &event); err != nil {
				w.t.Fatal(err)
			}
			r := event.Records[0]
			bucket := buckets().Incoming
			if strings.HasPrefix(r.S3.Object.Key, "quarantine/") {
				bucket = buckets().Quarantine
			}
			if len(event.Records) != 1 || r.S3.Bucket.Name != bucket ||
				r.S3.Object.Size != 5 || !strings.HasPrefix(r.EventName, "ObjectCreated:") {
				w.t.Errorf("sent %s", *m.Body)
			}
			all = append(all, r.S3.Object.Key+" "+r.S3.Object.VersionID)
		}
	}
}

func (w *fixture) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.db.Superuser.Exec(w.t.Context(), sql, args...); err != nil {
		w.t.Fatal(err)
	}
}

func (w *fixture) text(sql string, args ...any) (s string) {
	w.t.Helper()
	err := w.db.Superuser.QueryRow(w.t.Context(), sql, args...).Scan(&s)
	if errors.Is(err, pgx.ErrNoRows) {
		return "none"
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *fixture) wantText(want, sql string, args ...any) {
	w.t.Helper()
	if got := w.text(sql, args...); got != want {
		w.t.Errorf("%s: %q, want %q", sql, got, want)
	}
}

func (w *fixture) wantFile(f library.File, want string) {
	w.t.Helper()
	w.wantText(want, `SELECT status || coalesce(' ' || status_reason, '') FROM files WHERE id = $1`,
		f.ID)
}

func (w *fixture) wantQuota(by tenant.Caller, want string) {
	w.t.Helper()
	w.wantText(want,
		`SELECT format('%s used %s reserved %s files', used_bytes, reserved_bytes, file_count)
			FROM storage_quotas WHERE organization_id = $1`,
		by.Organization)
}

// stored counts versions and markers below a prefix.
func (w *fixture) stored(bucket, prefix string) (n int) {
	w.t.Helper()
	pages := awss3.NewListObjectVersionsPaginator(w.client,
		&awss3.ListObjectVersionsInput{Bucket: &bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		p, err := pages.NextPage(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		n += len(p.Versions) + len(p.DeleteMarkers)
	}
	return n
}

func TestUploadThatNeverCame(t *testing.T) {
	w := newFixture(t)
	by := w.member("school")
	f := w.reserve(by)
	w.wantRun(Summary{})
	w.now = w.now.Add(6 * time.Minute)
	w.wantRun(Summary{}) // looked, and waits
	w.now = w.now.Add(13 * time.Minute)
	w.wantRun(Summary{})
	w.wantFile(f, "pending")
	w.now = w.now.Add(6 * time.Minute)
	w.wantRun(Summary{Expired: 1})
	w.wantFile(f, "error upload_expired")
	w.wantQuota(by, "0 used 0 reserved 0 files")
	w.wantText("file.rejected", `SELECT topic FROM notification_inbox WHERE subject_id = $1`, f.ID)
	w.wantText("process",
		`SELECT action FROM file_access_logs WHERE file_id = $1 AND user_id IS NULL`, f.ID)
	w.wantRun(Summary{})
	// a form that expired long ago, by a clock far behind
	late := w.put(buckets().Incoming, incoming(f))
	w.now = w.now.Add(time.Hour)
	w.wantRun(Summary{Prefixes: 1, Objects: 1})
	if n := w.stored(buckets().Incoming, incoming(f)); n != 0 {
		t.Errorf("version %s is still there", late)
	}
}

func TestLostEvent(t *testing.T) {
	w := newFixture(t)
	f := w.reserve(w.member("school"))
	first := w.put(buckets().Incoming, incoming(f))
	w.put(buckets().Incoming, incoming(f))
	w.put(buckets().Incoming, incoming(f)+"0") // another key with the same beginning
	w.wantRun(Summary{})
	w.now = w.now.Add(6 * time.Minute)
	w.wantRun(Summary{Requeued: 1})
	w.wantRun(Summary{})
	w.now = w.now.Add(4 * time.Minute)
	w.wantRun(Summary{})
	w.now = w.now.Add(2 * time.Minute)
	w.wantRun(Summary{Requeued: 1})
	w.now = w.now.Add(6 * time.Minute)
	w.wantRun(Summary{}) // no flood: the wait doubles
	w.now = w.now.Add(time.Hour)
	w.wantRun(Summary{Requeued: 1}) // it was uploaded, so it never expires
	w.wantFile(f, "pending")
	event := incoming(f) + " " + first
	if got := w.sent(); len(got) != 3 || got[0] != event || got[2] != event {
		t.Errorf("sent %v, want %s three times", got, event)
	}
}

func TestDeadLease(t *testing.T) {
	w := newFixture(t)
	by := w.member("school")
	f, gone := w.reserve(by), w.reserve(by)
	w.put(buckets().Incoming, incoming(f))
	claimed := w.put(buckets().Incoming, incoming(f))
	for id, version := range map[uuid.UUID]string{f.ID: claimed, gone.ID: "removed"} {
		w.exec(
			`UPDATE file_uploads SET object_version = $2, fence = 1, attempts = 1, lease_until = $3,
				check_at = $4 WHERE file_id = $1`,
			id, version, w.now.Add(10*time.Minute), w.now.Add(12*time.Minute))
		w.exec(`UPDATE files SET status = 'processing' WHERE id = $1`, id)
	}
	w.now = w.now.Add(11 * time.Minute)
	w.wantRun(Summary{}) // the lease has just ended
	w.now = w.now.Add(2 * time.Minute)
	w.wantRun(Summary{Requeued: 1, Missing: 1})
	if got := w.sent(); len(got) != 1 || got[0] != incoming(f)+" "+claimed {
		t.Errorf("sent %v", got)
	}
	w.wantFile(f, "processing")
	w.wantFile(gone, "error object_missing")
	w.wantQuota(by, "0 used 5 reserved 1 files")
	// A worker that had its lease handed back has none.
	w.exec(`UPDATE file_uploads SET lease_until = NULL`)
	w.now = w.now.Add(6 * time.Minute)
	w.wantRun(Summary{Requeued: 1})
}

// What was found due and is not any more stays.
func TestPurgeLooksAgain(t *testing.T) {
	w := newFixture(t)
	by := w.member("school")
	f := w.reserve(by)
	err := w.maintenance.DB.InTenant(t.Context(), by.Organization, func(tx pgx.Tx) error {
		purged, err := w.maintenance.System.PurgeDue(t.Context(), tx, by.Organization, f.ID)
		if purged {
			t.Error("purged a file that is not due")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.wantFile(f, "pending")
}

// What happens between the look and the verdict wins.
func TestRejectLosesToAnotherClaim(t *testing.T) {
	w := newFixture(t)
	by := w.member("school")
	f := w.reserve(by)
	w.now = w.now.Add(time.Hour)
	quiet, err := w.maintenance.uploadsDue(t.Context())
	if err != nil || len(quiet) != 1 {
		t.Fatalf("quiet uploads %v, %v", quiet, err)
	}
	seen, _, err := w.maintenance.take(t.Context(), quiet[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.maintenance.take(t.Context(), quiet[0]); !errors.Is(err, pgx.ErrNoRows) {
		t.Errorf("two runs took the same upload: %v", err)
	}
	for _, change := range []string{`UPDATE file_uploads SET fence = fence + 1`,
		`UPDATE file_uploads SET expires_at = now() + interval '1 day'`,
		`DELETE FROM file_uploads`} {
		w.exec(change)
		if rejected, err := w.maintenance.reject(t.Context(), seen,
			storedfile.UploadExpired); rejected ||
			err != nil {
			t.Errorf("%s: rejected %v, %v", change, rejected, err)
		}
		w.wantFile(f, "pending")
		w.exec(`UPDATE file_uploads SET fence = $1, expires_at = $2`, seen.Fence, seen.ExpiresAt)
	}
}

func (w *fixture) available(by tenant.Caller) library.File {
	w.t.Helper()
	f := w.reserve(by)
	w.exec(`DELETE FROM file_uploads WHERE file_id = $1`, f.ID)
	w.exec(
		`UPDATE storage_quotas SET reserved_bytes = reserved_bytes - 5, used_bytes = used_bytes + 5
			WHERE organization_id = $1`,
		by.Organization)
	w.exec(`UPDATE files SET status = 'available', quota_bytes = 5 WHERE id = $1`, f.ID)
	of := by.Organization.String() + "/" + f.ID.String() + "/1"
	w.put(buckets().Files, "original/"+of)
	w.put(buckets().Files, "variant/"+of+"/thumbnail")
	w.put(buckets().Quarantine, "quarantine/"+of)
	return f
}

func TestPurgeOfWhatIsDue(t *testing.T) {
	w := newFixture(t)
	one, two := w.member("one"), w.member("two")
	old, trashed, kept, fresh, busy := w.available(one), w.available(two), w.available(
		two), w.available(one), w.reserve(two)
	waiting := w.reserve(one)
	w.exec(`UPDATE files SET deletion_date = $1 WHERE id = ANY ($2)`, w.now.Add(-time.Second),
		[]uuid.UUID{old.ID, busy.ID, waiting.ID})
	w.exec(`UPDATE files SET status = 'processing' WHERE id = $1`, busy.ID)
	w.exec(`UPDATE file_uploads SET lease_until = $1, check_at = $1
		WHERE file_id = $2`, w.now.Add(time.Hour),
		busy.ID)
	w.exec(
		`UPDATE files SET status = 'deleted', status_before_deletion = 'available', deleted_at = $1
			WHERE id = $2`,
		w.now.Add(-library.TrashTime-time.Second), trashed.ID)
	w.exec(
		`UPDATE files SET status = 'deleted', status_before_deletion = 'available', deleted_at = $1
			WHERE id = $2`,
		w.now.Add(-library.TrashTime+time.Hour), kept.ID)
	w.wantRun(Summary{Purged: 3, Prefixes: 9, Objects: 6})
	for _, f := range []library.File{old, trashed, waiting} {
		w.wantFile(f, "none")
		w.wantText("purge",
			`SELECT action FROM file_access_logs WHERE file_id = $1 AND user_id IS NULL`, f.ID)
		if n := w.stored(buckets().Files,
			"original/"+f.Organization.String()+"/"+f.ID.String()); n != 0 {
			t.Errorf("%d objects left of a purged file", n)
		}
	}
	w.wantFile(kept, "deleted")
	w.wantFile(fresh, "available")
	w.wantFile(busy, "processing")
	if n := w.stored(buckets().Files,
		"original/"+fresh.Organization.String()+"/"+fresh.ID.String()); n != 1 {
		t.Error("a file that is kept lost its object")
	}
	w.wantQuota(one, "5 used 0 reserved 1 files")
	w.wantQuota(two, "5 used 5 reserved 2 files")
	w.wantRun(Summary{})
	w.now = w.now.Add(21 * time.Minute) // no form works any more
	w.wantRun(Summary{Prefixes: 3})
	w.wantText("0", `SELECT count(*)::text FROM object_deletions`)
}

// One organization's broken figures stop nobody else, and are tried again.
func TestOneFailureStopsNobody(t *testing.T) {
	w := newFixture(t)
	broken, fine := w.member("broken"), w.member("fine")
	bad, good := w.available(broken), w.available(fine)
	w.exec(`UPDATE files SET deletion_date = $1 WHERE id = $2`, w.now.Add(-2*time.Hour), bad.ID)
	w.exec(`UPDATE files SET deletion_date = $1 WHERE id = $2`, w.now.Add(-time.Hour), good.ID)
	w.exec(`UPDATE storage_quotas SET used_bytes = 0 WHERE organization_id = $1`,
		broken.Organization)
	w.maintenance.Log = slog.New(slog.DiscardHandler)
	done, err := w.maintenance.Run(t.Context())
	if err == nil || done.Failed != 1 || done.Purged != 1 {
		t.Errorf("did %+v, %v", done, err)
	}
	w.wantFile(bad, "available")
	w.wantFile(good, "none")
	w.exec(`UPDATE storage_quotas SET used_bytes = 5 WHERE organization_id = $1`,
		broken.Organization)
	if done := w.run(); done.Purged != 1 {
		t.Errorf("did %+v", done)
	}
}

// As many broken files as one look takes in, and the oldest at that, do not hide what is due behind
// them.
func TestAPageOfFailuresStopsNobody(t *testing.T) {
	w := newFixture(t)
	broken, fine := w.member("broken"), w.member("fine")
	bad, good := w.available(broken), w.available(fine)
	w.exec(`UPDATE files SET deletion_date = $1 WHERE id = $2`, w.now.Add(-2*time.Hour), bad.ID)
	w.exec(
		`INSERT INTO files SELECT (jsonb_populate_record(f,
			jsonb_build_object('id', gen_random_uuid()))).* FROM files f, generate_series(1, $2)
			WHERE id = $1`,
		bad.ID, 2*page)
	w.exec(`UPDATE files SET deletion_date = $1 WHERE id = $2`, w.now.Add(-time.Hour), good.ID)
	w.exec(`UPDATE storage_quotas SET used_bytes = 0 WHERE organization_id = $1`,
		broken.Organization)
	w.maintenance.Log = slog.New(slog.DiscardHandler)
	done, err := w.maintenance.Run(t.Context())
	if err == nil || done.Failed != 2*page+1 || done.Purged != 1 {
		t.Errorf("did %+v, %v", done, err)
	}
	w.wantFile(good, "none")
}

// More than one listing of versions and markers, cut off in the middle, and done by the next run.
func TestDrainOfManyVersions(t *testing.T) {
	w := newFixture(t)
	by := w.member("school")
	key := fmt.Sprintf("incoming/%s/%s/1", by.Organization, uuid.New())
	const versions = 1005
	keys := make(chan int)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for i := range keys {
				if i%5 == 4 {
					if _, err := w.client.DeleteObject(t.Context(), &awss3.DeleteObjectInput{
						Bucket: new(buckets().Incoming), Key: &key}); err != nil {
						t.Error(err)
					}
					continue
				}
				w.put(buckets().Incoming, key)
			}
		})
	}
	for i := range versions {
		keys <- i
	}
	close(keys)
	wait.Wait()
	neighbour := fmt.Sprintf("incoming/%s/%s/1", by.Organization, uuid.New())
	w.put(buckets().Incoming, neighbour)
	w.exec(
		`INSERT INTO object_deletions (organization_id, bucket_name, prefix, due_at)
			VALUES ($1, $2, $3, $4)`,
		by.Organization, buckets().Incoming, strings.TrimSuffix(key, "1"), w.now.Add(-time.Second))
	before := w.stored(buckets().Incoming, key)
	if before <= 1000 {
		t.Fatalf("only %d versions and markers", before)
	}
	w.wantRun(Summary{Prefixes: 1, Objects: before})
	if n := w.stored(buckets().Incoming, key); n != 0 {
		t.Errorf("%d versions are left", n)
	}
	if n := w.stored(buckets().Incoming, neighbour); n != 1 {
		t.Error("a neighbour was deleted too")
	}
}

func TestAKeyTakesNoLongerKeyAlong(t *testing.T) {
	w := newFixture(t)
	by := w.member("school")
	first := fmt.Sprintf("incoming/%s/%s/1", by.Organization, uuid.New())
	for _, key := range []string{first, first, first + "0"} {
		w.put(buckets().Incoming, key)
	}
	w.exec(
		`INSERT INTO object_deletions (organization_id, bucket_name, prefix, due_at)
			VALUES ($1, $2, $3, $4)`,
		by.Organization, buckets().Incoming, first, w.now.Add(-time.Second))
	w.wantRun(Summary{Prefixes: 1, Objects: 2})
	if n := w.stored(buckets().Incoming, first+"0"); n != 1 {
		t.Error("version 10 went with version 1")
	}
}

func TestDrainThatFailsComesBackLater(t *testing.T) {
	w := newFixture(t)
	by := w.member("school")
	prefix := fmt.Sprintf("original/%s/%s/", by.Organization, uuid.New())
	w.exec(
		`INSERT INTO object_deletions (organization_id, bucket_name, prefix, due_at)
			VALUES ($1, 'no-such-bucket', $2, $3)`,
		by.Organization, prefix, w.now.Add(-time.Second))
	w.maintenance.Log = slog.New(slog.DiscardHandler)
	for attempt, pause := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute} {
		if done, err := w.maintenance.Run(t.Context()); err == nil || done.Failed != 1 {
			t.Fatalf("did %+v, %v", done, err)
		}
		w.wantText(fmt.Sprint(attempt+1),
			`SELECT attempts::text FROM object_deletions WHERE last_error LIKE '%no-such-bucket%'`)
		w.now = w.now.Add(pause - time.Second)
		w.wantRun(Summary{})
		w.now = w.now.Add(2 * time.Second)
	}
	w.exec(`UPDATE object_deletions SET bucket_name = $1`, buckets().Files)
	w.wantRun(Summary{Prefixes: 1})
}

func TestExpiredKeysGo(t *testing.T) {
	w := newFixture(t)
	one, two := w.member("one"), w.member("two")
	for _, by := range []tenant.Caller{one, two} {
		for key, age := range map[string]time.Duration{"old": -time.Hour, "new": time.Hour} {
			w.exec(`INSERT INTO idempotency_keys (organization_id, user_id, route, key,
				request_hash, resource_id, expires_at)
				VALUES ($1, $2, 'r', $3, decode(repeat('ab', 32), 'hex'), $2,
					$4)`, by.Organization, by.User, key, w.now.Add(age))
		}
	}
	w.wantRun(Summary{Keys: 2})
	w.wantText("new new", `SELECT string_agg(key, ' ') FROM idempotency_keys`)
}

// Near its deadline a run begins nothing more, and loses nothing.
func TestRunEndsBeforeItsDeadline(t *testing.T) {
	w := newFixture(t)
	f := w.available(w.member("school"))
	w.exec(`UPDATE files SET deletion_date = $1`, w.now.Add(-time.Second))
	ctx, cancel := context.WithTimeout(t.Context(), deadlineMargin-time.Second)
	defer cancel()
	if done, err := w.maintenance.Run(ctx); err != nil || done != (Summary{}) {
		t.Errorf("did %+v, %v", done, err)
	}
	w.wantFile(f, "available")
	w.wantRun(Summary{Purged: 1, Prefixes: 3, Objects: 3})
}

// cutter ends a run's context at its n-th request to the store: before it is sent, or when the
// answer is there but nobody has read it.
type cutter struct {
	left  atomic.Int64
	after bool
	cut   context.CancelFunc
}

func (c *cutter) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.left.Add(-1) != 0 {
		return http.DefaultTransport.RoundTrip(r)
	}
	if c.after {
		defer c.cut()
		return http.DefaultTransport.RoundTrip(r)
	}
	c.cut()
	return nil, context.Canceled
}

// Wherever a run is cut off, the next ones end in the same state as if it had not been.
func TestCutOffAnywhere(t *testing.T) {
	w := newFixture(t)
	by := w.member("school")
	w.maintenance.Log = slog.New(slog.DiscardHandler)
	whole := w.maintenance.S3
	for n := 1; ; n++ {
		due, late, lost := w.available(by), w.reserve(by), w.reserve(by)
		w.exec(`UPDATE files SET deletion_date = $1 WHERE id = $2`, w.now.Add(time.Minute), due.ID)
		w.put(buckets().Incoming, incoming(lost))
		w.now = w.now.Add(time.Hour)
		w.sent()

		ctx, cancel := context.WithCancel(t.Context())
		cut := &cutter{after: n%2 == 0, cut: cancel}
		cut.left.Store(int64((n + 1) / 2))
		options := whole.Options()
		options.HTTPClient = &http.Client{Transport: cut}
		options.RetryMaxAttempts = 1
		w.maintenance.S3 = awss3.New(options)
		_, err := w.maintenance.Run(ctx)
		reached := ctx.Err() != nil
		cancel()
		if !reached && err != nil {
			t.Fatal(err)
		}

		w.maintenance.S3 = whole
		for range 3 { // what was looked at waits for a while, and so does what was postponed
			w.run()
			w.now = w.now.Add(time.Hour)
		}
		w.wantFile(due, "none")
		w.wantFile(late, "error upload_expired")
		w.wantFile(lost, "pending")
		w.wantQuota(by, "0 used 5 reserved 1 files")
		w.wantText("0", `SELECT count(*)::text FROM object_deletions`)
		for bucket, prefix := range map[string]string{buckets().Files: "original/",
			buckets().Incoming: "incoming/", buckets().Quarantine: "quarantine/"} {
			if left := w.stored(bucket,
				prefix+by.Organization.String()+"/"+due.ID.String()); left != 0 {
				t.Errorf("cut %d left %d objects in %s", n, left, bucket)
			}
		}
		if len(w.sent()) == 0 {
			t.Errorf("cut %d: the lost event was not sent", n)
		}
		if !reached {
			t.Logf("%d places", n-1)
			return
		}
		w.in(by, func(tx pgx.Tx) error { return w.library.Purge(t.Context(), tx, by, lost.ID) })
		w.in(by, func(tx pgx.Tx) error { return w.library.Purge(t.Context(), tx, by, late.ID) })
		w.now = w.now.Add(time.Hour)
		w.run()
	}
}

// incoming is the key that a file's form uploads to.
func incoming(f library.File) string { return objectkey.Incoming(f.Organization, f.ID, 1) }
