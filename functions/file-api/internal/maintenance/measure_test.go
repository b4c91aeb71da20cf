package maintenance

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/toolboxai-solutions/satchel/shared/telemetry"
)

// What has no verdict is as old as its reservation, however often it was sent again; with nothing
// to wait for the age is 0, so that silence means that nobody measures.
func TestTheAgeOfTheOldestUploadIsTold(t *testing.T) {
	w := newFixture(t)
	var out bytes.Buffer
	w.maintenance.Metrics = telemetry.Metrics{Out: &out, Namespace: "Satchel"}
	age := func() time.Duration {
		t.Helper()
		out.Reset()
		w.run()
		var told struct{ OldestUpload *float64 }
		if err := json.Unmarshal(out.Bytes(), &told); err != nil || told.OldestUpload == nil {
			t.Fatalf("told %s, %v", &out, err)
		}
		return time.Duration(*told.OldestUpload) * time.Millisecond
	}
	if got := age(); got != 0 {
		t.Errorf("with no upload the oldest is %s old", got)
	}
	f := w.reserve(w.member("school"))
	w.reserve(w.member("another"))
	w.exec(`UPDATE file_uploads SET created_at = $1 WHERE file_id = $2`, w.now.Add(-time.Hour), f.ID)
	w.put(buckets().Incoming, incoming(f)) // an event that got lost
	w.now = w.now.Add(time.Hour)
	if got := age().Round(time.Minute); got != 2*time.Hour {
		t.Errorf("the oldest is %s old, want two hours", got)
	}
	w.exec(`DELETE FROM file_uploads WHERE file_id = $1`, f.ID)
	w.now = w.now.Add(-time.Hour)
	if got := age().Round(time.Minute); got != 0 {
		t.Errorf("with a new upload alone the oldest is %s old", got)
	}
}
