package lambdaevent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/telemetry"
)

func golden(t testing.TB, name string) json.RawMessage {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestShapes(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		raw  json.RawMessage
		want Kind
	}{
		"http": {golden(t, "http_get.json"), HTTP},
		"sqs":  {golden(t, "sqs.json"), SQS},
		"schedule": {json.RawMessage(
			`{"schedule":"file-maintenance","time":"2024-05-01T10:00:00Z"}`), Schedule},
		"s3 direct": {golden(t, "s3_created.json"), ""},
		"http 1.0": {
			json.RawMessage(`{"version":"1.0","requestContext":{"http":{"method":"GET"}}}`), ""},
		"mixed records": {json.RawMessage(
			`{"Records":[{"eventSource":"aws:sqs"},{"eventSource":"aws:sns"}]}`), ""},
		"empty batch": {json.RawMessage(`{"Records":[]}`), ""},
		"eventbridge rule": {json.RawMessage(
			`{"version":"0","source":"aws.events","detail-type":"Scheduled Event"}`), ""},
		"null":    {json.RawMessage(`null`), ""},
		"list":    {json.RawMessage(`[]`), ""},
		"nothing": {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Shape(tc.raw)
			if got != tc.want || (err == nil) != (tc.want != "") {
				t.Errorf("shape %q, error %v; want %q", got, err, tc.want)
			}
		})
	}
}

func TestAnEntryRefusesWhatItIsNotFor(t *testing.T) {
	t.Parallel()
	none := Handler{Log: slog.New(slog.DiscardHandler)}
	for _, name := range []string{"http_get.json", "sqs.json"} {
		if _, err := none.Invoke(context.Background(), golden(t, name)); err == nil {
			t.Errorf("%s was taken by a handler without a part for it", name)
		}
	}
	maintenance := Handler{Log: none.Log, Schedules: map[string]Task{
		"file-maintenance": {Run: func(context.Context) (any, error) { return "swept", nil }},
		"broken":           {Run: func(context.Context) (any, error) { panic("boom") }},
	}, Commands: map[string]func(context.Context, json.RawMessage) (any, error){
		"sweep": func(_ context.Context, raw json.RawMessage) (any, error) {
			if !strings.Contains(string(raw), `"hard":true`) {
				return nil, errors.New("its arguments are missing")
			}
			return "swept", nil
		},
	}}
	for event, want := range map[string]string{
		`{"schedule":"file-maintenance","time":"2024-05-01T10:00:00Z"}`: "",
		`{"schedule":"other","time":"2024-05-01T10:00:00Z"}`:            "no schedule",
		`{"schedule":"file-maintenance","time":"yesterday"}`:            "read schedule event",
		`{"schedule":"broken","time":"2024-05-01T10:00:00Z"}`:           "panic: boom",
		`{"command":"sweep","hard":true}`:                               "",
		`{"command":"sweep"}`:                                           "arguments are missing",
		`{"command":"dust"}`:                                            "it has sweep",
	} {
		answer, err := maintenance.Invoke(context.Background(), json.RawMessage(event))
		if want == "" && answer != "swept" {
			t.Errorf("%s answered %v, want the summary", event, answer)
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s gave %v, want %q", event, err, want)
		}
	}
}

func batchOf(ids ...string) json.RawMessage {
	var batch events.SQSEvent
	for _, id := range ids {
		batch.Records = append(batch.Records, events.SQSMessage{
			MessageId: id, EventSource: "aws:sqs",
			Attributes: map[string]string{"ApproximateReceiveCount": "3"},
		})
	}
	raw, _ := json.Marshal(batch)
	return raw
}

func failures(t *testing.T, answer any) []string {
	t.Helper()
	raw, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	var read struct {
		BatchItemFailures []struct{ ItemIdentifier string }
	}
	if err := json.Unmarshal(raw, &read); err != nil || read.BatchItemFailures == nil {
		t.Fatalf("answer %s: %v", raw, err)
	}
	ids := []string{}
	for _, failure := range read.BatchItemFailures {
		ids = append(ids, failure.ItemIdentifier)
	}
	return ids
}

