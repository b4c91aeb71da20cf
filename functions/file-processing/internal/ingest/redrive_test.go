package ingest

import (
	"errors"
	"testing"
	"time"

	"github.com/toolboxai-solutions/satchel/shared/objectkey"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
)

// held is a file that used up its attempts, with what a redrive of file-api then makes of it.
func (w *fixture) held(u upload) (objectkey.Key, Object) {
	w.t.Helper()
	key, object := w.send(u)
	for range maxAttempts {
		_, what, err := w.processor.claim(w.t.Context(), key, object.Version, time.Hour)
		if what != proceed || err != nil {
			w.t.Fatal(what, err)
		}
		w.expireLease()
	}
	if result := w.process(object); result.Reason != storedfile.TooManyAttempts {
		w.t.Fatalf("%+v", result)
	}
	w.sweep(key)
	place := objectkey.Held(w.organization, key.File, 1, w.fence(key))
	stored, _ := w.get("quarantine", place)
	w.exec(`INSERT INTO file_uploads (organization_id, file_id, uploaded_by, reserved_bytes,
		expires_at, object_version, fence) SELECT organization_id, id, uploaded_by, $2, now(), $3,
		current_fence FROM files WHERE id = $1`, key.File, len(u.content), *stored.VersionId)
	w.exec(`UPDATE files SET status = 'processing', status_reason = NULL WHERE id = $1`, key.File)
	w.exec(`UPDATE storage_quotas SET reserved_bytes = $1, file_count = 1`, len(u.content))
	w.exec(`DELETE FROM notification_inbox`)
	w.exec(`DELETE FROM object_deletions`)
	return key, Object{Bucket: "quarantine", Key: place, Version: *stored.VersionId}
}

// A worker that has seen the file end processes it again from where it is held; then what was held
// goes, and nothing else.
func TestWhatIsHeldIsProcessedAgain(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	content := sampleJPEG(t)
	key, object := w.held(upload{name: "a.jpg", mime: "image/jpeg", content: content})
	late := w.put(incomingKey(key), content)
	if result := w.process(late); result.Outcome != OutcomeSuperseded {
		t.Errorf("a late event of the upload: %+v", result)
	}
	if result := w.process(object); result.Outcome != OutcomeAvailable {
		t.Fatalf("%+v", result)
	}
	w.expectVariants(key)
	expect(t, w.file(key), map[string]any{"status": "available", "quota_bytes": len(content),
		"storage_path": objectkey.Original(w.organization, key.File, 1, w.fence(key))})
	expect(t, w.quota(), map[string]any{"used_bytes": len(content), "reserved_bytes": 0,
		"file_count": 1})
	expect(t, w.row(`SELECT count(*) AS told FROM notification_inbox WHERE topic = 'file.available'`),
		map[string]any{"told": 1})
	for range 2 { // again, and then from memory
		if result := w.process(object); result.Outcome != OutcomeSuperseded {
			t.Errorf("its event, once more: %+v", result)
		}
	}
	w.sweep(key)
	if left := w.objects(key); len(left) != 5 {
		t.Errorf("left are %v", left)
	}
}

// It may end without a verdict once more, or as infected, and is kept again.
func TestWhatIsHeldMayBeHeldAgain(t *testing.T) {
	t.Parallel()
	t.Run("with its days over and nowhere to keep it", func(t *testing.T) {
		t.Parallel()
		w := newFixture(t)
		content := sampleJPEG(t)
		key, object := w.held(upload{name: "a.jpg", mime: "image/jpeg", content: content})
		good := w.processor.Config.Buckets
		w.processor.Config.Files = "not-there"
		if _, err := w.processor.Process(t.Context(), object); !errors.Is(err, ErrPostponed) {
			t.Fatal(err)
		}
		w.age()
		w.processor.Config.Buckets = good
		if result := w.process(object); result.Reason != storedfile.ProcessingUnavailable {
			t.Fatalf("%+v", result)
		}
		w.sweep(key)
		w.expectKept(key, storedfile.ProcessingUnavailable, content)
	})
	t.Run("infected", func(t *testing.T) {
		t.Parallel()
		w := newFixture(t)
		key, object := w.held(upload{name: "a.txt", mime: "text/plain", content: eicar()})
		w.scanning()
		if result := w.process(object); result.Reason != storedfile.Infected {
			t.Fatalf("%+v", result)
		}
		w.sweep(key)
		place := objectkey.Quarantine(w.organization, key.File, 1, w.fence(key))
		if left := w.objects(key); len(left) != 1 {
			t.Errorf("left are %v", left)
		}
		w.get("quarantine", place)
	})
}

// Only a redrive, which names the version, makes anything of an object in quarantine.
func TestAnEventOfQuarantineAloneDoesNothing(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	content := sampleJPEG(t)
	key, object := w.held(upload{name: "a.jpg", mime: "image/jpeg", content: content})
	for _, change := range []string{
		`UPDATE file_uploads SET object_version = 'another'`,
		`UPDATE file_uploads SET object_version = NULL`,
		`DELETE FROM file_uploads`,
	} {
		w.exec(change)
		if result := w.process(object); result.Outcome != OutcomeSuperseded {
			t.Errorf("%s: %+v", change, result)
		}
		if _, kept := w.get("quarantine", object.Key); string(kept) != string(content) {
			t.Errorf("%s: %d bytes are left", change, len(kept))
		}
	}
	infected := object
	infected.Key = objectkey.Quarantine(w.organization, key.File, 1, 1)
	if result := w.process(infected); result.Outcome != OutcomeUnknownKey {
		t.Errorf("what is infected: %+v", result)
	}
}
