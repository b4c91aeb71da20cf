package webhook

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/topic"
)

// FuzzRead holds what any body comes to: a refusal, a reason to ignore it, or a fact whose topic
// has a template and whose payload is scalars of the columns that are told.
func FuzzRead(f *testing.F) {
	id := uuid.NewString()
	for _, body := range []string{
		"", "null", "[]", `{"type":1}`, `{"type":"UPDATE","table":"pupils"}`,
		`{"type":"UPDATE","table":"agent_executions","record":{"status":"completed","priority":` +
			`"urgent","organization_id":"` + id + `","id":"` + id + `","task_type":["x"],` +
			`"agent_type":"tutor","error_message":"x"},"old_record":{"status":"running"}}`,
		`{"type":"UPDATE","table":"agent_executions","record":{"status":"queued"}}`,
		`{"type":"UPDATE","table":"agent_executions","record":{"status":"failed",` +
			`"organization_id":"{` + id + `}","id":"urn:uuid:` + id + `"}}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		fact, ignored, err := Read(body)
		if err != nil || ignored != "" {
			if err != nil && ignored != "" || fact.Topic != "" {
				t.Fatalf("%q: %q, %v, and yet %+v", body, ignored, err, fact)
			}
			return
		}
		if _, ok := topic.Find(fact.Topic); !ok || !topic.ValidTopic(fact.Topic) {
			t.Fatalf("topic %q has no template", fact.Topic)
		}
		if fact.Organization == uuid.Nil || fact.Subject == uuid.Nil ||
			fact.Priority < topic.Low || fact.Priority > topic.Urgent {
			t.Fatalf("tells %+v", fact)
		}
		for column, value := range fact.Payload {
			switch v := value.(type) {
			case string:
				if len(v) > 200 {
					t.Fatalf("%s has %d bytes", column, len(v))
				}
			case float64, bool:
			default:
				t.Fatalf("%s is %T", column, value)
			}
			if !slices.Contains(told, column) {
				t.Fatalf("%s is told", column)
			}
		}
	})
}

// FuzzVerify tries headers and bodies that nobody signed.
func FuzzVerify(f *testing.F) {
	sources := []Source{
		{Name: "signs", Secret: signing + "bm90IGEgcmVhbCBzZWNyZXQsIHJlYWxseSBub3Q="},
		{Name: "bears", Secret: "not-a-real-bearer-secret-at-all"},
	}
	now := time.Unix(1_800_000_000, 0)
	f.Add("msg_1", "1800000000", "v1,bm8=", "", []byte("{}"))
	f.Add("", "", "", "Bearer "+sources[0].Secret, []byte("{}"))
	f.Add("a", "-9223372036854775808", "v1, v1a,x v1,", "Bearer ", []byte(nil))
	f.Fuzz(func(t *testing.T, id, sent, signature, authorization string, body []byte) {
		header := http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {sent},
			"Webhook-Signature": {signature}, "Authorization": {authorization}}
		m, err := Verify(sources, header, body, now)
		if err == nil && authorization != "Bearer "+sources[1].Secret {
			t.Fatalf("%v was taken for %s", header, m.Source.Name)
		}
	})
}
