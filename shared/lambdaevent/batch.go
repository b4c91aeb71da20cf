package lambdaevent

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// defaultMinRemaining is the MinRemaining of a Handler that does not set it.
const defaultMinRemaining = 5 * time.Second

// deadlineMargin is kept between the end of a record's context and Lambda's deadline: time to roll
// back and to answer. Being killed instead would send the whole batch back, what is done included.
const deadlineMargin = time.Second

// batch handles the messages one after another and names those that SQS shall deliver again.
func (h Handler) batch(ctx context.Context, batch events.SQSEvent) events.SQSEventResponse {
	answer := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for _, message := range batch.Records {
		if err := h.message(ctx, message); err != nil {
			answer.BatchItemFailures = append(answer.BatchItemFailures,
				events.SQSBatchItemFailure{ItemIdentifier: message.MessageId})
		}
	}
	return answer
}

var errOutOfTime = errors.New("handed back unread: too little time is left before the deadline")

func (h Handler) message(ctx context.Context, message events.SQSMessage) error {
	attrs := []slog.Attr{
		slog.String("message_id", message.MessageId),
		slog.String("receive_count", message.Attributes["ApproximateReceiveCount"]),
	}
	minRemaining := h.MinRemaining
	if minRemaining == 0 {
		minRemaining = defaultMinRemaining
	}
	if deadline, ok := ctx.Deadline(); ok {
		if time.Until(deadline) < minRemaining {
			h.log().LogAttrs(ctx, slog.LevelWarn, "message done",
				append(attrs, slog.String("outcome", "handed back"))...)
			return errOutOfTime
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-deadlineMargin))
		defer cancel()
	}
	started := time.Now()
	err := recovered(ctx, h.log(), func() error { return h.SQS(ctx, message) })
	h.report(ctx, err, "message done",
		append(attrs, slog.Duration("duration", time.Since(started)))...)
	return err
}
