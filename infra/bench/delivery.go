package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/uuid"
	"github.com/pusher/pusher-http-go/v5"

	"github.com/toolboxai-solutions/satchel/infra/local/channels"
)

const (
	deliveryRounds   = 7
	deliveryChannels = 20
)

// delivery compares the dispatcher with a loop that calls Trigger for each event.
func delivery(ctx context.Context, w *fixture) (section, error) {
	s := section{
		title: "Notifications: from committed row to Pusher",
		method: fmt.Sprintf(`Facts committed into the inbox, spread over %d channels, until the Pusher server of the local stack has accepted all. Dispatcher: one
invocation of the shipped function, without a pace, which sequences, claims, sends and settles one after the other: one
connection to the database and one to Pusher at a time. Loop: one query reads all rows, Trigger of pusher-http-go sends each as one
event, and nothing is noted of it. The server answers each call later by the added latency. Events a second, %d rounds in turn.`,
			deliveryChannels, deliveryRounds),
	}
	t := table{head: []string{"added latency", "dispatcher", "loop of Trigger",
		"dispatcher ÷ loop"}}
	defer w.Channels.Disturb(nil)
	for _, at := range []struct {
		latency  time.Duration
		ours, by int // events of a round
	}{{0, 2000, 1000}, {20 * time.Millisecond, 2000, 100}} {
		w.Channels.Disturb(func(*http.Request) channels.Fault {
			return channels.Fault{Delay: at.latency}
		})
		sides := []func() (float64, error){
			func() (float64, error) { return w.dispatch(ctx, at.ours) },
			func() (float64, error) { return w.loop(ctx, at.by) },
		}
		if _, err := alternate(1, sides...); err != nil { // every sandbox is warm then
			return s, err
		}
		figures, err := alternate(deliveryRounds, sides...)
		if err != nil {
			return s, err
		}
		t.add(fmt.Sprint(at.latency), spread(figures[0], whole), spread(figures[1], whole),
			ratioOf(figures[0], figures[1]).String())
	}
	s.tables = []table{t}
	return s, nil
}

func whole(v float64) string { return fmt.Sprintf("%.0f", v) }

const fillInbox = `
INSERT INTO notification_inbox (organization_id, topic, subject_id, channel, payload)
SELECT $1::uuid, 'file.available', gen_random_uuid(),
	'private-org-' || $1::uuid || '-topic-bench_' || n % $3,
	jsonb_build_object('schema', 1, 'file_id', gen_random_uuid(), 'version', 1, 'status',
		'available', 'size', n)
FROM generate_series(1, $2::int) n`

// dispatch returns the events a second of one invocation that delivers so many.
func (w *fixture) dispatch(ctx context.Context, n int) (float64, error) {
	if _, err := w.superuser.Exec(ctx, fillInbox, w.tenant.uploads, n,
		deliveryChannels); err != nil {
		return 0, err
	}
	took, err := w.deliver(ctx)
	if err != nil {
		return 0, err
	}
	return float64(n) / took.Seconds(), w.delivered(ctx)
}

// deliver has the dispatcher run once.
func (w *fixture) deliver(ctx context.Context) (time.Duration, error) {
	event, err := json.Marshal(events.SQSEvent{Records: []events.SQSMessage{{
		MessageId: "bench", EventSource: "aws:sqs", Body: "{}",
	}}})
	if err != nil {
		return 0, err
	}
	answer, report, err := w.invoke(ctx, dispatcher, event)
	if err == nil && bytes.Contains(answer, []byte("itemIdentifier")) {
		log, _ := os.ReadFile(w.LogPath())
		err = fmt.Errorf("the dispatcher failed: …%s", log[max(0, len(log)-2000):])
	}
	return report.Duration, err
}

// delivered fails when anything waits still.
func (w *fixture) delivered(ctx context.Context) error {
	var left int
	err := w.superuser.QueryRow(ctx, `SELECT (SELECT count(*) FROM notification_inbox)
		+ (SELECT count(*) FROM notification_deliveries)
		+ (SELECT count(*) FROM notification_dead)`).Scan(&left)
	if err == nil && left > 0 {
		err = fmt.Errorf("%d notifications were not delivered", left)
	}
	return err
}

// loop sends each row as an event of its own.
func (w *fixture) loop(ctx context.Context, n int) (float64, error) {
	if _, err := w.superuser.Exec(ctx, fillInbox, w.tenant.uploads, n,
		deliveryChannels); err != nil {
		return 0, err
	}
	client := pusher.Client{
		AppID: w.Channels.AppID, Key: w.Channels.Key, Secret: w.Channels.Secret,
		Host: w.Channels.Host, HTTPClient: &http.Client{Timeout: patience},
	}
	began := time.Now()
	rows, err := w.superuser.Query(ctx, `SELECT id, channel, topic, payload FROM notification_inbox
		WHERE organization_id = $1 ORDER BY position`, w.tenant.uploads)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	sent := 0
	for rows.Next() {
		var id uuid.UUID
		var channel, topic string
		var payload json.RawMessage
		if err := rows.Scan(&id, &channel, &topic, &payload); err != nil {
			return 0, err
		}
		data := map[string]any{"id": id, "channel": channel, "data": payload}
		if err := client.Trigger(channel, topic, data); err != nil {
			return 0, err
		}
		sent++
	}
	took := time.Since(began)
	if sent != n {
		return 0, errors.Join(rows.Err(), fmt.Errorf("%d rows, want %d", sent, n))
	}
	_, err = w.superuser.Exec(ctx, `DELETE FROM notification_inbox`)
	return float64(n) / took.Seconds(), err
}
