package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// routes are all that take a file's id.
func routes() [][3]string {
	return [][3]string{
		{"GET", "", ""},
		{"PATCH", "", `{"title":"mine"}`},
		{"GET", "/download", ""},
		{"GET", "/download?variant=thumbnail", ""},
		{"GET", "/access-log", ""},
		{"PUT", "/consent", `{"given_by":"a","basis":"b"}`},
		{"DELETE", "/consent", ""},
		{"POST", "/restore", ""},
		{"DELETE", "", ""},
		{"DELETE", "?permanent=true", ""},
	}
}

// otherRoutes are those that take the id of something else than a file.
func otherRoutes() [][2]string {
	return [][2]string{
		{"GET", "/v1/notifications/{id}"},
		{"POST", "/v1/notifications/{id}/ack"},
		{"GET", "/v1/analytics/agents/{id}"},
	}
}

// What another tenant has under an id answers what an id answers that never was.
func TestAnotherTenantsNotificationsAndAgentsDoNotExist(t *testing.T) {
	s := newSchool(t)
	other := schoolOn(t, s.platform)
	owner, stranger := other.user("admin"), s.user("admin")
	agent := uuid.NewString()
	s.change(`INSERT INTO agent_instances (organization_id, id, agent_id, agent_type)
		VALUES ($1, $2, 'tutor-1', 'tutor')`, other.id, agent)
	posted := owner.call("POST", "/v1/notifications",
		map[string]any{"user_id": owner.id, "event": "lesson.started"}).want(202).str("id")
	now := time.Now().UTC()
	period := "?from=" + now.Add(-time.Hour).Format(time.RFC3339) + "&to=" +
		now.Format(time.RFC3339)
	for _, r := range otherRoutes() {
		theirs, query := posted, ""
		if strings.Contains(r[1], "agents") {
			theirs, query = agent, period
		}
		at := func(id string) string { return strings.Replace(r[1], "{id}", id, 1) + query }
		absent := stranger.call(r[0], at(uuid.NewString()), nil).want(404)
		seen := stranger.call(r[0], at(theirs), nil).want(404)
		if seen.str("code") != absent.str("code") || seen.str("detail") != absent.str("detail") {
			t.Errorf("%s %s tells them apart:\n%s\n%s", r[0], r[1], seen.raw, absent.raw)
		}
		if theirs == posted { // the agent has done nothing yet, of which its own school hears too
			owner.call(r[0], at(theirs), nil).want(200)
		}
	}
}

// Every path of the served document that takes a file's id is among the routes, and no path takes
// another kind of id unnoticed.
func TestEveryRouteWithAnIDIsTried(t *testing.T) {
	s := newSchool(t)
	var served struct {
		Paths map[string]map[string]any
	}
	if err := json.Unmarshal([]byte(s.user("member").call("GET", "/v1/openapi.json", nil).
		want(200).raw), &served); err != nil {
		t.Fatal(err)
	}
	for path, methods := range served.Paths {
		tail, ofFile := strings.CutPrefix(path, "/v1/files/{id}")
		for method := range methods {
			tried := ofFile && slices.ContainsFunc(routes(), func(r [3]string) bool {
				return strings.EqualFold(r[0], method) && r[1] == tail
			})
			tried = tried || slices.Contains(otherRoutes(),
				[2]string{strings.ToUpper(method), path})
			if strings.Contains(path, "{") && !tried {
				t.Errorf("%s %s is not tried with the id of another tenant: add it to routes",
					strings.ToUpper(method), path)
			}
		}
	}
}

