package queue

import (
	"sync"
	"testing"
	"time"

	"github.com/toolboxai-solutions/satchel/infra/template"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// clock is moved by hand. Moving it wakes receives that wait for time to pass.
type clock struct {
	mu     sync.Mutex
	now    time.Time
	server *Server
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	c.now = c.now.Add(d)
	c.mu.Unlock()
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	c.server.wake()
}

const dead = "work-dead"

func start(t *testing.T, dir string) (*Server, *clock) {
	t.Helper()
	c := &clock{now: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)}
	s, err := Start(Options{Dir: dir, Now: c.Now, Queues: []template.Queue{
		{Name: "work", Visibility: time.Minute, MaxReceives: 3, DeadLetter: dead},
		{Name: dead, Visibility: time.Minute},
		{Name: "plain"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	c.server = s
	return s, c
}

func running(t *testing.T) (*Server, *clock) {
	t.Helper()
	s, c := start(t, t.TempDir())
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s, c
}

// client is the SDK with nothing but an endpoint and some key pair.
func client(t *testing.T, s *Server) *sqs.Client {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context(),
		config.WithSharedConfigFiles(nil), config.WithSharedCredentialsFiles(nil),
		config.WithRegion("us-east-1"), config.WithBaseEndpoint(s.Endpoint),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("LOCAL",
			"not-a-secret", "")))
	if err != nil {
		t.Fatal(err)
	}
	return sqs.NewFromConfig(cfg)
}

func send(t *testing.T, s *Server, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		if err := s.Send("work", body); err != nil {
			t.Fatal(err)
		}
	}
}

func receive(t *testing.T, c *sqs.Client, url string, limit int32) []types.Message {
	t.Helper()
	out, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
		QueueUrl: &url, MaxNumberOfMessages: limit,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		MessageAttributeNames:       []string{"All"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Messages
}

func bodies(messages []types.Message) []string {
	all := []string{}
	for _, m := range messages {
		all = append(all, aws.ToString(m.Body))
	}
	return all
}

// eventually waits for what another goroutine is about to do.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}
