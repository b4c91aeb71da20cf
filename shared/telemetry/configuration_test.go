package telemetry_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/toolboxai-solutions/satchel/infra/local/iam"
	"github.com/toolboxai-solutions/satchel/infra/local/queue"
	"github.com/toolboxai-solutions/satchel/infra/template"
	"github.com/toolboxai-solutions/satchel/shared/telemetry"
)

// sender is a function's client of a queue server, and what the function writes.
func sender(endpoint string, keys iam.Keys) (*sqs.Client, *bytes.Buffer) {
	out := &bytes.Buffer{}
	config := aws.Config{
		Region: "us-east-1", BaseEndpoint: &endpoint,
		Credentials: credentials.NewStaticCredentialsProvider(keys.Access, keys.Secret, ""),
		Retryer:     func() aws.Retryer { return aws.NopRetryer{} },
	}
	telemetry.Metrics{Out: out, Namespace: "Satchel/x"}.WatchConfiguration(&config,
		telemetry.NewLogger(out, slog.LevelInfo))
	return sqs.NewFromConfig(config), out
}

func wantFaults(t *testing.T, name string, out *bytes.Buffer, want int) {
	t.Helper()
	if got := strings.Count(out.String(), `"ConfigurationFaults":1`); got != want {
		t.Errorf("%s: %d faults are told, want %d:\n%s", name, got, want, out)
	}
	if want > 0 && !strings.Contains(out.String(), `"level":"ERROR","msg":"configuration fault",`+
		`"service":"SQS","operation":"SendMessage"`) {
		t.Errorf("%s: the log does not say what was refused:\n%s", name, out)
	}
}

// A role without the grant, and a queue that is not there, are told of; what may be sent is not.
func TestWhatAWSRefusesIsToldOf(t *testing.T) {
	t.Parallel()
	role := template.Role{ARN: "arn:aws:iam::000000000000:role/f", Policies: []string{
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:SendMessage",` +
			`"Resource":["arn:aws:sqs:us-east-1:000000000000:mine",` +
			`"arn:aws:sqs:us-east-1:000000000000:gone"]}]}`}}
	authority, err := iam.New(iam.Keys{Access: "root", Secret: "not-a-real-secret"},
		&template.Deployment{Functions: []template.Function{{Name: "f", Role: role}}},
		slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	server, err := queue.Start(queue.Options{Authority: authority,
		Queues: []template.Queue{{Name: "mine"}, {Name: "other"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	for name, faults := range map[string]int{"mine": 0, "other": 1, "gone": 1} {
		client, out := sender(server.Endpoint, authority.Keys("f"))
		_, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{
			QueueUrl: aws.String(server.URL(name)), MessageBody: aws.String("{}")})
		if (err != nil) != (faults > 0) {
			t.Errorf("sending to %s: %v", name, err)
		}
		wantFaults(t, name, out, faults)
	}
}

// Answers that no local server gives.
func TestRefusalsAreNoOutages(t *testing.T) {
	t.Parallel()
	for code, c := range map[string]struct{ status, faults int }{
		"AccessDeniedException":     {400, 1},
		"KMS.AccessDeniedException": {400, 1},
		"NoSuchBucket":              {404, 1},
		"QueueDoesNotExist":         {400, 1},
		"ResourceNotFoundException": {400, 1},
		"DecryptionFailure":         {400, 1},
		"NoSuchKey":                 {404, 0},
		"KmsDisabled":               {400, 1},
		"SignatureDoesNotMatch":     {403, 1},
		"KmsThrottled":              {400, 0},
		"ThrottlingException":       {400, 0},
		"InternalError":             {500, 0},
		"ServiceUnavailable":        {503, 0},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-amz-json-1.0")
			w.Header().Set("X-Amzn-Errortype", code)
			w.WriteHeader(c.status)
			fmt.Fprintf(w, `{"__type":%q,"message":"as told"}`, code)
		}))
		client, out := sender(server.URL, iam.Keys{Access: "f", Secret: "not-a-real-secret"})
		if _, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{
			QueueUrl: aws.String(server.URL + "/1/q"), MessageBody: aws.String("{}")}); err == nil {
			t.Errorf("%s is no error", code)
		}
		server.Close()
		wantFaults(t, code, out, c.faults)
	}
}
