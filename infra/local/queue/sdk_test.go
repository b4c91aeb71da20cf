package queue

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
)

func TestStockSDKFindsItByEnvironment(t *testing.T) {
	s, _ := running(t)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_SQS": s.Endpoint, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "LOCAL",
		"AWS_SECRET_ACCESS_KEY": "not-a-secret", "AWS_PROFILE": "",
		"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
	} {
		t.Setenv(name, value)
	}
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := sqs.NewFromConfig(cfg)
	url := s.URL("work")
	if _, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url,
		MessageBody: aws.String("hello")}); err != nil {
		t.Fatal(err)
	}
	if got := bodies(receive(t, c, url, 10)); !slices.Equal(got, []string{"hello"}) {
		t.Errorf("received %v", got)
	}
}

func TestMessageKeepsItsAttributes(t *testing.T) {
	t.Parallel()
	s, now := running(t)
	c, url := client(t, s), s.URL("work")
	sent, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url,
		MessageBody: aws.String("ünïcode \n"),
		MessageAttributes: map[string]types.MessageAttributeValue{
			"trace": {DataType: aws.String("String"), StringValue: aws.String("a-b")}}})
	if err != nil {
		t.Fatal(err)
	}
	now.advance(5 * time.Second)
	got := receive(t, c, url, 1)[0]
	if *got.MessageId != *sent.MessageId || *got.Body != "ünïcode \n" ||
		*got.MessageAttributes["trace"].StringValue != "a-b" {
		t.Errorf("received %+v", got)
	}
	want := map[string]string{"SenderId": "LOCAL", "SentTimestamp": "1772352000000",
		"ApproximateReceiveCount": "1", "ApproximateFirstReceiveTimestamp": "1772352005000"}
	for name, value := range want {
		if got.Attributes[name] != value {
			t.Errorf("%s is %s, want %s", name, got.Attributes[name], value)
		}
	}
	now.advance(time.Minute)
	plain, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url})
	if err != nil || len(plain.Messages) != 1 || plain.Messages[0].Attributes != nil ||
		plain.Messages[0].MessageAttributes != nil {
		t.Errorf("without asking for attributes: %+v, %v", plain.Messages, err)
	}
}

func TestVisibility(t *testing.T) {
	t.Parallel()
	s, now := running(t)
	c, url := client(t, s), s.URL("work")
	send(t, s, "a")
	first := receive(t, c, url, 1)[0]
	if got := receive(t, c, url, 1); len(got) != 0 {
		t.Fatalf("a message in flight was received again: %v", bodies(got))
	}
	now.advance(59 * time.Second)
	if got := receive(t, c, url, 1); len(got) != 0 {
		t.Fatal("visible a second early")
	}
	now.advance(time.Second)
	second := receive(t, c, url, 1)[0]
	if second.Attributes["ApproximateReceiveCount"] != "2" ||
		*second.MessageId != *first.MessageId {
		t.Errorf("second receive: %+v", second)
	}
	if _, err := c.DeleteMessage(t.Context(),
		&sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: first.ReceiptHandle}); err != nil {
		t.Fatal(err)
	}
	if s.Stats("work").InFlight != 1 {
		t.Fatal("the handle of an earlier receive deleted the message")
	}
	change := func(handle *string, seconds int32) error {
		_, err := c.ChangeMessageVisibility(t.Context(),
			&sqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: handle,
				VisibilityTimeout: seconds})
		return err
	}
	if err := change(second.ReceiptHandle, 600); err != nil {
		t.Fatal(err)
	}
	now.advance(599 * time.Second)
	if got := receive(t, c, url, 1); len(got) != 0 {
		t.Fatal("visible before its longer timeout")
	}
	if err := change(second.ReceiptHandle, 0); err != nil {
		t.Fatal(err)
	}
	var notInFlight *types.MessageNotInflight
	if err := change(second.ReceiptHandle, 10); !errors.As(err, &notInFlight) {
		t.Errorf("changing a message that is not in flight: %v", err)
	}
	third := receive(t, c, url, 1)[0]
	if _, err := c.DeleteMessage(t.Context(),
		&sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: third.ReceiptHandle}); err != nil {
		t.Fatal(err)
	}
	if got := s.Stats("work"); got != (Stats{}) {
		t.Errorf("after the delete: %+v", got)
	}
}