func TestOnlyTheMessagesThatFailedComeBack(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	var handled []string
	handler := Handler{Log: slog.New(telemetry.NewHandler(&log, slog.LevelInfo)),
		SQS: func(_ context.Context, m events.SQSMessage) error {
			handled = append(handled, m.MessageId)
			switch m.MessageId {
			case "panics":
				panic("boom")
			case "fails":
				return errors.New("no")
			}
			return nil
		}}
	answer, err := handler.Invoke(context.Background(), batchOf("first", "panics", "fails", "last"))
	if err != nil {
		t.Fatal(err)
	}
	if got := failures(t, answer); !slices.Equal(got, []string{"panics", "fails"}) {
		t.Errorf("handed back %q", got)
	}
	if !slices.Equal(handled, []string{"first", "panics", "fails", "last"}) {
		t.Errorf("handled %q", handled)
	}
	for id, outcome := range map[string]string{"first": "done", "panics": "failed",
		"fails": "failed", "last": "done"} {
		if n := len(recordLines(t, log.Bytes(), id, outcome)); n != 1 {
			t.Errorf("%d lines for %s with outcome %s:\n%s", n, id, outcome, log.String())
		}
	}
}

func recordLines(t *testing.T, log []byte, id, outcome string) []map[string]any {
	t.Helper()
	var found []map[string]any
	for raw := range bytes.Lines(log) {
		var line map[string]any
		if err := json.Unmarshal(raw, &line); err != nil {
			t.Fatal(err)
		}
		if _, timed := line["duration_ms"].(float64); line["message_id"] == id &&
			line["outcome"] == outcome && line["receive_count"] == "3" && timed {
			found = append(found, line)
		}
	}
	return found
}

func TestOnlySuccessRingsAndOnlyWhatWaitingDoesNotMendIsAnError(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err   error
		level string
		rings int
	}{
		{nil, "INFO", 1},
		{errors.New("no"), "ERROR", 0},
		{fault.New(fault.Temporary, "busy", "Try again."), "WARN", 0},
	} {
		var log bytes.Buffer
		rings := 0
		handler := Handler{Log: slog.New(telemetry.NewHandler(&log, slog.LevelInfo)),
			SQS: func(context.Context, events.SQSMessage) error { return c.err },
			Schedules: map[string]Task{
				"x": {Run: func(context.Context) (any, error) { return nil, c.err }}},
			Doorbell: func(context.Context) { rings++ }}
		if _, err := handler.Invoke(context.Background(), batchOf("one")); err != nil || rings > 0 {
			t.Errorf("%v, and a message rang %d times", err, rings)
		}
		if _, err := handler.Invoke(context.Background(),
			json.RawMessage(`{"schedule":"x","time":"2024-05-01T10:00:00Z"}`)); (err == nil) !=
			(c.err == nil) {
			t.Errorf("a schedule that ends with %v answers %v", c.err, err)
		}
		if rings != c.rings || strings.Count(log.String(), `"level":"`+c.level+`"`) != 2 {
			t.Errorf("%v rang %d times and logged %s", c.err, rings, log.String())
		}
	}
}

func TestALongBatchComesBackWholeWhenAllGoesWell(t *testing.T) {
	t.Parallel()
	ids := make([]string, 10_000)
	for i := range ids {
		ids[i] = fmt.Sprint(i)
	}
	handler := Handler{Log: slog.New(slog.DiscardHandler),
		SQS: func(context.Context, events.SQSMessage) error { return nil }}
	answer, err := handler.Invoke(context.Background(), batchOf(ids...))
	if err != nil || len(failures(t, answer)) != 0 {
		t.Errorf("answer %v, error %v", answer, err)
	}
}

func TestNoMessageIsBegunInTheLastFiveSeconds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), defaultMinRemaining-time.Second)
	defer cancel()
	handler := Handler{Log: slog.New(slog.DiscardHandler),
		SQS: func(context.Context, events.SQSMessage) error {
			t.Error("a message was begun with too little time left")
			return nil
		}}
	answer, err := handler.Invoke(ctx, batchOf("late"))
	response, ok := answer.(events.SQSEventResponse)
	if err != nil || !ok || len(response.BatchItemFailures) != 1 {
		t.Errorf("answered %+v, %v", answer, err)
	}
}

