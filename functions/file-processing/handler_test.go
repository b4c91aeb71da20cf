package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/ingest"
	"github.com/toolboxai-solutions/satchel/infra/local/s3"
	"github.com/toolboxai-solutions/satchel/infra/pgtest"
	"github.com/toolboxai-solutions/satchel/infra/template"
	"github.com/toolboxai-solutions/satchel/shared/lambdaevent"
	"github.com/toolboxai-solutions/satchel/shared/mediatype"
	"github.com/toolboxai-solutions/satchel/shared/objectkey"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
	"github.com/toolboxai-solutions/satchel/shared/telemetry"
)

// TestEvents sends the shapes that S3 sends through the whole entry; only one S3 server fits into a
// process, so this is one test.
func TestEvents(t *testing.T) {
	t.Parallel()
	notified := make(chan string, 16)
	buckets := s3.Versioned("incoming", "files", "quarantine")
	buckets[0].Notifications = []template.Notification{{Prefix: "incoming/"}}
	dir := filepath.Join(t.TempDir(), "s3")
	roles := authority(t, dir)
	store, err := s3.Start(t.Context(), s3.Options{
		Dir: dir, Buckets: buckets, Authority: roles,
		Notify: func(_ string, event []byte) { notified <- string(event) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Stop() })
	client := awss3.NewFromConfig(aws.Config{
		Region: store.Region, BaseEndpoint: &store.Endpoint,
		Credentials: credentials.NewStaticCredentialsProvider(store.AccessKey, store.SecretKey, ""),
	})
	database := pgtest.New(t)
	organization := database.Organization(t, "school")
	var out bytes.Buffer
	log := telemetry.NewLogger(&out, slog.LevelInfo)
	h := handler{
		processor: &ingest.Processor{
			Config: ingest.Config{
				Buckets: storedfile.Buckets{Incoming: "incoming", Files: "files",
					Quarantine: "quarantine"},
				MaxFileSize: 100, ThumbnailSize: 64, MaxAge: time.Hour, Concurrency: 4, Allowed: mediatype.Patterns{"*/*"}},
			DB: database.DB(t, "file-processing/events"), S3: client, Log: log,
		},
		log: log, metrics: telemetry.Metrics{Out: io.Discard, Namespace: "Satchel"},
	}
	deliver := func(bodies ...string) (failed []string, lines string) {
		var batch events.SQSEvent
		for i, body := range bodies {
			batch.Records = append(batch.Records,
				events.SQSMessage{MessageId: fmt.Sprint(i), Body: body, EventSource: "aws:sqs"})
		}
		raw, err := json.Marshal(batch)
		if err != nil {
			t.Fatal(err)
		}
		out.Reset()
		answer, err := lambdaevent.Handler{SQS: h.message, Log: log}.Invoke(t.Context(), raw)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range answer.(events.SQSEventResponse).BatchItemFailures {
			failed = append(failed, f.ItemIdentifier)
		}
		return failed, out.String()
	}
	put := func(key string) string {
		_, err := client.PutObject(context.Background(), &awss3.PutObjectInput{
			Bucket: aws.String("incoming"), Key: &key, Body: strings.NewReader("text")})
		if err != nil {
			t.Fatal(err)
		}
		return <-notified
	}

	if failed, _ := deliver(<-notified); failed != nil {
		t.Error("the test event that S3 sends first was not acknowledged")
	}
	if failed, _ := deliver("no JSON"); len(failed) != 1 {
		t.Error(
			"what is no event was acknowledged, and nobody will see it in the dead-letter queue")
	}
	key := objectkey.Incoming(organization, uuid.New(), 1)
	failed, lines := deliver(put(key))
	if failed != nil || !strings.Contains(lines, `"outcome":"superseded"`) ||
		!strings.Contains(lines, organization.String()) {
		t.Errorf("never reserved: %v\n%s", failed, lines)
	}
	failed, lines = deliver(put("incoming/a photo of+Zoë/ü.jpg"))
	if failed != nil || !strings.Contains(lines, `"level":"ERROR"`) ||
		!strings.Contains(lines, `"key":"incoming/a photo of+Zoë/ü.jpg"`) {
		t.Errorf("unknown key: %v\n%s", failed, lines)
	}
	// One of two objects in one message, and one of two messages, cannot be done: the message comes
	// again, the other does not.
	both := strings.Replace(put(objectkey.Incoming(organization, uuid.New(), 1)), `{"Records":[`,
		`{"Records":[`+records(put(key), `"versionId"`), 1)
	failed, lines = deliver(put(key), both)
	if len(failed) != 1 || failed[0] != "1" ||
		strings.Count(lines, `"outcome":"superseded"`) != 2 ||
		!strings.Contains(lines, "has no version") {
		t.Errorf("a message half done: %v\n%s", failed, lines)
	}
	go func() { // from here on nobody looks at what S3 tells, which would hold it up
		for {
			select {
			case <-notified:
			case <-t.Context().Done():
				return
			}
		}
	}()
	t.Run("what alarms watch", func(t *testing.T) { emits(t, h.processor, database, store, roles) })
	t.Run("a share of the workers", func(t *testing.T) { shares(t, h, database) })
}

// records is the records of an event for use ahead of others, with one name spoilt.
func records(event, spoil string) string {
	inner := strings.TrimSuffix(strings.TrimPrefix(event, `{"Records":[`), `]}`)
	return strings.ReplaceAll(inner, spoil, `"spoilt"`) + ","
}

func TestScannerMustBeNamed(t *testing.T) {
	t.Parallel()
	if err := (Settings{Scanning: true}).Validate(); err == nil ||
		!strings.HasPrefix(err.Error(), "CLAMD_ADDRESS: ") {
		t.Errorf("scanning without a scanner: %v", err)
	}
	if err := (Settings{Scanning: true, ClamdAddress: "nowhere"}).Validate(); err == nil ||
		!strings.HasPrefix(err.Error(), "CLAMD_ADDRESS: ") {
		t.Errorf("scanning at no address: %v", err)
	}
	if err := (Settings{ClamdAddress: "127.0.0.1:3310"}).Validate(); err != nil {
		t.Errorf("scanning switched off: %v", err)
	}
	if on, err := (Settings{Scanning: true,
		ClamdAddress: "127.0.0.1:3310"}).scanner(); err != nil || on == nil {
		t.Errorf("scanning switched on: %v, %v", on, err)
	}
}
