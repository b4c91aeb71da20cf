package maintenance

import (
	"testing"
	"time"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/maintenance/db"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
)

func TestNextAction(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	claimed, gone := "v2", "v9"
	stored := []objectVersion{{id: "v1"}, {id: "v2"}, {id: "v3"}}
	for _, c := range []struct {
		name    string
		claimed *string
		expires time.Time
		stored  []objectVersion
		want    action
		version string
	}{
		{"the form still works", nil, now.Add(time.Minute), nil, wait, ""},
		{"an upload may be on its way", nil, now.Add(-storedfile.FormGrace), nil, wait, ""},
		{"nothing came", nil, now.Add(-storedfile.FormGrace - 1), nil, rejectLate, ""},
		{"the event was lost", nil, now.Add(time.Minute), stored, requeue, "v1"},
		{"the event was lost and the form expired", nil, now.Add(-time.Hour), stored, requeue,
			"v1"},
		{"the worker was lost", &claimed, now.Add(-time.Hour), stored, requeue, "v2"},
		{"the claimed version is gone", &gone, now.Add(time.Minute), stored, rejectGone, ""},
		{"everything is gone", &claimed, now.Add(-time.Hour), nil, rejectGone, ""},
	} {
		got, version := nextAction(db.FileUpload{ObjectVersion: c.claimed, ExpiresAt: c.expires},
			c.stored, now)
		if got != c.want || version.id != c.version {
			t.Errorf("%s: %s %s, want %s %s", c.name, got, version.id, c.want, c.version)
		}
	}
}
