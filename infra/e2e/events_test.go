package e2e

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/uuid"
)

// event is a message of the shape of S3's.
func (s *school) event(objects ...[2]string) string {
	s.t.Helper()
	type record map[string]any
	var records []record
	for _, o := range objects {
		records = append(records, record{
			"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": s.ready.S3.Region,
			"eventTime": "2026-01-01T00:00:00.000Z", "eventName": "ObjectCreated:Post",
			"s3": record{
				"s3SchemaVersion": "1.0", "bucket": record{"name": s.ready.S3.Buckets.Incoming,
					"arn": "arn:aws:s3:::" + s.ready.S3.Buckets.Incoming},
				"object": record{"key": url.QueryEscape(o[0]), "size": 1, "versionId": o[1],
					"sequencer": "00"},
			},
		})
	}
	body, err := json.Marshal(map[string]any{"Records": records})
	if err != nil {
		s.t.Fatal(err)
	}
	return string(body)
}

// sendEvents puts events of the shape of S3's into the queue, all in one message.
func (s *school) sendEvents(objects ...[2]string) {
	s.t.Helper()
	if err := shared.stack.Queue.Send("IngestQueue", s.event(objects...)); err != nil {
		s.t.Fatal(err)
	}
}

// passed waits until the workers have done everything that was announced before: a file that is
// sent now comes after it, and with two workers so do two files.
func (s *school) passed() {
	s.t.Helper()
	u := s.user("admin")
	for range 3 {
		u.call("DELETE", "/v1/files/"+u.available(text("a marker"))+"?permanent=true",
			nil).want(204)
	}
}

func (s *school) foreignKeys() []string {
	never := uuid.NewString()
	return []string{
		"incoming/" + s.id + "/" + never + "/1",
		"incoming/" + s.id + "/" + never + "/99999",
		"incoming/" + uuid.NewString() + "/" + never + "/1",
		"incoming/" + uuid.Nil.String() + "/" + uuid.Nil.String() + "/1",
		"incoming/" + s.id + "/../" + never + "/1",
		"original/" + s.id + "/" + never + "/1",
		"Été +%2F & /" + never,
	}
}

// Objects that nobody reserved room for, put there with credentials that no client has: deleted
// where the key is of our making, left alone where it is not, and in no case handed out or waited
// for.
func TestKeyNeverReserved(t *testing.T) {
	s := newSchool(t)
	keys := s.foreignKeys()
	var version string // of a form that the store knows
	for _, key := range keys {
		if !strings.Contains(key, "..") {
			version = s.put(key, []byte("<script>"), "text/html")
		}
	}
	until(t, "that surplus objects are gone",
		func() bool { return len(s.stored("incoming/"+s.id+"/")) == 0 })
	var all [][2]string
	for _, key := range keys {
		all = append(all, [2]string{key, version})
	}
	s.sendEvents(all...)
	s.passed()
	if n := s.look(`SELECT count(*) FROM files WHERE organization_id = $1`, s.id); n != 0 {
		t.Errorf("%d rows were made", n)
	}
	s.wantQuota(0, 0, 0)
}

// A key that names another tenant's file under one's own organization, or the other way round, does
// not touch that file.
func TestKeyOfAnotherTenant(t *testing.T) {
	s := newSchool(t)
	other := schoolOn(t, s.platform)
	victim := other.user("member")
	pending := victim.reserve(text("mine")).str("file.id")
	done := victim.available(text("done"))
	for _, file := range []string{pending, done} {
		s.put("incoming/"+s.id+"/"+file+"/1", []byte("evil"), "text/plain")
	}
	until(t, "that the objects are gone",
		func() bool { return len(s.stored("incoming/"+s.id+"/")) == 0 })
	if a := victim.call("GET", "/v1/files/"+pending,
		nil).want(200); a.at("file.status") != "pending" {
		t.Errorf("the other's file is %v", a.at("file.status"))
	}
	if _, content := victim.fetch(done, ""); string(content) != "done" {
		t.Errorf("the other's file holds %q", content)
	}
	other.wantQuota(4, 4, 2)
	s.wantQuota(0, 0, 0)
}

func TestEventForADeletedRow(t *testing.T) {
	s := newSchool(t)
	u := s.user("member")
	for _, permanent := range []string{"", "?permanent=true"} {
		a := u.reserve(text("late"))
		id := a.str("file.id")
		status := 200
		if permanent != "" {
			status = 204
		}
		u.call("DELETE", "/v1/files/"+id+permanent, nil).want(status)
		s.wantQuota(0, 0, 0)
		if status, body := a.post([]byte("late")); status != 204 { // the form cannot be called back
			t.Fatalf("the form answers %d %s", status, body)
		}
		s.wantStored(id)
		u.call("GET", "/v1/files/"+id, nil).problem(404, "file-not-found")
	}
	s.wantQuota(0, 0, 0)
}

