package main

import (
	"encoding/json"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/uuid"

	local "github.com/toolboxai-solutions/satchel/infra/local/queue"
	"github.com/toolboxai-solutions/satchel/infra/pgtest"
	"github.com/toolboxai-solutions/satchel/infra/template"
	"github.com/toolboxai-solutions/satchel/shared/lambdaevent"
	"github.com/toolboxai-solutions/satchel/shared/outbox"
)

// ingestQueue is the local queue with a clock that only moves by hand, and one worker.
type ingestQueue struct {
	t *testing.T
	handler
	database *pgtest.Database
	server   *local.Server
	now      time.Time
}

func newIngestQueue(t *testing.T, h handler, d *pgtest.Database) *ingestQueue {
	t.Helper()
	q := &ingestQueue{t: t, handler: h, database: d, now: time.Now()}
	var err error
	q.server, err = local.Start(local.Options{Dir: t.TempDir(),
		Now: func() time.Time { return q.now }, Queues: []template.Queue{
			{Name: "ingest", Visibility: 12 * time.Minute, MaxReceives: 2, DeadLetter: "dead"},
			{Name: "dead", Visibility: time.Minute}, {Name: "bell"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.server.Stop(); err != nil {
			t.Error(err)
		}
	})
	q.queue = queue{url: q.server.URL("ingest"), log: slog.New(slog.DiscardHandler),
		sqs: sqs.New(sqs.Options{Region: "us-east-1", BaseEndpoint: &q.server.Endpoint,
			Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")})}
	q.doorbell = outbox.Doorbell{SQS: q.queue.sqs, URL: q.server.URL("bell"), Log: q.log}
	return q
}

// send stores files of an organization and puts their events into the queue, as one message.
func (q *ingestQueue) send(organization uuid.UUID, files int) {
	q.t.Helper()
	var event events.S3Event
	for range files {
		o := upload(q.t, q.database, q.processor.S3, organization, "0")
		record := events.S3EventRecord{EventSource: "aws:s3", EventName: "ObjectCreated:Post"}
		record.S3.Bucket.Name = o.Bucket
		record.S3.Object = events.S3Object{Key: o.Key, VersionID: o.VersionID}
		event.Records = append(event.Records, record)
	}
	body, err := json.Marshal(event)
	if err != nil {
		q.t.Fatal(err)
	}
	if err := q.server.Send("ingest", string(body)); err != nil {
		q.t.Fatal(err)
	}
}

// drain works until no message is to be had, and returns how many came that had gone back so often.
func (q *ingestQueue) drain() map[string]int {
	q.t.Helper()
	came := map[string]int{}
	for {
		got, err := q.queue.sqs.ReceiveMessage(q.t.Context(), &sqs.ReceiveMessageInput{
			QueueUrl: &q.queue.url, MessageAttributeNames: []string{"All"}})
		if err != nil {
			q.t.Fatal(err)
		}
		if len(got.Messages) == 0 {
			return came
		}
		m := got.Messages[0]
		q.invoke(m)
		came[aws.ToString(m.MessageAttributes[handedBack].StringValue)]++
		if _, err := q.queue.sqs.DeleteMessage(q.t.Context(), &sqs.DeleteMessageInput{
			QueueUrl: &q.queue.url, ReceiptHandle: m.ReceiptHandle}); err != nil {
			q.t.Fatal(err)
		}
	}
}

func (q *ingestQueue) invoke(m types.Message) {
	q.t.Helper()
	own := map[string]events.SQSMessageAttribute{}
	for name, a := range m.MessageAttributes {
		own[name] = events.SQSMessageAttribute{DataType: *a.DataType, StringValue: a.StringValue}
	}
	raw, err := json.Marshal(events.SQSEvent{Records: []events.SQSMessage{{MessageId: *m.MessageId,
		Body: *m.Body, EventSource: "aws:sqs", MessageAttributes: own}}})
	if err != nil {
		q.t.Fatal(err)
	}
	answer, err := lambdaevent.Handler{SQS: q.message, Log: q.log}.Invoke(q.t.Context(), raw)
	if failed := answer.(events.SQSEventResponse).BatchItemFailures; err != nil ||
		len(failed) > 0 {
		q.t.Fatalf("%v, %v", failed, err)
	}
}

func (q *ingestQueue) want(when string, came, want map[string]int) {
	q.t.Helper()
	if !maps.Equal(came, want) {
		q.t.Errorf("%s came, by how often they had gone back: %v, want %v", when, came, want)
	}
}

// wantFiles compares how many files of an organization have a status.
func (q *ingestQueue) wantFiles(when string, organization uuid.UUID, status string, want int) {
	q.t.Helper()
	var n int
	if err := q.database.Superuser.QueryRow(q.t.Context(), `SELECT count(*) FROM files
		WHERE organization_id = $1 AND status = $2`, organization, status).Scan(&n); err != nil {
		q.t.Fatal(err)
	}
	if n != want {
		q.t.Errorf("%s, %d files are %s, want %d", when, n, status, want)
	}
}

// shares holds what a backlog of one organization leaves to the others: half of the workers, and
// all that it does not need itself if nobody else waits. Workers are rows with a lease here, and
// nothing depends on how long anything takes.
func shares(t *testing.T, h handler, d *pgtest.Database) {
	q := newIngestQueue(t, h, d)
	busy, other := d.Organization(t, "busy"), d.Organization(t, "other")
	work := func(organization uuid.UUID, lease string) {
		t.Helper()
		upload(t, d, h.processor.S3, organization, "0")
		if _, err := d.Superuser.Exec(t.Context(), `UPDATE file_uploads
			SET lease_until = now() + $2::interval, fence = 1
			WHERE organization_id = $1 AND fence = 0`, organization, lease); err != nil {
			t.Fatal(err)
		}
	}
	work(busy, "1 hour")
	work(busy, "-1 second") // its worker died
	work(other, "1 hour")
	const many = 30
	for range 2 {
		q.send(busy, 1)
	}
	q.want("below its share", q.drain(), map[string]int{"": 2})
	q.wantFiles("below its share", busy, "available", 2)

	work(busy, "1 hour")
	q.send(busy, 2) // in one message
	for range many - 1 {
		q.send(busy, 1)
	}
	for range 3 {
		q.send(other, 1)
	}
	q.want("at first", q.drain(), map[string]int{"": many + 3})
	q.wantFiles("at first", busy, "available", 2)
	q.wantFiles("at first", other, "available", 3)
	if rung := q.server.Stats("bell").Depth; rung != 2+3 {
		t.Errorf("the doorbell rang %d times, want once for each verdict", rung)
	}
	q.want("at once", q.drain(), map[string]int{})

	// It went back for one second or two; of those that come together then all but the last find
	// others waiting.
	q.now = q.now.Add(time.Second)
	early := q.drain()["1"]
	q.now = q.now.Add(time.Second)
	late := q.drain()
	if early == 0 || late["1"] == 0 || early+late["1"] != many || late["2"] > early {
		t.Errorf("after a second came %d, after two %v, of %d", early, late, many)
	}
	q.wantFiles("when nobody else waited", other, "available", 3)
	var done int
	if err := d.Superuser.QueryRow(t.Context(), `SELECT count(*) FROM files
		WHERE organization_id = $1 AND status = 'available'`, busy).Scan(&done); err != nil {
		t.Fatal(err)
	}
	if done < 3 || done > 8 {
		t.Errorf("%d of the busy one's are done, want the few that found nobody waiting", done)
	}

	if _, err := d.Superuser.Exec(t.Context(), `DELETE FROM file_uploads
		WHERE organization_id = $1 AND lease_until > now()`, busy); err != nil {
		t.Fatal(err)
	}
	q.now = q.now.Add(longestDelay * time.Second)
	q.drain()
	q.wantFiles("at the end", busy, "available", 2+many+1)
	if dead := q.server.Stats("dead"); dead != (local.Stats{}) {
		t.Errorf("dead letters: %+v", dead)
	}
	t.Run("without a queue", func(t *testing.T) {
		work(busy, "1 hour")
		work(busy, "1 hour")
		q.send(busy, 1)
		q.send(other, 1)
		q.queue.url = strings.Replace(q.queue.url, "ingest", "none", 1)
		got := q.server.Stats("ingest")
		m, err := q.queue.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
			QueueUrl: aws.String(q.server.URL("ingest"))})
		if err != nil || len(m.Messages) != 1 {
			t.Fatalf("%v, %+v", err, got)
		}
		q.invoke(m.Messages[0])
		q.wantFiles("out of turn", busy, "available", 2+many+2)
	})
}
