package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/toolboxai-solutions/satchel/infra/local/clamd"
)

// The database crashes while uploads are reserved, sent and worked on. Clients are told to come
// again, nothing is counted twice, and everything that had been promised ends well.
func TestPostgresRestartsMidRun(t *testing.T) {
	s := schoolOn(t, shared.platform)
	u := s.user("member")
	const files = 6
	forms := make([]reply, files)
	size := int64(0)
	for i := range forms {
		f := text(fmt.Sprintf("file number %d", i))
		forms[i] = u.reserve(f)
		size += int64(len(f.content))
	}
	send := func(i int) {
		if status, body := forms[i].post(fmt.Appendf(nil, "file number %d", i)); status != 204 {
			t.Fatalf("the form answers %d %s", status, body)
		}
	}
	release := s.hold(`SELECT FROM storage_quotas WHERE organization_id = $1 FOR UPDATE`, s.id)
	send(0) // its worker gets as far as the verdict
	until(t, "a worker at its verdict", func() bool { return len(s.stored("original/"+s.id)) == 1 })
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := shared.stack.Postgres.Crash(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			_ = shared.stack.Postgres.Resume(context.Background()) // for the tests that follow
		}
	})
	release()
	for i := 1; i < files/2; i++ {
		send(i) // the store is up, and its events wait
	}
	a := u.call("GET", "/v1/files", nil)
	if a.want(503); a.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("without a database: %s", a.raw)
	}
	key := "while-the-database-is-away"
	u.call("POST", "/v1/files", text("late").body(), "Idempotency-Key", key).want(503)
	if err := shared.stack.Postgres.Resume(ctx); err != nil {
		t.Fatal(err)
	}
	s.rows.Reset()
	until(t, "an API that answers again",
		func() bool { return u.call("GET", "/v1/usage", nil).status == 200 })
	// A run whose connections died with PostgreSQL leaves its items to the next one, and says so.
	until(t, "maintenance that leaves nothing to the next run", func() bool {
		return s.send("POST", "/local/schedules/file-maintenance", "", nil).status == 200
	})
	for range 8 { // more than the local stack's own pool has connections
		s.send("POST", "/local/token", "",
			map[string]string{"organization": s.slug, "user": u.email}).want(200)
	}
	for i := files / 2; i < files; i++ {
		send(i)
	}
	late := u.call("POST", "/v1/files", text("late").body(), "Idempotency-Key", key).want(201)
	if status, body := late.post([]byte("late")); status != 204 {
		t.Fatalf("the form answers %d %s", status, body)
	}
	for _, a := range append(forms, late) {
		id := a.str("file.id")
		s.resume(id)
		if a := u.settled(id); a.at("file.status") != "available" {
			t.Errorf("ended as %s", a.raw)
		}
		s.wantKept(id, "original")
	}
	s.wantQuota(size+4, 0, files+1)
	s.wantVerdicts(files + 1)
}

// hurry lets the lease of a worker that is gone run out now and not in a minute.
func (s *school) hurry(id string) {
	s.t.Helper()
	s.change(`UPDATE file_uploads SET lease_until = clock_timestamp() WHERE file_id = $1`, id)
}

// pass is the time that a file which was given back waits, and maintenance at its end.
func (s *school) pass(id string) {
	s.t.Helper()
	if s.look(`WITH due AS (UPDATE file_uploads
		SET next_attempt_at = NULL, check_at = clock_timestamp()
		WHERE file_id = $1 AND next_attempt_at IS NOT NULL RETURNING 1) SELECT count(*)
			FROM due`, id) > 0 {
		s.maintenance()
	}
}

// resume is that for a file whose event found no database to ask.
func (s *school) resume(id string) {
	s.t.Helper()
	s.change(`UPDATE file_uploads SET lease_until = NULL, next_attempt_at = clock_timestamp()
		WHERE file_id = $1`, id)
	s.pass(id)
}