func TestTheRestIsHandedBackBeforeTheDeadline(t *testing.T) {
	t.Parallel()
	deadline := time.Now().Add(6 * time.Second) // five to begin in, and the margin
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	var handled []string
	handler := Handler{
		Log: slog.New(slog.DiscardHandler), MinRemaining: deadlineMargin,
		SQS: func(ctx context.Context, m events.SQSMessage) error {
			handled = append(handled, m.MessageId)
			if end, ok := ctx.Deadline(); !ok || !end.Equal(deadline.Add(-deadlineMargin)) {
				t.Errorf("the message's context ends %v before Lambda's deadline, want %v",
					deadline.Sub(end), deadlineMargin)
			}
			<-ctx.Done()
			return nil // it was in time; the ones after it are not
		},
	}
	answer, err := handler.Invoke(ctx, batchOf("slow", "second", "third"))
	if err != nil {
		t.Fatal(err)
	}
	if got := failures(t, answer); !slices.Equal(got, []string{"second", "third"}) ||
		!slices.Equal(handled, []string{"slow"}) {
		t.Errorf("handed back %q, handled %q", got, handled)
	}
}

func TestS3Objects(t *testing.T) {
	t.Parallel()
	got, err := S3Objects(string(golden(t, "s3_created.json")))
	want := []Object{
		{"amzn-s3-demo-bucket", "a folder/100% sure+newé.jpg", "096fKKXTRTtl3on89fVO.nfljtsv6qko",
			1024},
		{"amzn-s3-demo-bucket", "plain", "", 5 << 30},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("objects %+v, error %v", got, err)
	}
	if got, err := S3Objects(string(golden(t, "s3_test.json"))); err != nil || len(got) != 0 {
		t.Errorf("the test event gave %v, %v", got, err)
	}
	twice, err := S3Objects(
		`{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"a%252Fb"}}}]}`)
	if err != nil || twice[0].Key != "a%2Fb" {
		t.Errorf("a key was decoded more than once: %v, %v", twice, err)
	}
}

func TestMalformedS3EventsAreRefusedWhole(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"empty":         ``,
		"text":          `hello`,
		"no records":    `{}`,
		"null":          `null`,
		"bad escape":    `{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"100%"}}}]}`,
		"no bucket":     `{"Records":[{"eventName":"ObjectCreated:Put","s3":{"object":{"key":"k"}}}]}`,
		"no key":        `{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"}}}]}`,
		"negative size": `{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"k","size":-1}}}]}`,
		"no event name": `{"Records":[{"s3":{"bucket":{"name":"b"},"object":{"key":"k"}}}]}`,
		"second is bad": `{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"k"}}},{"eventName":"ObjectCreated:Put"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := S3Objects(body)
			if err == nil || got != nil {
				t.Errorf("gave %v, %v", got, err)
			}
		})
	}
}

func FuzzS3Objects(f *testing.F) {
	f.Add(string(golden(f, "s3_created.json")))
	f.Add(string(golden(f, "s3_test.json")))
	f.Add(
		`{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"%zz"}}}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		objects, err := S3Objects(body)
		if err != nil && objects != nil {
			t.Fatalf("gave %v with %v", objects, err)
		}
		for _, object := range objects {
			if object.Bucket == "" || object.Key == "" || object.Size < 0 {
				t.Fatalf("let through %+v", object)
			}
		}
	})
}

func FuzzShape(f *testing.F) {
	for _, name := range []string{"http_get.json", "http_post_base64.json", "sqs.json",
		"s3_created.json"} {
		f.Add([]byte(golden(f, name)))
	}
	f.Add([]byte(`{"schedule":"x","time":""}`))
	handler := Handler{
		Log: slog.New(slog.DiscardHandler), HTTP: echo(),
		SQS: func(context.Context, events.SQSMessage) error { return nil },
		Schedules: map[string]Task{
			"x": {Run: func(context.Context) (any, error) { return nil, nil }}},
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		kind, err := Shape(raw)
		if (err == nil) == (kind == "") {
			t.Fatalf("kind %q with error %v", kind, err)
		}
		if answer, err := handler.Invoke(context.Background(), raw); err == nil {
			if _, err := json.Marshal(answer); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	h := Handler{HTTP: echo(), Schedules: map[string]Task{"nightly": {Expression: "rate(1 day)"}}}
	var out strings.Builder
	if did, err := Describe([]string{"x", DescribeFlag}, &out, h); !did || err != nil {
		t.Fatalf("described %v, %v", did, err)
	}
	want := `{"http":true,"sqs":false,"schedules":{"nightly":"rate(1 day)"}}` + "\n"
	if out.String() != want {
		t.Errorf("described %s, want %s", out.String(), want)
	}
	if did, err := Describe([]string{"x"}, &out, h); did || err != nil {
		t.Errorf("without being asked: %v, %v", did, err)
	}
}
