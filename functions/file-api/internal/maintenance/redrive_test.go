package maintenance

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/library"
	"github.com/toolboxai-solutions/satchel/shared/objectkey"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// ended makes a file as processing leaves one that ended with the reason, with the fence 3.
func (w *fixture) ended(by tenant.Caller, reason storedfile.Reason) (f library.File, place string) {
	w.t.Helper()
	f = w.reserve(by)
	key := objectkey.Held(by.Organization, f.ID, 1, 3)
	if reason == storedfile.Infected {
		key = objectkey.Quarantine(by.Organization, f.ID, 1, 3)
	}
	version := w.put(buckets().Quarantine, key)
	w.exec(`DELETE FROM file_uploads WHERE file_id = $1`, f.ID)
	w.exec(`UPDATE storage_quotas SET reserved_bytes = 0, file_count = 0
		WHERE organization_id = $1`, by.Organization)
	w.exec(`UPDATE files SET status = $2, status_reason = $3, bucket_name = $4, storage_path = $5,
		current_fence = 3, deletion_date = $6, updated_at = $7 WHERE id = $1`, f.ID,
		reason.Status(), reason, buckets().Quarantine, key, w.now.Add(reason.KeptFor()), w.now)
	return f, key + " " + version
}

func (w *fixture) redrive(command string, arguments ...any) RedriveSummary {
	w.t.Helper()
	done, err := w.maintenance.Redrive(w.t.Context(),
		json.RawMessage(fmt.Sprintf(command, arguments...)))
	if err != nil {
		w.t.Fatal(err)
	}
	return done
}

func (w *fixture) wantRedrive(want RedriveSummary, command string, arguments ...any) {
	w.t.Helper()
	if want.Complete = true; want.Refused == nil {
		want.Refused = map[library.Refusal]int{}
	}
	if got := w.redrive(command, arguments...); !reflect.DeepEqual(got, want) {
		w.t.Errorf("%s: %+v, want %+v", fmt.Sprintf(command, arguments...), got, want)
	}
}

// What ended as a fault of ours is processed again from where it is kept, takes its room again and
// is kept for as long as it was meant to be. Trying it changes nothing, and twice is once.
func TestRedrive(t *testing.T) {
	w := newFixture(t)
	by := w.member("school")
	f, place := w.ended(by, storedfile.ScannerUnavailable)
	const everything = `SELECT concat(f, u, q) FROM files f JOIN storage_quotas q
		USING (organization_id) LEFT JOIN file_uploads u ON u.file_id = f.id WHERE f.id = $1`
	before := w.text(everything, f.ID)
	w.wantRedrive(RedriveSummary{DryRun: true, Found: 1, Redriven: 1},
		`{"command":"redrive","file_id":"%s","dry_run":true}`, f.ID)
	w.wantText(before, everything, f.ID)
	if sent := w.sent(); len(sent) > 0 {
		t.Errorf("trying sent %s", sent)
	}
	w.wantRedrive(RedriveSummary{Found: 1, Redriven: 1}, `{"command":"redrive","file_id":"%s"}`,
		f.ID)
	w.wantFile(f, "processing")
	key, version, _ := strings.Cut(place, " ")
	w.wantText("5 t 3 "+version, `SELECT concat_ws(' ', reserved_bytes, expires_at <= $2, fence,
		object_version) FROM file_uploads WHERE file_id = $1`, f.ID, w.now)
	w.wantText("5 1", `SELECT concat_ws(' ', reserved_bytes, file_count) FROM storage_quotas`)
	var date time.Time
	if err := w.db.Superuser.QueryRow(t.Context(), `SELECT deletion_date FROM files WHERE id = $1`,
		f.ID).Scan(&date); err != nil || !date.Equal(*f.DeletionDate) {
		t.Errorf("it is kept until %v, want %v, %v", date, *f.DeletionDate, err)
	}
	w.wantText("processing scanner_unavailable", `SELECT concat_ws(' ', details->>'status',
		details->>'redriven_from') FROM file_access_logs WHERE file_id = $1 AND action = 'process'`,
		f.ID)
	if sent := w.sent(); len(sent) != 1 || sent[0] != place {
		t.Errorf("sent %s, want %s", sent, place)
	}
	w.wantRedrive(RedriveSummary{}, `{"command":"redrive","organization_id":"%s"}`,
		by.Organization)

	// Its event was lost: it is followed up where it is.
	w.now = w.now.Add(2 * quietTime)
	if done := w.run(); done.Requeued != 1 {
		t.Errorf("maintenance did %+v", done)
	}
	if sent := w.sent(); len(sent) != 1 || sent[0] != place {
		t.Errorf("sent %s, want %s", sent, place)
	}
	if _, err := storedfile.DeleteVersions(t.Context(), w.client, buckets().Quarantine,
		key); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(2 * longestWait)
	if done := w.run(); done.Missing != 1 {
		t.Errorf("maintenance did %+v", done)
	}
	w.wantFile(f, "error object_missing")
}

