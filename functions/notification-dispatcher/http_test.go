package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

func TestPostedToAMemberAndFetched(t *testing.T) {
	f := newFixture(t)
	teacher, student := f.user(tenant.Staff), f.user(tenant.Member)
	body := m{"user_id": student.User, "event": "lesson.started", "data": m{"title": "Zoë's turn"}}
	a := teacher.call("POST", "/v1/notifications", body, "Idempotency-Key", "k").want(202)
	if a.body["sequence"] != nil || a.str("status") != "queued" ||
		a.str(
			"channel",
		) != "private-encrypted-org-"+f.school.String()+"-user-"+student.User.String() {
		t.Errorf("answers %s", a.raw)
	}
	if again := teacher.call("POST", "/v1/notifications", body, "Idempotency-Key",
		"k").want(202); again.raw != a.raw {
		t.Errorf("repeated, it answers %s", again.raw)
	}
	id := a.str("id")
	if n := student.call("GET", "/v1/notifications/"+id, nil).want(200); !strings.Contains(
		n.raw,
		`"title":"Zoë's turn"`,
	) ||
		!strings.Contains(n.raw, `"queued"`) {
		t.Errorf("in the inbox it is %s", n.raw)
	}
	f.deliver()
	channel := url.QueryEscape(a.str("channel"))
	page := student.call("GET", "/v1/notifications?channel="+channel, nil).want(200)
	if page.body["last_sequence"] != 1.0 || page.body["unread"] != 1.0 ||
		page.body["history_lost"] != false ||
		!strings.Contains(page.raw, `"status":"delivered"`) {
		t.Errorf("the history is %s", page.raw)
	}
	if ack := student.call("POST", "/v1/notifications/"+id+"/ack",
		nil).want(200); ack.body["unread"] != 0.0 ||
		ack.body["sequence"] != 1.0 {
		t.Errorf("the ack answers %s", ack.raw)
	}
	if lost := student.call("GET", "/v1/notifications?after=5&channel="+channel,
		nil).want(200); lost.body["history_lost"] != true {
		t.Errorf("after a restored database: %s", lost.raw)
	}
	// Nobody else reads it, and admins see how it went without what it says.
	teacher.call("GET", "/v1/notifications?channel="+channel, nil).want(403, "channel-refused")
	teacher.call("GET", "/v1/notifications/"+id, nil).want(404, "notification-not-found")
	f.userOf(
		f.db.Organization(t, "other"),
		tenant.Admin,
	).call(
		"GET",
		"/v1/notifications/"+id,
		nil,
	).want(
		404,
		"notification-not-found",
	)
	if seen := f.user(tenant.Admin).call("GET", "/v1/notifications/"+id,
		nil).want(200); strings.Contains(
		seen.raw,
		"Zoë",
	) ||
		!strings.Contains(seen.raw, `"outcome":"delivered","status":200`) {
		t.Errorf("an admin sees %s", seen.raw)
	}
	for _, e := range f.events() {
		if strings.Contains(e.Data, "Zoë") || e.Name != "lesson.started" {
			t.Errorf("Pusher saw %+v", e)
		}
	}
}

func TestWhoMayTellWhom(t *testing.T) {
	f := newFixture(t)
	teacher, student := f.user(tenant.Staff), f.user(tenant.Member)
	other := f.db.Organization(t, "other")
	stranger := f.userOf(other, tenant.Member)
	org := func(o uuid.UUID) string { return "org-" + o.String() }
	for _, c := range []struct {
		who    user
		body   m
		status int
		code   string
	}{
		{student, m{"topic": "announcements", "event": "a.b"}, 403, "staff-only"},
		{teacher, m{"topic": "announcements", "event": "a.b"}, 202, ""},
		{teacher, m{"topic": "secrets", "event": "a.b"}, 422, "unknown-topic"},
		{teacher, m{"topic": "announcements", "user_id": student.User, "event": "a.b"}, 422,
			"one-recipient"},
		{teacher, m{"event": "a.b"}, 422, "one-recipient"},
		{teacher, m{"user_id": stranger.User, "event": "a.b"}, 404, "user-not-found"},
		{teacher, m{"channel": "private-" + org(f.school), "event": "a.b"}, 202, ""},
		{teacher, m{"channel": "private-" + org(other), "event": "a.b"}, 403, "channel-refused"},
		{teacher, m{"channel": "private-" + org(f.school) + "-user-" + stranger.User.String(),
			"event": "a.b"}, 404, "user-not-found"},
		{teacher, m{"channel": "anything", "event": "a.b"}, 403, "channel-refused"},
		{teacher, m{"channel": "unroutable", "event": "a.b"}, 403, "channel-refused"},
		{teacher, m{"topic": "announcements", "event": "Not one"}, 422, "invalid-event"},
		{teacher, m{"topic": "announcements", "event": "a.b", "priority": "loud"}, 422,
			"invalid-request"},
		{teacher, m{"topic": "announcements", "event": "a.b",
			"data": m{"x": strings.Repeat("x", 70_000)}}, 413, "data-too-large"},
		{teacher, m{"topic": "announcements", "event": "a.b", // 301 digits once it is stored
			"data": m{"x": slices.Repeat([]any{json.Number("1e300")}, 300)}}, 413,
			"data-too-large"},
	} {
		a := c.who.call("POST", "/v1/notifications", c.body)
		if a.status != c.status || c.code != "" && a.body["code"] != c.code {
			t.Errorf("%v: %d %s, want %d %s", c.body, a.status, a.raw, c.status, c.code)
		}
	}
}

