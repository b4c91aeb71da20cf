package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// run polls with p until the test ends.
func run(t *testing.T, p *Poller) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
}

// calls is a function that records its events and answers as told.
type calls struct {
	mu     sync.Mutex
	events []events.SQSEvent
	answer func(call int, e events.SQSEvent) ([]byte, error)
}

func (c *calls) invoke(_ context.Context, payload []byte) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var e events.SQSEvent
	if err := json.Unmarshal(payload, &e); err != nil {
		return nil, err
	}
	c.events = append(c.events, e)
	return c.answer(len(c.events), e)
}

func (c *calls) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.events)
}

func TestAnswersOfAFunction(t *testing.T) {
	t.Parallel()
	batch := []message{{ID: "m-1"}, {ID: "m-2"}}
	tests := []struct {
		answer string
		failed []string
		all    bool
	}{
		{answer: ``},
		{answer: `null`},
		{answer: `{}`},
		{answer: `{"batchItemFailures":null}`},
		{answer: `{"batchItemFailures":[]}`},
		{answer: `{"batchItemFailures":[{"itemIdentifier":"m-2"}]}`, failed: []string{"m-2"}},
		{answer: `{"batchItemFailures":[{"itemIdentifier":"m-2"},{"itemIdentifier":"m-1"}]}`,
			failed: []string{"m-1", "m-2"}},
		{answer: `{"batchItemFailures":[{"itemIdentifier":""}]}`, all: true},
		{answer: `{"batchItemFailures":[{"itemIdentifier":null}]}`, all: true},
		{answer: `{"batchItemFailures":[{"itemIdentifier":"m-1"},{"itemIdentifier":""}]}`,
			all: true},
		{answer: `{"batchItemFailures":[{"messageId":"m-1"}]}`, all: true},
		{answer: `{"batchItemFailures":[{"itemIdentifier":"m-3"}]}`, all: true},
		{answer: `{"batchItemFailures":[{"itemIdentifier":7}]}`, all: true},
		{answer: `{"batchItemFailures":`, all: true},
		{answer: `done`, all: true},
	}
	for _, tt := range tests {
		failed, err := batchItemFailures([]byte(tt.answer), batch)
		if (err != nil) != tt.all {
			t.Errorf("%s: error %v, want %v", tt.answer, err, tt.all)
		}
		var ids []string
		for id := range failed {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		if err == nil && !slices.Equal(ids, tt.failed) {
			t.Errorf("%s: failed %v, want %v", tt.answer, ids, tt.failed)
		}
	}
}

func TestDoneIsDeletedAndFailedComesAgain(t *testing.T) {
	t.Parallel()
	s, now := running(t)
	send(t, s, "good", "bad", "good too")
	function := &calls{answer: func(call int, e events.SQSEvent) ([]byte, error) {
		if call > 1 {
			return []byte(`{"batchItemFailures":[]}`), nil
		}
		return fmt.Appendf(nil, `{"batchItemFailures":[{"itemIdentifier":%q}]}`,
			e.Records[1].MessageId), nil
	}}
	run(t, &Poller{Server: s, Queue: "work", Invoke: function.invoke})
	eventually(t, "two are deleted, one stays in flight",
		func() bool { return s.Stats("work") == Stats{InFlight: 1} })
	now.advance(time.Minute)
	eventually(t, "all are deleted", func() bool { return s.Stats("work") == Stats{} })
	if function.count() != 2 {
		t.Fatalf("%d invocations", function.count())
	}
	first, second := function.events[0].Records, function.events[1].Records
	if len(first) != 3 || len(second) != 1 || second[0].Body != "bad" ||
		second[0].Attributes["ApproximateReceiveCount"] != "2" {
		t.Errorf("events %+v", function.events)
	}
	r := first[0]
	if r.EventSource != "aws:sqs" ||
		r.EventSourceARN != "arn:aws:sqs:us-east-1:000000000000:work" ||
		r.AWSRegion != "us-east-1" ||
		r.Md5OfBody != md5Hex("good") || r.ReceiptHandle == "" ||
		r.Attributes["SentTimestamp"] == "" {
		t.Errorf("record %+v", r)
	}
}

func TestFunctionThatFailsEndsInDeadLetters(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(int, events.SQSEvent) ([]byte, error){
		"error": func(int, events.SQSEvent) ([]byte, error) {
			return nil,
				errors.New("timed out")
		},
		"nonsense": func(int, events.SQSEvent) ([]byte, error) { return []byte(`"oops`), nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, now := running(t)
			send(t, s, "a", "b")
			function := &calls{answer: answer}
			run(t, &Poller{Server: s, Queue: "work", BatchSize: 10, Invoke: function.invoke})
			for call := 1; call <= 3; call++ {
				eventually(t, "an invocation",
					func() bool {
						return function.count() == call &&
							s.Stats("work").InFlight == 2
					})
				now.advance(time.Minute)
			}
			eventually(t, "both are dead letters",
				func() bool { return s.Stats("work") == Stats{DeadLetters: 2} })
			if function.count() != 3 {
				t.Errorf("%d invocations", function.count())
			}
		})
	}
}

func TestBatchSizeAndConcurrencyAreLimits(t *testing.T) {
	t.Parallel()
	s, _ := running(t)
	for i := range 40 {
		send(t, s, fmt.Sprint(i))
	}
	var now, most, largest atomic.Int64
	gate := make(chan struct{})
	open := sync.OnceFunc(func() { close(gate) })
	run(t, &Poller{Server: s, Queue: "work", BatchSize: 3, Concurrency: 4,
		Invoke: func(_ context.Context, payload []byte) ([]byte, error) {
			running := now.Add(1)
			defer now.Add(-1)
			most.Store(max(most.Load(), running))
			largest.Store(max(largest.Load(), int64(strings.Count(string(payload), `"messageId"`))))
			<-gate
			return nil, nil
		}})
	t.Cleanup(open)
	eventually(t, "four run at once", func() bool { return now.Load() == 4 })
	if got := s.Stats("work"); got.InFlight != 12 {
		t.Errorf("in flight with all invocations busy: %+v", got)
	}
	open()
	eventually(t, "all are done", func() bool { return s.Stats("work") == Stats{} })
	if most.Load() != 4 || largest.Load() != 3 {
		t.Errorf("at most %d at once, of up to %d messages", most.Load(), largest.Load())
	}
}

func TestRunEndsWithItsContextAndLosesNothing(t *testing.T) {
	t.Parallel()
	s, now := running(t)
	send(t, s, "a")
	ctx, cancel := context.WithCancel(t.Context())
	invoked, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		p := Poller{Server: s, Queue: "work", Concurrency: 3,
			Invoke: func(ctx context.Context, _ []byte) ([]byte, error) {
				close(invoked)
				<-ctx.Done()
				return nil, ctx.Err()
			}}
		p.Run(ctx)
	}()
	<-invoked
	cancel()
	<-ended
	now.advance(time.Minute)
	if got := s.Stats("work"); got.Depth != 1 {
		t.Errorf("after the end: %+v", got)
	}
}