// The same events again, together, in another order and long after: the row stays as it is.
func TestDuplicateAndReorderedEvents(t *testing.T) {
	s := newSchool(t)
	u := s.user("member")
	a := u.reserve(text("first"))
	id := a.str("file.id")
	key := s.incoming(id)
	first := s.put(key, []byte("first"), "text/plain")
	s.sendEvents([2]string{key, first}, [2]string{key, first}, [2]string{key, first})
	before := u.settled(id)
	second := s.put(key, []byte("later"), "text/plain")
	s.sendEvents([2]string{key, second}, [2]string{key, first})
	s.sendEvents([2]string{key, first})
	s.passed()
	after := u.settled(id)
	if before.raw != after.raw || after.at("file.status") != "available" {
		t.Errorf("%s became %s", before.raw, after.raw)
	}
	if _, content := u.fetch(id, ""); string(content) != "first" {
		t.Errorf("served is %q", content)
	}
	s.wantStored(id, "original")
	s.wantQuota(5, 0, 1)
	if n := s.look(
		`SELECT count(*) FROM `+told+` WHERE organization_id = $1 AND subject_id = $2`,
		s.id, id); n != 1 {
		t.Errorf("%d notifications, want 1", n)
	}
}

// One form, used two hundred times at once with different content: one row, one version, one
// verdict, and nothing left over.
func TestOneFormForManyUploads(t *testing.T) {
	s := newSchool(t)
	u := s.user("member")
	const uploads, clients = 200, 8
	a := u.reserve(text("000"))
	id := a.str("file.id")
	var work sync.WaitGroup
	next := make(chan int)
	for range clients {
		work.Go(func() {
			for n := range next {
				if status, body, err := a.tryPost(fmt.Appendf(nil, "%03d", n)); err != nil ||
					status != 204 {
					t.Errorf("upload %d: %d %s %v", n, status, body, err)
				}
			}
		})
	}
	for n := range uploads {
		next <- n
	}
	close(next)
	work.Wait()
	if a := u.settled(id); a.at("file.status") != "available" {
		t.Fatalf("ended as %s", a.raw)
	}
	s.wantStored(id, "original")
	s.wantQuota(3, 0, 1)
	if _, content := u.fetch(id, ""); len(content) != 3 {
		t.Errorf("served is %q", content)
	}
	if n := s.look(`SELECT count(*) FROM files WHERE organization_id = $1`, s.id); n != 1 {
		t.Errorf("%d rows", n)
	}
	if n := s.look(
		`SELECT count(*) FROM file_access_logs WHERE organization_id = $1 AND action = 'process'`,
		s.id); n != 1 {
		t.Errorf("%d verdicts", n)
	}
}

// The object is taken away between its event and the worker's look at it.
func TestObjectGone(t *testing.T) {
	s := newSchool(t)
	u := s.user("member")
	a := u.reserve(text("gone"))
	id := a.str("file.id")
	release := s.hold(
		`SELECT FROM file_uploads WHERE organization_id = $1 AND file_id = $2 FOR UPDATE`, s.id, id)
	if status, body := a.post([]byte("gone")); status != 204 {
		t.Fatalf("the form answers %d %s", status, body)
	}
	s.removeVersions(s.ready.S3.Buckets.Incoming, s.incoming(id))
	release()
	s.wantRefused(u, id, "error", "object_missing")
	s.wantStored(id)
}

// What sits in incoming cannot be had: by no link of the API, by no listing, and by no anonymous
// request.
func TestIncomingIsNeverHandedOut(t *testing.T) {
	s := newSchool(t)
	u := s.user("admin")
	id := u.reserve(text("four")).str("file.id")
	u.call("GET", "/v1/files/"+id+"/download", nil).problem(409, "not-available")
	release := s.hold(
		`SELECT FROM file_uploads WHERE organization_id = $1 AND file_id = $2 FOR UPDATE`, s.id, id)
	defer release()
	key := s.incoming(id)
	s.put(key, []byte("four"), "text/plain") // it stays: no worker can claim it
	s.wantStored(id, "incoming")
	b := s.ready.S3.Buckets
	for _, bucket := range []string{b.Incoming, b.Files, b.Quarantine} {
		for _, path := range []string{"/" + bucket + "/" + key, "/" + bucket + "?list-type=2",
			"/" + bucket + "/?versions"} {
			wantForbidden(t, s.ready.S3.Endpoint+path)
		}
	}
	release()
	done := u.available(text("done"))
	link := u.call("GET", "/v1/files/"+done+"/download", nil).want(200).str("url")
	at, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/" + b.Incoming + "/" + s.incoming(done),
		"/" + b.Quarantine + "/quarantine/" + s.id + "/" + done + "/1"} {
		at.Path = path
		wantForbidden(t, at.String())
	}
}

