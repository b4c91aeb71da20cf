package lambdaevent

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// defaultReserve is the Reserve of an Entry that names none.
const defaultReserve = 5 * time.Second

// margin is kept between the end of a record's context and Lambda's deadline: time to roll back and to answer. Being killed instead would
// send the whole batch back, what is done included.
const margin = time.Second

// batch handles the messages one after another and names those that SQS shall deliver again.
func (e Entry) batch(ctx context.Context, batch events.SQSEvent) events.SQSEventResponse {
	answer := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for _, message := range batch.Records {
		if err := e.message(ctx, message); err != nil {
			answer.BatchItemFailures = append(answer.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: message.MessageId})
		}
	}
	return answer
}

var errOutOfTime = errors.New("handed back unread: too little time is left before the deadline")

func (e Entry) message(ctx context.Context, message events.SQSMessage) error {
	attrs := []slog.Attr{
		slog.String("message_id", message.MessageId),
		slog.String("receive_count", message.Attributes["ApproximateReceiveCount"]),
	}
	reserve := e.Reserve
	if reserve == 0 {
		reserve = defaultReserve
	}
	if deadline, ok := ctx.Deadline(); ok {
		if time.Until(deadline) < reserve {
			e.log().LogAttrs(ctx, slog.LevelWarn, "message done", append(attrs, slog.String("outcome", "handed back"))...)
			return errOutOfTime
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-margin))
		defer cancel()
	}
	started := time.Now()
	err := recovered(ctx, e.log(), func() error { return e.SQS(ctx, message) })
	e.report(ctx, err, "message done", append(attrs, slog.Duration("duration", time.Since(started)))...)
	return err
}
