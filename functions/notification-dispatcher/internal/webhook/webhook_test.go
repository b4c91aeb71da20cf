package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/topic"
)

const signingKey, bearer = "not a real key, really not", "not-a-real-bearer-secret-at-all"

func testSources() []Source {
	return []Source{
		{Name: "signs", Secret: signing + base64.StdEncoding.EncodeToString([]byte(signingKey)),
			Organizations: []uuid.UUID{uuid.New()}},
		{Name: "bears", Secret: bearer, Organizations: []uuid.UUID{uuid.New()}},
	}
}

func signature(id string, sent int64, body string) string {
	mac := hmac.New(sha256.New, []byte(signingKey))
	_, _ = fmt.Fprintf(mac, "%s.%d.%s", id, sent, body) // a hash never fails
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func TestASignatureIsTakenForFiveMinutesAndOfWhatWasSigned(t *testing.T) {
	t.Parallel()
	const now = int64(1_800_000_000)
	longest := strings.Repeat("a", maxID)
	for _, c := range []struct {
		name, id, sign string
		sent           int64
		taken          bool
	}{
		{"now", "msg_1", signature("msg_1", now, "{}"), now, true},
		{"five minutes ago", "~!", signature("~!", now-300, "{}"), now - 300, true},
		{"in five minutes", longest, signature(longest, now+300, "{}"), now + 300, true},
		{"one of several", "m", "v1,AA== v2,x " + signature("m", now, "{}") + " v1,x", now, true},
		{"too old", "m", signature("m", now-301, "{}"), now - 301, false},
		{"too early", "m", signature("m", now+301, "{}"), now + 301, false},
		{"another body", "m", signature("m", now, "{ }"), now, false},
		{"another id", "m", signature("n", now, "{}"), now, false},
		{"another time", "m", signature("m", now, "{}"), now + 1, false},
		{"another version", "m", "v2" + signature("m", now, "{}")[2:], now, false},
		{"no id", "", signature("", now, "{}"), now, false},
		{"a blank in the id", "a b", signature("a b", now, "{}"), now, false},
		{"above ASCII", "a\x7f", signature("a\x7f", now, "{}"), now, false},
		{"a long id", longest + "a", signature(longest+"a", now, "{}"), now, false},
	} {
		header := http.Header{"Webhook-Id": {c.id}, "Webhook-Signature": {c.sign},
			"Webhook-Timestamp": {fmt.Sprint(c.sent)}}
		m, err := Verify(testSources(), header, []byte("{}"), time.Unix(now, 0))
		if (err == nil) != c.taken {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.taken && (m.Source.Name != "signs" || m.Key != "hook:signs:"+c.id ||
			m.Keep != 7*24*time.Hour) {
			t.Errorf("%s: %q for %v", c.name, m.Key, m.Keep)
		}
	}
}

func TestABearerSecretIsTakenAsItIs(t *testing.T) {
	t.Parallel()
	sources := testSources()
	for given, taken := range map[string]bool{"Bearer " + bearer: true, bearer: false,
		"Bearer " + bearer + "x": false, "Bearer ": false, "": false,
		"Bearer " + sources[0].Secret: false} {
		header := http.Header{"Authorization": {given}}
		m, err := Verify(sources, header, []byte("{}"), time.Now())
		if (err == nil) != taken || taken && (m.Source.Name != "bears" ||
			m.Keep != 10*time.Minute) {
			t.Errorf("%q: %q, %v", given, m.Key, err)
		}
	}
	header := http.Header{"Authorization": {"Bearer " + bearer}}
	a, _ := Verify(sources, header, []byte("{}"), time.Now())
	b, _ := Verify(sources, header, []byte("[]"), time.Now())
	if a.Key == b.Key {
		t.Error("another body counts as a repeat")
	}
}

func TestWhatASourceHasToBe(t *testing.T) {
	t.Parallel()
	for _, s := range testSources() {
		if err := s.Validate(); err != nil || !s.MaySpeakOf(s.Organizations[0]) ||
			s.MaySpeakOf(uuid.New()) {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
	one := []uuid.UUID{uuid.New()}
	key := func(n int) string {
		return signing + base64.StdEncoding.EncodeToString(make([]byte, n))
	}
	for _, c := range []struct {
		s  Source
		ok bool
	}{
		{Source{"a", strings.Repeat("x", 24), one}, true}, {Source{"a", key(24), one}, true},
		{Source{"a", strings.Repeat("x", 23), one}, false}, {Source{"a", key(23), one}, false},
		{Source{"a", signing + strings.Repeat("!", 40), one}, false},
		{Source{"A b", key(24), one}, false}, {Source{"a", key(24), nil}, false},
	} {
		if err := c.s.Validate(); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c.s, err)
		}
	}
}

func TestWhatAChangeTells(t *testing.T) {
	t.Parallel()
	school, run := uuid.New(), uuid.New()
	body := func(table, kind, status, was, priority string) []byte {
		return fmt.Appendf(nil, `{"table":%q,"type":%q,"old_record":{"status":%q},"record":{
			"status":%q,"priority":%q,"id":%q,"organization_id":%q,"task_id":%q,
			"task_type":%q,"error_message":"x"}}`, table, kind, was, status, priority, run, school,
			strings.Repeat("a", 200), strings.Repeat("a", 201))
	}
	const table = "agent_executions"
	for _, c := range []struct {
		body []byte
		want string
		high topic.Priority
	}{
		{body(table, "UPDATE", "queued", "", "urgent"), "task.queued", topic.Low},
		{body(table, "UPDATE", "running", "queued", "urgent"), "task.started", topic.Normal},
		{body(table, "UPDATE", "completed", "running", "low"), "task.completed", topic.Normal},
		{body(table, "UPDATE", "completed", "running", "urgent"), "task.completed", topic.High},
		{body(table, "UPDATE", "completed", "running", "critical"), "task.completed", topic.High},
		{body(table, "UPDATE", "failed", "running", "low"), "task.failed", topic.High},
		{body("pupils", "UPDATE", "failed", "running", "low"), "", 0},
		{body(table, "INSERT", "failed", "running", "low"), "", 0},
		{body(table, "UPDATE", "failed", "failed", "low"), "", 0},
		{body(table, "UPDATE", "paused", "failed", "low"), "", 0},
	} {
		f, ignored, err := Read(c.body)
		if err != nil || f.Topic != c.want || (ignored == "") != (c.want != "") {
			t.Errorf("%s tells %q, %q, %v", c.body, f.Topic, ignored, err)
		}
		if c.want == "" {
			continue
		}
		_, long := f.Payload["task_type"]
		if f.Organization != school || f.Subject != run || f.Priority != c.high || long ||
			f.Payload["task_id"] == nil || f.Payload["error_message"] != nil {
			t.Errorf("%s tells %+v", c.body, f)
		}
	}
	for _, of := range []uuid.UUID{school, run} {
		for _, id := range []string{"x", uuid.Nil.String()} {
			good := string(body(table, "UPDATE", "failed", "", ""))
			bad := strings.Replace(good, of.String(), id, 1)
			if f, _, err := Read([]byte(bad)); err == nil {
				t.Errorf("%s tells %+v", bad, f)
			}
		}
	}
}