func TestADedupeKeyTellsOnce(t *testing.T) {
	f := newFixture(t)
	teacher := f.user(tenant.Staff)
	body := m{"topic": "announcements", "event": "a.b", "dedupe_key": "bell"}
	first := teacher.call("POST", "/v1/notifications", body).want(202)
	if again := f.user(tenant.Admin).call("POST", "/v1/notifications", body).want(202); again.str(
		"id",
	) != first.str(
		"id",
	) {
		t.Errorf("told twice: %s and %s", first.raw, again.raw)
	}
	f.deliver()
	if again := teacher.call("POST", "/v1/notifications", body).want(202); again.str(
		"id",
	) != first.str(
		"id",
	) ||
		again.body["sequence"] != 1.0 {
		t.Errorf("after delivery it answers %s", again.raw)
	}
	if n := len(f.events()); n != 1 {
		t.Errorf("%d events were sent", n)
	}
}

func TestNotBefore(t *testing.T) {
	f := newFixture(t)
	teacher := f.user(tenant.Staff)
	body := m{"topic": "announcements", "event": "a.b", "not_before": time.Now().Add(time.Hour)}
	a := teacher.call("POST", "/v1/notifications", body).want(202)
	if a.str("status") != "scheduled" {
		t.Errorf("answers %s", a.raw)
	}
	f.deliver()
	if n := len(f.events()); n != 0 {
		t.Errorf("%d events were sent early", n)
	}
	f.exec(`UPDATE notification_schedule SET not_before = now()`)
	f.deliver()
	if got := teacher.call("GET", "/v1/notifications/"+a.str("id"), nil).want(200); len(
		f.events(),
	) != 1 ||
		!strings.Contains(got.raw, `"delivered"`) {
		t.Errorf("when due it is %s", got.raw)
	}
}

func TestReplay(t *testing.T) {
	f := newFixture(t)
	teacher, admin := f.user(tenant.Staff), f.user(tenant.Admin)
	for range 3 {
		teacher.call(
			"POST",
			"/v1/notifications",
			m{"topic": "announcements", "event": "a.b"},
		).want(
			202,
		)
	}
	f.deliver()
	teacher.call(
		"POST",
		"/v1/notifications/replay",
		m{"status": "delivered"},
	).want(
		403,
		"admin-only",
	)
	if a := admin.call("POST", "/v1/notifications/replay",
		m{"status": "delivered", "dry_run": true}).want(200); a.body["replayed"] != 3.0 {
		t.Errorf("a dry run counts %s", a.raw)
	}
	for range 2 {
		if a := admin.call("POST", "/v1/notifications/replay", m{"status": "delivered"},
			"Idempotency-Key", "again").want(200); a.body["replayed"] != 3.0 {
			t.Errorf("replayed %s", a.raw)
		}
		f.deliver()
	}
	sent := f.events()
	if len(sent) != 6 {
		t.Fatalf("%d events were sent, want 3 twice", len(sent))
	}
	// Dead ones too, and once only.
	f.exec(`WITH gone AS (DELETE FROM notification_attempts WHERE sequence = 2 RETURNING 1)
		INSERT INTO notification_dead (organization_id, channel, sequence, recorded_at, reason,
			attempts)
		SELECT organization_id, channel, sequence, recorded_at, 'x', 12 FROM notifications
			WHERE sequence = 2`)
	for _, want := range []float64{1, 0} {
		if a := admin.call("POST", "/v1/notifications/replay",
			m{"status": "dead"}).want(200); a.body["replayed"] != want {
			t.Errorf("replayed %s, want %v", a.raw, want)
		}
	}
	f.deliver()
	if n := f.number(`SELECT count(*) FROM notification_dead`); n != 0 || len(f.events()) != 7 {
		t.Errorf("%d are dead, %d events were sent", n, len(f.events()))
	}
}