// On every route another tenant's file answers, byte by byte, what an id answers that never was:
// only the request's own id and time differ.
func TestAnotherTenantsFileDoesNotExist(t *testing.T) {
	s := newSchool(t)
	other := schoolOn(t, s.platform)
	owner := other.user("admin")
	available, pending := owner.available(dot(t)), owner.reserve(text("x")).str("file.id")
	deleted := owner.available(text("gone"))
	owner.call("DELETE", "/v1/files/"+deleted, nil).want(200)
	stranger := s.user("admin")
	for _, r := range routes() {
		var absent string
		for _, id := range []string{uuid.NewString(), available, pending, deleted,
			uuid.NewString()} {
			var body any
			if r[2] != "" {
				body = r[2]
			}
			a := stranger.call(r[0], "/v1/files/"+id+r[1], body).problem(404, "file-not-found")
			seen := a.header.Clone()
			seen.Del("Date")
			seen.Del("X-Request-Id")
			seen.Del("Apigw-Requestid")
			got := fmt.Sprint(a.status, seen, strings.ReplaceAll(a.raw, a.str("instance"), "…"))
			if strings.Contains(got, id) {
				t.Errorf("%s %s repeats the id", r[0], r[1])
			}
			if absent == "" {
				absent = got
			}
			if got != absent {
				t.Errorf("%s %s tells them apart:\n%s\n%s", r[0], r[1], got, absent)
			}
		}
	}
	for _, query := range []string{"", "?uploaded_by=" + owner.id, "?status=deleted", "?name=dot",
		"?limit=200"} {
		if a := stranger.call("GET", "/v1/files"+query,
			nil).want(200); len(a.at("files").([]any)) != 0 {
			t.Errorf("%s lists %s", query, a.raw)
		}
	}
	for id, status := range map[string]string{available: "available", pending: "pending",
		deleted: "deleted"} {
		if a := owner.call("GET", "/v1/files/"+id, nil).want(200); a.at("file.status") != status ||
			a.at("file.title") != nil {
			t.Errorf("the owner finds %s", a.raw)
		}
	}
	if n := s.look(`SELECT count(*) FROM file_access_logs WHERE organization_id = $1`,
		s.id); n != 0 {
		t.Errorf("%d lines in the stranger's log", n)
	}
	// A cursor made in one organization shows nothing of it in another.
	cursor := owner.call("GET", "/v1/files?limit=1", nil).want(200).str("next_cursor")
	if a := stranger.call("GET", "/v1/files?cursor="+cursor,
		nil).want(200); len(a.at("files").([]any)) != 0 {
		t.Errorf("lists %s", a.raw)
	}
}

// The same Idempotency-Key of two tenants, and of two users, are two keys.
func TestIdempotency(t *testing.T) {
	s := newSchool(t)
	u := s.user("member")
	key := uuid.NewString()
	first := u.call("POST", "/v1/files", text("12345").body(), "Idempotency-Key", key).want(201)
	again := u.call("POST", "/v1/files", text("12345").body(), "Idempotency-Key", key).want(201)
	if first.str("file.id") != again.str("file.id") {
		t.Errorf("two files, %s and %s", first.str("file.id"), again.str("file.id"))
	}
	s.wantQuota(0, 5, 1)
	if status, body := again.post([]byte("12345")); status != 204 { // a replay signs anew
		t.Fatalf("the form answers %d %s", status, body)
	}
	u.settled(first.str("file.id"))
	if a := u.call("POST", "/v1/files", text("12345").body(), "Idempotency-Key",
		key).want(201); a.at("upload") != nil || a.at("file.status") != "available" {
		t.Errorf("after the verdict: %s", a.raw)
	}
	u.call("POST", "/v1/files", text("123456").body(), "Idempotency-Key", key).problem(422,
		"idempotency-key-reused")
	for _, someone := range []user{s.user("member"), schoolOn(t, s.platform).user("member")} {
		if a := someone.call("POST", "/v1/files", text("12345").body(), "Idempotency-Key",
			key).want(201); a.str("file.id") == first.str("file.id") {
			t.Error("a key of somebody else was met")
		}
	}
	ids := map[string]bool{}
	for a := range slices.Values(atOnce(t, 8, func() (reply, error) {
		return s.try("POST", "/v1/files", u.token, text("many").body(), "Idempotency-Key",
			"at-once")
	})) {
		switch {
		case a.status == 201:
			ids[a.str("file.id")] = true
		case a.at("code") != "request-in-progress":
			t.Errorf("at once: %d %s", a.status, a.raw)
		}
	}
	if len(ids) != 1 {
		t.Errorf("%d files for one key", len(ids))
	}
}

// atOnce calls do n times at the same time.
func atOnce(t *testing.T, n int, do func() (reply, error)) []reply {
	t.Helper()
	answers := make(chan reply)
	for range n {
		go func() {
			a, err := do()
			if err != nil {
				t.Error(err)
			}
			answers <- a
		}()
	}
	var all []reply
	for range n {
		all = append(all, <-answers)
	}
	return all
}
