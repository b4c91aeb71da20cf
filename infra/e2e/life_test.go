package e2e

import (
	"slices"
	"testing"
)

func TestConsent(t *testing.T) {
	s := newSchool(t)
	pupil, teacher := s.user("member"), s.user("staff")
	f := dot(t)
	f.more = map[string]any{"requires_consent": true, "contains_pii": true}
	id := pupil.available(f)
	path := "/v1/files/" + id
	given := map[string]string{"given_by": "P. Arent", "basis": "signed form of 2026-09-01"}
	for _, u := range []user{pupil, teacher, s.user("admin")} {
		u.call("GET", path+"/download", nil).problem(403, "consent-required")
		u.call("GET", path+"/download?variant=thumbnail", nil).problem(403, "consent-required")
	}
	pupil.call("PUT", path+"/consent", given).problem(403, "not-allowed")
	pupil.call("PATCH", path, map[string]any{"requires_consent": false}).problem(403, "not-allowed")
	a := teacher.call("PUT", path+"/consent", given).want(200)
	if a.at("file.consent.given_by") != "P. Arent" ||
		a.at("file.consent.recorded_by") != teacher.id {
		t.Errorf("consent %s", a.raw)
	}
	if a := s.user("member").call("GET", path,
		nil).want(200); a.at("file.consent.given_by") != nil {
		t.Errorf("another pupil learns who gave consent: %s", a.raw)
	}
	pupil.fetch(id, "thumbnail")
	pupil.call("DELETE", path+"/consent", nil).problem(403, "not-allowed")
	teacher.call("DELETE", path+"/consent", nil).want(200)
	pupil.call("GET", path+"/download", nil).problem(403, "consent-required")
	teacher.call("DELETE", path+"/consent", nil).problem(409, "no-consent")
	log := teacher.call("GET", path+"/access-log", nil).want(200)
	var actions []string
	for _, e := range log.at("entries").([]any) {
		actions = append(actions, e.(map[string]any)["action"].(string))
	}
	if want := []string{"consent", "download", "consent", "process",
		"create"}; !slices.Equal(actions, want) {
		t.Errorf("the log has %q, want %q", actions, want)
	}
	if n := s.look(
		`SELECT count(*) FROM file_consents WHERE organization_id = $1 AND withdrawn_by = $2`,
		s.id, teacher.id); n != 1 {
		t.Errorf("%d records of the withdrawn consent", n)
	}
}

func TestStudentSubmissionIsForItsPupilAndStaff(t *testing.T) {
	s := newSchool(t)
	pupil, other := s.user("member"), s.user("member")
	f := text("my essay")
	f.more = map[string]any{"category": "student_submission"}
	id := pupil.available(f)
	for _, r := range routes() {
		var body any
		if r[2] != "" {
			body = r[2]
		}
		other.call(r[0], "/v1/files/"+id+r[1], body).problem(404, "file-not-found")
	}
	if a := other.call("GET", "/v1/files", nil).want(200); len(a.at("files").([]any)) != 0 {
		t.Errorf("another pupil lists %s", a.raw)
	}
	pupil.fetch(id, "")
	s.user("staff").fetch(id, "")
}

func TestDeleteAndRestore(t *testing.T) {
	s := newSchool(t)
	u := s.user("member")
	f := dot(t)
	id := u.available(f)
	path, size := "/v1/files/"+id, int64(len(f.content))
	whole := []string{"original", "variant/optimized", "variant/thumbnail",
		"variant/thumbnail_large", "variant/thumbnail_small"}
	s.wantStored(id, whole...)
	if a := u.call("DELETE", path, nil).want(200); a.at("file.status") != "deleted" ||
		a.at("file.deleted_at") == nil {
		t.Errorf("deleted: %s", a.raw)
	}
	u.call("GET", path+"/download", nil).problem(409, "not-available")
	u.call("PATCH", path, map[string]any{"title": "x"}).problem(409, "file-deleted")
	if a := u.call("GET", "/v1/files", nil).want(200); len(a.at("files").([]any)) != 0 {
		t.Errorf("still listed: %s", a.raw)
	}
	s.maintenance()
	s.wantStored(id, whole...) // the bin is kept for thirty days
	s.wantQuota(size, 0, 1)
	if a := u.call("POST", path+"/restore", nil).want(200); a.at("file.status") != "available" ||
		a.at("file.deleted_at") != nil {
		t.Errorf("restored: %s", a.raw)
	}
	u.fetch(id, "")
	u.call("POST", path+"/restore", nil).problem(409, "not-deleted")

	u.call("DELETE", path+"?permanent=true", nil).want(204)
	u.call("GET", path, nil).problem(404, "file-not-found")
	u.call("DELETE", path+"?permanent=true", nil).problem(404, "file-not-found")
	s.wantQuota(0, 0, 0)
	s.maintenance()
	s.wantStored(id)
	for _, topic := range []string{"file.available", "file.deleted", "file.restored"} {
		if n := s.look(
			`SELECT count(*) FROM `+told+` WHERE organization_id = $1 AND subject_id = $2 AND topic = $3`,
			s.id, id, topic); n == 0 {
			t.Errorf("no notification %s", topic)
		}
	}
}

// What nobody looks after ends by itself: the bin after thirty days, a file after its deletion
// date, an upload that never came.
func TestMaintenanceWhenTimePasses(t *testing.T) {
	s := newSchool(t)
	u := s.user("admin")
	binned, expired := u.available(dot(t)), u.available(text("short-lived"))
	u.call("DELETE", "/v1/files/"+binned, nil).want(200)
	never := u.reserve(text("never uploaded"))
	s.change(`UPDATE files SET deleted_at = now() - interval '31 days' WHERE id = $1`, binned)
	s.change(`UPDATE files SET deletion_date = now() - interval '1 second' WHERE id = $1`, expired)
	s.change(
		`UPDATE file_uploads SET check_at = now() - interval '1 hour',
			expires_at = now() - interval '30 minutes' WHERE file_id = $1`,
		never.str("file.id"))
	s.maintenance()
	for _, id := range []string{binned, expired} {
		u.call("GET", "/v1/files/"+id, nil).problem(404, "file-not-found")
		s.wantStored(id)
	}
	a := u.call("GET", "/v1/files/"+never.str("file.id"), nil).want(200)
	if a.at("file.status") != "error" || a.at("file.reason") != "upload_expired" {
		t.Errorf("the upload that never came: %s", a.raw)
	}
	s.wantQuota(0, 0, 0)
}