func TestReplayOfWhatHadNoTemplate(t *testing.T) {
	f := newFixture(t)
	admin := f.user(tenant.Admin)
	f.exec(
		`INSERT INTO notification_inbox (organization_id, topic) VALUES ($1, 'weather.changed')`,
		f.school,
	)
	f.deliver()
	if page := admin.call("GET", "/v1/notifications?channel=unroutable",
		nil).want(200); !strings.Contains(
		page.raw,
		"has no template",
	) {
		t.Errorf("an admin finds %s", page.raw)
	}
	f.user(
		tenant.Staff,
	).call(
		"GET",
		"/v1/notifications?channel=unroutable",
		nil,
	).want(
		403,
		"channel-refused",
	)
	f.exec(`UPDATE notifications SET topic = 'file.deleted'`) // as if its template had come
	admin.call("POST", "/v1/notifications/replay", m{"status": "dead"}).want(200)
	f.deliver()
	if got := f.events(); len(got) != 1 || got[0].Name != "file.deleted" {
		t.Errorf("sent %+v", got)
	}
}

func TestMute(t *testing.T) {
	f := newFixture(t)
	student := f.user(tenant.Member)
	student.call("PUT", "/v1/notifications/mute", m{"topic": "file.*"}).want(204)
	student.call("PUT", "/v1/notifications/mute", m{"topic": "no topic"}).want(422, "invalid-topic")
	f.exec(
		`INSERT INTO notification_inbox (organization_id, topic, user_id)
			VALUES ($1, 'file.deleted', $2)`,
		f.school,
		student.User,
	)
	f.deliver()
	student.call("DELETE", "/v1/notifications/mute?topic=file.*", nil).want(204)
	f.exec(
		`INSERT INTO notification_inbox (organization_id, topic, user_id)
			VALUES ($1, 'file.deleted', $2)`,
		f.school,
		student.User,
	)
	f.deliver()
	own := 0
	for _, e := range f.events() {
		if strings.Contains(e.Channel, "-user-") {
			own++
		}
	}
	if own != 1 || len(f.events()) != 3 {
		t.Errorf("sent %d to the user, %d in all", own, len(f.events()))
	}
}

func form(fields ...string) string {
	values := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		values.Set(fields[i], fields[i+1])
	}
	return values.Encode()
}

// Every kind of channel for every role: the live stream and its history open to the same people.
func TestWhoMayHearWhat(t *testing.T) {
	f := newFixture(t)
	other := f.db.Organization(t, "other")
	peer := f.user(tenant.Member)
	org := "org-" + f.school.String()
	for _, role := range []tenant.Role{tenant.Member, tenant.Staff, tenant.Admin} {
		u := f.user(role)
		u.call(
			"POST",
			"/v1/channels/auth",
			form("socket_id", "1.1", "channel_name", "private-"+org),
		).want(
			403,
			"sign-in-first",
		)
		socket := "7." + strconv.Itoa(int(role[0]))
		if a := u.call("POST", "/v1/channels/user-auth",
			form("socket_id", socket)).want(200); !strings.Contains(
			a.str("user_data"),
			u.User.String(),
		) {
			t.Errorf("signed %s", a.raw)
		}
		peer.call(
			"POST",
			"/v1/channels/user-auth",
			form("socket_id", socket),
		).want(
			403,
			"connection-refused",
		)
		staff := role != tenant.Member
		for suffix, open := range map[string]bool{
			org: true, org + "-user-" + u.User.String(): true,
			org + "-user-" + peer.User.String(): false,
			org + "-topic-files":                staff, org + "-topic-tasks": staff,
			org + "-topic-announcements": true, org + "-topic-nothing": false,
			"org-" + other.String(): false, "org-" + other.String() + "-topic-files": false,
			org + "-user-" + strings.ToUpper(u.User.String()): false,
			org + "-topic-files-user-" + u.User.String():      false, org + "-": false, "": false,
			org + ":evil": false,
		} {
			for _, kind := range []string{"private-", "private-encrypted-", "presence-"} {
				status := 403
				if open {
					status = 200
				}
				name := kind + suffix
				a := u.call(
					"POST",
					"/v1/channels/auth",
					form("socket_id", socket, "channel_name", name),
				)
				b := u.call("GET", "/v1/notifications?channel="+url.QueryEscape(name), nil)
				if a.status != status || b.status != status {
					t.Errorf(
						"%s of %s: auth answers %d, history %d, want %d",
						name,
						role,
						a.status,
						b.status,
						status,
					)
				}
			}
		}
	}
	for _, body := range []string{"", "socket_id=1.1", "socket_id=1.1&socket_id=1.2&channel_name=x",
		"%zz", form("socket_id", "x", "channel_name", "private-"+org)} {
		if a := peer.call("POST", "/v1/channels/auth", body); a.status != 422 && a.status != 400 &&
			a.status != 403 {
			t.Errorf("%q: %d", body, a.status)
		}
	}
	peer.call(
		"POST",
		"/v1/channels/user-auth",
		form("socket_id", "1.1:evil"),
	).want(
		422,
		"invalid-form",
	)
}

