package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// Poller brings a queue's messages to a function, as Lambda's event source
// mapping with ReportBatchItemFailures does: what the function has done is
// deleted, what it has not comes again when its visibility runs out.
type Poller struct {
	Server *Server
	Queue  string
	// Access is the function's access key: Lambda polls with the rights of its role.
	Access string
	// BatchSize is how many messages one invocation gets at most; 0 means 10.
	BatchSize int
	// Concurrency is how many invocations run at once; 0 means one. Messages
	// are received only when one is free, so that none waits in flight.
	Concurrency int
	// Invoke runs the function with an SQS event and returns its answer. Its
	// context ends with Run's.
	Invoke func(ctx context.Context, event []byte) ([]byte, error)
}

// Run polls until ctx ends, and returns when the last invocation has.
func (p *Poller) Run(ctx context.Context) {
	var workers sync.WaitGroup
	for range max(1, p.Concurrency) {
		workers.Go(func() {
			for ctx.Err() == nil {
				p.once(ctx)
			}
		})
	}
	workers.Wait()
}

// once waits for a batch and sees it through.
func (p *Poller) once(ctx context.Context) {
	size := p.BatchSize
	if size == 0 {
		size = maxBatch
	}
	var batch []message
	err := p.Server.authorize(p.Access, "ReceiveMessage", p.Queue)
	if err == nil {
		batch, err = p.Server.receive(ctx, p.Queue, size, nil, maxWait*time.Second)
	}
	if err != nil {
		slog.Error("poll a queue", "queue", p.Queue, "error", err)
		select { // a broken disk is no reason to spin
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
		return
	}
	if len(batch) == 0 {
		if p.Server.isStopped() {
			<-ctx.Done()
		}
		return
	}
	failed, err := p.invoke(ctx, batch)
	if err != nil && ctx.Err() != nil {
		return // stopped in the middle of it: nothing is wrong
	}
	if err != nil {
		slog.Warn("a batch failed and will come again", "queue", p.Queue, "messages", len(batch),
			"error", err)
		return
	}
	for _, m := range batch {
		if failed[m.ID] {
			continue
		}
		err := p.Server.authorize(p.Access, "DeleteMessage", p.Queue)
		if err == nil {
			err = p.Server.remove(p.Queue, receiptHandle(&m))
		}
		if err != nil {
			slog.Error("delete a message that is done", "queue", p.Queue, "message", m.ID, "error",
				err)
		}
	}
}

// invoke returns the ids of the messages that failed. With an error all did.
func (p *Poller) invoke(ctx context.Context, batch []message) (failed map[string]bool, err error) {
	event, err := json.Marshal(p.event(batch))
	if err != nil {
		return nil, fmt.Errorf("write the event: %w", err)
	}
	answer, err := p.Invoke(ctx, event)
	if err != nil {
		return nil, fmt.Errorf("invoke the function: %w", err)
	}
	return batchItemFailures(answer, batch)
}

// batchItemFailures reads a function's answer by the rules of Lambda's developer
// guide, "Reporting batch item failures": nothing, null and an empty list mean
// that all is done; an answer that is no JSON, and an item that names no message
// of the batch, mean that nothing is.
func batchItemFailures(answer []byte, batch []message) (map[string]bool, error) {
	if len(answer) == 0 {
		return nil, nil
	}
	var response *events.SQSEventResponse
	if err := json.Unmarshal(answer, &response); err != nil {
		return nil, fmt.Errorf("read the function's answer: %w", err)
	}
	if response == nil {
		return nil, nil
	}
	known := map[string]bool{}
	for _, m := range batch {
		known[m.ID] = true
	}
	failed := map[string]bool{}
	for _, item := range response.BatchItemFailures {
		if !known[item.ItemIdentifier] {
			return nil, errors.New("the function's answer names an item that is not in the batch")
		}
		failed[item.ItemIdentifier] = true
	}
	return failed, nil
}

func (p *Poller) event(batch []message) events.SQSEvent {
	var event events.SQSEvent
	for _, m := range batch {
		own := map[string]events.SQSMessageAttribute{}
		for name, a := range m.Attributes {
			own[name] = events.SQSMessageAttribute{DataType: a.DataType,
				StringValue: a.StringValue, BinaryValue: a.BinaryValue}
		}
		event.Records = append(event.Records, events.SQSMessage{
			MessageId: m.ID, ReceiptHandle: receiptHandle(&m), Body: m.Body,
			Md5OfBody: md5Hex(m.Body), Attributes: systemAttributes(m), MessageAttributes: own,
			EventSourceARN: arn(p.Queue), EventSource: "aws:sqs", AWSRegion: region,
		})
	}
	return event
}
