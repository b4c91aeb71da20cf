package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const (
	// handedBack is the message attribute that says how often an event went back.
	handedBack = "HandedBack"
	// longestDelay bounds how far the delay of an event grows: below the five minutes after which
	// maintenance sends another event for an upload without a verdict.
	longestDelay = 256 // seconds
	// queueTime bounds one request to the queue.
	queueTime = 5 * time.Second
)

// queue is where events come from.
type queue struct {
	sqs *sqs.Client
	url string
	log *slog.Logger
}

// handBack returns what has a message come again later, when other messages wait: it is sent anew
// and then, because nothing failed, deleted as done. So it is never lost, and however often
// it goes back, its receive count does not take it to the dead-letter queue. What cannot go back is
// processed.
func (q queue) handBack(m events.SQSMessage) func(context.Context) bool {
	sent := false
	return func(ctx context.Context) bool {
		if sent { // for another of its objects
			return true
		}
		ctx, cancel := context.WithTimeout(ctx, queueTime)
		defer cancel()
		waiting, err := q.waiting(ctx)
		if err == nil && waiting > 0 {
			err = q.again(ctx, m)
			sent = err == nil
		}
		if err != nil {
			q.log.WarnContext(ctx, "an event is processed out of turn", "error", err)
		}
		return sent
	}
}

// waiting is how many messages there are that nobody has received, without those that are delayed.
func (q queue) waiting(ctx context.Context) (int, error) {
	const name = types.QueueAttributeNameApproximateNumberOfMessages
	out, err := q.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &q.url,
		AttributeNames: []types.QueueAttributeName{name}})
	if err != nil {
		return 0, fmt.Errorf("ask how many events wait: %w", err)
	}
	n, err := strconv.Atoi(out.Attributes[string(name)])
	if err != nil {
		return 0, fmt.Errorf("read how many events wait: %w", err)
	}
	return n, nil
}

// again sends a message anew, with a delay. Its bound doubles each time, and the delay lies
// anywhere below it, so that what went back together comes back apart.
func (q queue) again(ctx context.Context, m events.SQSMessage) error {
	times := 1
	if before := m.MessageAttributes[handedBack].StringValue; before != nil {
		n, err := strconv.Atoi(*before)
		if err != nil {
			return fmt.Errorf("read attribute %s: %w", handedBack, err)
		}
		times += n
	}
	bound := min(1<<min(times, 30), longestDelay)
	_, err := q.sqs.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &q.url, MessageBody: &m.Body,
		DelaySeconds: int32(1 + rand.IntN(bound)),
		MessageAttributes: map[string]types.MessageAttributeValue{handedBack: {
			DataType: aws.String("Number"), StringValue: aws.String(strconv.Itoa(times))}}})
	if err != nil {
		return fmt.Errorf("hand an event back: %w", err)
	}
	return nil
}