func (f *fixture) hook(body string, header ...string) reply {
	f.t.Helper()
	r := httptest.NewRequestWithContext(
		f.t.Context(),
		"POST",
		"/v1/hooks/database",
		strings.NewReader(body),
	)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return f.do(r)
}

func signature(id string, at time.Time, body string) []string {
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(signingSecret, "whsec_"))
	seconds := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + seconds + "." + body))
	return []string{
		"Webhook-Id",
		id,
		"Webhook-Timestamp",
		seconds,
		"Webhook-Signature",
		"v1,bm8= v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)),
	}
}

func TestDatabaseWebhook(t *testing.T) {
	f := newFixture(t)
	run := uuid.NewString()
	change := func(kind, was, is string, organization uuid.UUID) string {
		record := m{
			"organization_id": organization,
			"id":              run,
			"task_id":         run,
			"agent_type":      "tutor",
			"task_type":       "grading",
			"status":          is,
			"priority":        "urgent",
			"error_message":   "Zoë cried",
		}
		body, err := json.Marshal(
			m{
				"type":       kind,
				"table":      "agent_executions",
				"schema":     "public",
				"record":     record,
				"old_record": m{"status": was},
			},
		)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	body := change("UPDATE", "running", "completed", f.school)
	first := f.hook(body, signature("msg_1", time.Now(), body)...).want(200)
	if again := f.hook(body, signature("msg_1", time.Now(), body)...).want(200); again.str(
		"ignored",
	) != "repeated" ||
		again.str("id") != first.str("id") {
		t.Errorf("a repeat answers %s", again.raw)
	}
	bearer := []string{"Authorization", "Bearer " + bearerSecret}
	f.hook(body, bearer...).want(200).str("id")
	if again := f.hook(body, bearer...).want(200); again.str("ignored") != "repeated" {
		t.Errorf("a repeat answers %s", again.raw)
	}
	for name, c := range map[string]string{
		change("INSERT", "", "queued",
			f.school): "only an update notifies",
		change("UPDATE", "running", "running",
			f.school): "status did not change",
		change("UPDATE", "running", "retrying",
			f.school): "status has no notification",
		change("UPDATE", "queued", "running",
			f.db.Organization(t, "other")): "source does not speak of this organization",
		`{"type":"UPDATE","table":"pupils","record":{}}`: "table has no notifications",
	} {
		if a := f.hook(name, bearer...).want(200); a.str("ignored") != c || a.body["id"] != nil {
			t.Errorf("%s: %s, want %s", name, a.raw, c)
		}
	}
	stale := signature("msg_2", time.Now().Add(-6*time.Minute), body)
	early := signature("msg_3", time.Now().Add(6*time.Minute), body)
	bent := signature("msg_4", time.Now(), body+" ")
	for _, header := range [][]string{nil, stale, early, bent, {"Authorization", "Bearer no"},
		{"Authorization", "Bearer " + signingSecret}, {"Webhook-Signature", "v1,"}} {
		f.hook(body, header...).want(401, "webhook-refused")
	}
	f.hook("no JSON", bearer...).want(422, "invalid-webhook")
	f.deliver()
	sent := f.events()
	if len(sent) != 2 || sent[0].Name != "task.completed" ||
		strings.Contains(sent[0].Data, "Zoë") ||
		!strings.Contains(sent[0].Data, `"task_type":"grading"`) {
		t.Errorf("sent %+v", sent)
	}
}
