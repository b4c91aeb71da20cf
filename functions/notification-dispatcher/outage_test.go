package main

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/toolboxai-solutions/satchel/infra/local/channels"
	"github.com/toolboxai-solutions/satchel/infra/local/queue"
	"github.com/toolboxai-solutions/satchel/infra/template"
	"github.com/toolboxai-solutions/satchel/shared/outbox"
	"github.com/toolboxai-solutions/satchel/shared/telemetry"
)

// A Pusher that does not take us for its app is told as a fault of our settings, one that is away
// as an outage alone. Either way what waits stays.
func TestWhatIsToldOfAPusherThatRefuses(t *testing.T) {
	f := newFixture(t)
	f.exec(`INSERT INTO notification_inbox (organization_id, topic) VALUES ($1, 'file.restored')`,
		f.school)
	bells, err := queue.Start(queue.Options{Queues: []template.Queue{{Name: "bell"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bells.Stop() })
	bell := outbox.Doorbell{URL: bells.URL("bell"), SQS: sqs.New(sqs.Options{
		Region: "us-east-1", BaseEndpoint: &bells.Endpoint,
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})}
	for _, c := range []struct {
		status int
		cause  string
		faults int
	}{
		{http.StatusUnauthorized, "misconfigured", 1},
		{http.StatusForbidden, "misconfigured", 1},
		{http.StatusServiceUnavailable, "unavailable", 0},
	} {
		f.pusher.Disturb(func(*http.Request) channels.Fault {
			return channels.Fault{Status: c.status}
		})
		f.exec(`UPDATE notification_senders SET paused_until = '-infinity'`) // the time to probe
		var out bytes.Buffer
		p := f.entry("notification-dispatcher/delivery", "")
		p.metrics.Out, p.log, p.bell = &out, telemetry.NewLogger(&out, slog.LevelInfo), bell
		if err := p.deliver(t.Context(), events.SQSMessage{}); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(out.String(), `"ConfigurationFaults":1`); got != c.faults ||
			!strings.Contains(out.String(), `"Cause":"`+c.cause+`","SenderOutages":1`) ||
			strings.Contains(out.String(), `"msg":"configuration fault","service":"Pusher"`) !=
				(c.faults > 0) {
			t.Errorf("answered %d it told\n%s", c.status, &out)
		}
	}
	if n := f.number(`SELECT count(*) FROM notification_deliveries`); n == 0 {
		t.Error("nothing waits any more")
	}
}