func TestDelay(t *testing.T) {
	t.Parallel()
	s, now := running(t)
	c, url := client(t, s), s.URL("work")
	if _, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url,
		MessageBody: aws.String("later"), DelaySeconds: 30}); err != nil {
		t.Fatal(err)
	}
	if got := s.Stats("work"); got.Depth != 1 || got.InFlight != 0 {
		t.Errorf("a delayed message counts as %+v", got)
	}
	now.advance(29 * time.Second)
	if got := receive(t, c, url, 1); len(got) != 0 {
		t.Error("received before its delay")
	}
	now.advance(time.Second)
	if got := receive(t, c, url, 1); len(got) != 1 {
		t.Error("not received after its delay")
	}
}

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	s, now := running(t)
	c, url := client(t, s), s.URL("work")
	send(t, s, "poison")
	for range 3 {
		if got := receive(t, c, url, 1); len(got) != 1 {
			t.Fatal("handed out too seldom")
		}
		now.advance(time.Minute)
	}
	if got := receive(t, c, url, 1); len(got) != 0 {
		t.Fatalf("handed out a fourth time: %v", bodies(got))
	}
	if got := s.Stats("work"); got != (Stats{DeadLetters: 1}) {
		t.Errorf("%+v", got)
	}
	if got := bodies(receive(t, c, s.URL(dead), 1)); !slices.Equal(got, []string{"poison"}) {
		t.Errorf("in the dead-letter queue: %v", got)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s, _ := running(t)
	c, url := client(t, s), s.URL("work")
	ctx := t.Context()
	long := strings.Repeat("x", maxBody+1)
	tests := map[string]struct {
		code string
		do   func() error
	}{
		"unknown queue": {"AWS.SimpleQueueService.NonExistentQueue", func() error {
			_, err := c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: aws.String(s.URL("none")),
				MessageBody: aws.String("x")})
			return err
		}},
		"body too long": {"InvalidParameterValue", func() error {
			_, err := c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &long})
			return err
		}},
		"empty body": {"MissingParameter", func() error {
			_, err := c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url,
				MessageBody: aws.String("")})
			return err
		}},
		"bad handle": {"ReceiptHandleIsInvalid", func() error {
			_, err := c.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &url,
				ReceiptHandle: aws.String("nonsense")})
			return err
		}},
		"too many wanted": {"InvalidParameterValue", func() error {
			_, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url,
				MaxNumberOfMessages: 11})
			return err
		}},
		"too long a wait": {"InvalidParameterValue", func() error {
			_, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url,
				WaitTimeSeconds: 21})
			return err
		}},
		"operation it does not have": {"UnsupportedOperation", func() error {
			_, err := c.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("new")})
			return err
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var e smithy.APIError
			if err := tt.do(); !errors.As(err, &e) || e.ErrorCode() != tt.code ||
				e.ErrorFault() == smithy.FaultServer {
				t.Errorf("got %v, want %s", err, tt.code)
			}
		})
	}
	var gone *types.QueueDoesNotExist
	if err := tests["unknown queue"].do(); !errors.As(err, &gone) {
		t.Errorf("not the SDK's type: %v", err)
	}
	response, err := http.Post(s.Endpoint, "application/x-amz-json-1.0", strings.NewReader(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusBadRequest ||
		!strings.Contains(string(body), "#MissingAuthenticationToken") {
		t.Errorf("a request without credentials: %s %s, %v", response.Status, body, err)
	}
}

func TestQueueAttributes(t *testing.T) {
	t.Parallel()
	s, _ := running(t)
	c, url := client(t, s), s.URL("work")
	send(t, s, "a", "b", "c")
	receive(t, c, url, 1)
	out, err := c.GetQueueAttributes(t.Context(),
		&sqs.GetQueueAttributesInput{QueueUrl: &url,
			AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"ApproximateNumberOfMessages": "2", "ApproximateNumberOfMessagesNotVisible": "1",
		"VisibilityTimeout": "60",
		"QueueArn":          "arn:aws:sqs:us-east-1:000000000000:work",
		"RedrivePolicy":     `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:work-dead","maxReceiveCount":3}`,
	} {
		if out.Attributes[name] != want {
			t.Errorf("%s is %s, want %s", name, out.Attributes[name], want)
		}
	}
}

func TestLongPollEndsWithTheMessage(t *testing.T) {
	t.Parallel()
	s, now := running(t)
	c, url := client(t, s), s.URL("work")
	wait := func() <-chan []types.Message {
		got := make(chan []types.Message, 1)
		go func() {
			out, err := c.ReceiveMessage(t.Context(),
				&sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20, VisibilityTimeout: 5})
			if err != nil {
				t.Error(err)
				out = &sqs.ReceiveMessageOutput{}
			}
			got <- out.Messages
		}()
		return got
	}
	got := wait()
	send(t, s, "a")
	if m := <-got; len(m) != 1 {
		t.Error("a message that was sent did not end the wait")
	}
	got = wait()
	now.advance(5 * time.Second)
	if m := <-got; len(m) != 1 {
		t.Error("a message that came back did not end the wait")
	}
	nothing, err := c.ReceiveMessage(t.Context(),
		&sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 1})
	if err != nil || len(nothing.Messages) != 0 {
		t.Errorf("%v, %v", nothing.Messages, err)
	}
}

func TestStopEndsALongPoll(t *testing.T) {
	t.Parallel()
	s, _ := start(t, "")
	serving := make(chan struct{})
	ctx := httptrace.WithClientTrace(t.Context(),
		&httptrace.ClientTrace{Got100Continue: func() { close(serving) }})
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Endpoint,
		strings.NewReader(`{"QueueUrl":"`+s.URL("work")+`","WaitTimeSeconds":20}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=LOCAL")
	request.Header.Set("X-Amz-Target", "AmazonSQS.ReceiveMessage")
	request.Header.Set("Expect", "100-continue")
	answer := make(chan string, 1)
	go func() {
		response, err := (&http.Transport{ExpectContinueTimeout: time.Minute}).RoundTrip(request)
		if err != nil {
			answer <- err.Error()
			return
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		answer <- string(body)
	}()
	<-serving
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if got := <-answer; got != `{"Messages":[]}`+"\n" {
		t.Errorf("the receive ended with %q, not empty", got)
	}
}