// The statement spells out what the index is for.
func TestOnlyWhatEndedWithoutAVerdictIsRedriven(t *testing.T) {
	w := newFixture(t)
	by := w.member("school")
	for _, reason := range storedfile.Reasons() {
		f, _ := w.ended(by, reason)
		want := RedriveSummary{}
		if reason.Redrivable() {
			want = RedriveSummary{Found: 1, Redriven: 1}
		}
		w.wantRedrive(want, `{"command":"redrive","file_id":"%s"}`, f.ID)
	}
}

func TestRedriveRefuses(t *testing.T) {
	for want, change := range map[library.Refusal]string{
		library.RefusedQuota:     `UPDATE storage_quotas SET total_bytes = 4`,
		library.RefusedSuspended: `UPDATE organizations SET status = 'suspended'`,
		library.RefusedRetention: `UPDATE organizations SET data_retention_days = 1;
			UPDATE files SET created_at = now() - interval '2 days'`,
		library.RefusedMissing: `UPDATE files SET storage_path =
			replace(storage_path, '/held/3', '/held/4')`,
	} {
		t.Run(string(want), func(t *testing.T) {
			w := newFixture(t)
			f, _ := w.ended(w.member("school"), storedfile.ProcessingUnavailable)
			w.exec(change)
			w.wantRedrive(RedriveSummary{Found: 1, Refused: map[library.Refusal]int{want: 1}},
				`{"command":"redrive","file_id":"%s"}`, f.ID)
			w.wantFile(f, "error processing_unavailable")
			w.wantText("none", `SELECT 'an upload' FROM file_uploads`)
			if sent := w.sent(); len(sent) > 0 {
				t.Errorf("sent %s", sent)
			}
		})
	}
}

// What changed between the look and the redrive stays as it is.
func TestRedriveLosesToAChange(t *testing.T) {
	w := newFixture(t)
	by := w.member("school")
	f, place := w.ended(by, storedfile.TooManyAttempts)
	key, version, _ := strings.Cut(place, " ")
	for _, change := range []string{
		`UPDATE files SET status_reason = 'infected', status = 'quarantined'`,
		`UPDATE files SET status_reason = 'infected', status = 'error'`,
		`UPDATE files SET storage_path = storage_path || '9', status_reason = 'too_many_attempts'`,
	} {
		w.exec(change)
		err := w.maintenance.DB.InTenant(t.Context(), by.Organization, func(tx pgx.Tx) error {
			refusal, err := w.maintenance.System.Redrive(t.Context(), tx, library.GivenUp{
				Organization: by.Organization, File: f.ID, Bucket: buckets().Quarantine, Key: key,
				Version: version, Size: 5})
			if refusal != library.RefusedChanged {
				t.Errorf("%s: %q", change, refusal)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestRedriveIsAsWideAsItSays(t *testing.T) {
	w := newFixture(t)
	school, other := w.member("school"), w.member("other")
	early, _ := w.ended(school, storedfile.ScannerUnavailable)
	w.exec(`UPDATE files SET updated_at = $1`, w.now.Add(-time.Hour))
	late, _ := w.ended(school, storedfile.ScannerUnavailable)
	theirs, _ := w.ended(other, storedfile.ScannerUnavailable)
	hour := func(n time.Duration) string {
		return w.now.Add(n * time.Minute).UTC().Format(time.RFC3339)
	}
	w.wantRedrive(RedriveSummary{Found: 1, Redriven: 1},
		`{"command":"redrive","organization_id":"%s","ended_from":"%s","ended_before":"%s"}`,
		school.Organization, hour(-90), hour(-30))
	w.wantFile(early, "processing")
	w.wantFile(late, "error scanner_unavailable")
	w.wantRedrive(RedriveSummary{}, `{"command":"redrive","organization_id":"%s","file_id":"%s"}`,
		school.Organization, theirs.ID)
	w.wantRedrive(RedriveSummary{Found: 1, Redriven: 1},
		`{"command":"redrive","organization_id":"%s"}`, school.Organization)
	w.wantFile(theirs, "error scanner_unavailable")
	w.wantRedrive(RedriveSummary{Found: 1, Redriven: 1},
		`{"command":"redrive","ended_from":"%s"}`, hour(-90))
	for command, say := range map[string]string{
		`{"command":"redrive"}`:                                  "say file_id, organization_id",
		`{"command":"redrive","file":"x"}`:                       `unknown field "file"`,
		`{"command":"redrive","file_id":"x"}`:                    "send file_id",
		`{"command":"redrive","ended_before":"` + hour(0) + `"}`: "say file_id",
		`{"command":"redrive","ended_from":"` + hour(0) + `","ended_before":"` + hour(-1) +
			`"}`: "ended_from must be before",
	} {
		if _, err := w.maintenance.Redrive(t.Context(),
			json.RawMessage(command)); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%s: %v", command, err)
		}
	}
}