// wantVerdicts counts what was told of verdicts: each exactly once.
func (s *school) wantVerdicts(n int64) {
	s.t.Helper()
	if told := s.look(
		`SELECT count(*) FROM `+told+` WHERE organization_id = $1 AND topic IN ('file.available', 'file.rejected')`,
		s.id); told != n {
		s.t.Errorf("%d notifications of %d verdicts", told, n)
	}
	if logged := s.look(
		`SELECT count(*) FROM file_access_logs WHERE organization_id = $1 AND action = 'process'`,
		s.id); logged != n {
		s.t.Errorf("%d lines in the log of %d verdicts", logged, n)
	}
}

// The scanner is killed in the middle of a stream and started again: the file is scanned after all,
// and not before.
func TestScannerKilledMidStream(t *testing.T) {
	needScanner(t)
	s := schoolOn(t, shared.platform)
	u := s.user("member")
	killed := make(chan error, 1)
	shared.wiretap.arm(func() { killed <- shared.scanner.Kill() })
	f := text(strings.Repeat("x", 300_000) + "\n" + poison + strings.Repeat("y", 300_000))
	id := u.upload(f)
	if err := <-killed; err != nil {
		t.Fatal(err)
	}
	until(t, "that the file is handed back", func() bool {
		return s.look(
			`SELECT count(*) FROM file_uploads
				WHERE file_id = $1 AND last_error = 'scanner_unavailable' AND attempts = 0
				AND next_attempt_at > now()`,
			id) == 1
	})
	if a := u.call("GET", "/v1/files/"+id, nil); a.at("file.status") != "processing" {
		t.Errorf("without a scanner: %s", a.raw)
	}
	shared.wiretap.spare(true)
	defer shared.wiretap.spare(false)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := shared.scanner.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if a := u.settled(id); a.at("file.status") != "available" ||
		a.at("file.virus_scanned") != (shared.scanner.Database != clamd.EICAROnly) {
		t.Errorf("ended as %s", a.raw)
	}
	s.wantStored(id, "original")
	s.wantQuota(int64(len(f.content)), 0, 1)
	s.wantVerdicts(1)
}

// The worker is killed when all its outputs are stored and its verdict is not written, and once
// more while it reads.
func TestWorkerKilledMidFile(t *testing.T) {
	s := schoolOn(t, shared.platform)
	u := s.user("member")
	f := dot(t)
	a := u.reserve(f)
	id := a.str("file.id")
	for attempt := range 3 {
		release := s.hold(`SELECT FROM storage_quotas WHERE organization_id = $1 FOR UPDATE`, s.id)
		if attempt == 0 {
			if status, body := a.post(f.content); status != 204 {
				t.Fatalf("the form answers %d %s", status, body)
			}
		}
		until(t, "a worker at its verdict", func() bool {
			return s.look(
				`SELECT count(*) FROM pg_stat_activity
					WHERE usename = 'satchel_file_processing_events'
					AND wait_event_type = 'Lock'`) == 1
		})
		if n := s.look(`SELECT attempts FROM file_uploads WHERE file_id = $1`,
			id); n != int64(attempt)+1 {
			t.Errorf("%d attempts are counted, want %d", n, attempt+1)
		}
		if n := shared.stack.Runtime.Kill(fileProcessing); n == 0 {
			t.Fatal("there was no worker to kill")
		}
		release()
		s.hurry(id)
	}
	if a := u.settled(id); a.at("file.status") != "available" {
		t.Errorf("ended as %s", a.raw)
	}
	s.wantKept(id, "original", "variant/optimized", "variant/thumbnail", "variant/thumbnail_large",
		"variant/thumbnail_small")
	s.wantQuota(int64(len(f.content)), 0, 1)
	s.wantVerdicts(1)
}

// The API itself is killed: the next request meets a new one.
func TestAPIKilled(t *testing.T) {
	s := schoolOn(t, shared.platform)
	u := s.user("member")
	shared.stack.Runtime.Kill(fileAPI)
	id := u.available(text("after"))
	shared.stack.Runtime.Kill(fileAPI)
	u.fetch(id, "")
}