// removeVersions deletes everything under a key, for good.
func (s *school) removeVersions(bucket, key string) {
	s.t.Helper()
	listed, err := s.objects.ListObjectVersions(s.t.Context(),
		&s3.ListObjectVersionsInput{Bucket: &bucket, Prefix: &key})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, v := range listed.Versions {
		if _, err := s.objects.DeleteObject(s.t.Context(), &s3.DeleteObjectInput{Bucket: &bucket,
			Key: v.Key, VersionId: v.VersionId}); err != nil {
			s.t.Fatal(err)
		}
	}
}

// TestMaintenanceWhileEventsWait is not parallel: it holds every worker, so that the events of
// other uploads wait as if they were lost. Maintenance sends one again and deletes another's
// object.
func TestMaintenanceWhileEventsWait(t *testing.T) {
	busy, waiting := schoolOn(t, shared.platform), schoolOn(t, shared.platform)
	teacher, u := busy.user("member"), waiting.user("member")
	post := func(form reply) {
		if status, body := form.post([]byte("text")); status != 204 {
			t.Fatalf("the form answers %d %s", status, body)
		}
	}
	held := []reply{teacher.reserve(text("text")), teacher.reserve(text("text"))}
	lost, purged := u.reserve(text("text")), u.reserve(text("text"))
	release := busy.hold(`SELECT FROM storage_quotas WHERE organization_id = $1
		FOR UPDATE`, busy.id)
	for _, form := range held {
		post(form)
	}
	until(t, "two workers at their verdicts", func() bool {
		return len(busy.stored("original/"+busy.id)) == 2
	})
	post(lost)
	post(purged)
	waiting.change(`UPDATE file_uploads SET check_at = now() WHERE file_id = $1`,
		lost.str("file.id"))
	u.call("DELETE", "/v1/files/"+purged.str("file.id")+"?permanent=true", nil).want(204)
	waiting.change(`UPDATE object_deletions SET due_at = now()
		WHERE organization_id = $1`, waiting.id)

	done := waiting.send("POST", "/local/schedules/file-maintenance", "", nil).want(200)
	if done.number("result.requeued") < 1 {
		t.Errorf("maintenance sent no event again: %s", done.raw)
	}
	waiting.wantStored(purged.str("file.id"))
	release()
	if a := u.settled(lost.str("file.id")); a.at("file.status") != "available" {
		t.Errorf("ended as %s", a.raw)
	}
	waiting.wantVerdicts(1)
	waiting.wantQuota(4, 0, 1)
}

// While a school has its share of the workers and others wait, its next event goes back to the
// queue: by the shipped binary, with the rights of its role. In the end everything is done, which
// the end of the run asks of the dead letters, too.
func TestABacklogGoesBackToTheQueue(t *testing.T) {
	s := newSchool(t)
	u := s.user("member")
	for range 5 { // of the ten that template.yaml has; here there are two
		u.reserve(text("in work"))
	}
	s.change(`UPDATE file_uploads SET lease_until = now() + interval '1 hour'
		WHERE organization_id = $1`, s.id)
	never := "incoming/" + s.id + "/" + uuid.NewString() + "/1"
	again := s.event([2]string{never, s.put(never, []byte("x"), "text/plain")})
	others := func() {
		for range 100 {
			if err := shared.stack.Queue.Send("IngestQueue", again); err != nil {
				t.Fatal(err)
			}
		}
	}
	var files []string
	until(t, "that an event went back", func() bool {
		others()
		files = append(files, u.upload(text("late")))
		others()
		log, err := os.ReadFile(shared.stack.LogPath())
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(log)) {
			if strings.Contains(line, `handed_back`) && strings.Contains(line, s.id) {
				return true
			}
		}
		return false
	})
	s.change(`UPDATE file_uploads SET lease_until = NULL
		WHERE organization_id = $1 AND object_version IS NULL`, s.id)
	for _, file := range files {
		if a := u.settled(file); a.at("file.status") != "available" {
			t.Errorf("ended as %s", a.raw)
		}
	}
}
