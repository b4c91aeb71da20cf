package outbox

import (
	"context"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

const (
	// ringTime bounds a ring that nobody waits for.
	ringTime = 2 * time.Second
	// ringGrace is how long the answer is held back at most, so that the request is on its way
	// before Lambda freezes the process.
	ringGrace = 20 * time.Millisecond
)

// Doorbell tells the dispatcher that something may wait. A ring says nothing else, and a lost one
// costs at most a minute: then the dispatcher looks by itself.
type Doorbell struct {
	SQS *sqs.Client
	URL string // of the doorbell's queue; "": nobody is told
	Log *slog.Logger
}

// Ring is to be called after the commit. It does not fail, and hardly delays what comes after it.
func (d Doorbell) Ring(ctx context.Context) {
	if d.URL == "" {
		return
	}
	rung := make(chan struct{})
	go func() {
		defer close(rung)
		ringing, cancel := context.WithTimeout(context.WithoutCancel(ctx), ringTime)
		defer cancel()
		if err := d.RingIn(ringing, 0); err != nil {
			d.Log.WarnContext(ctx, "doorbell not rung", "error", err)
		}
	}()
	timer := time.NewTimer(ringGrace)
	defer timer.Stop()
	select {
	case <-rung:
	case <-timer.C:
	}
}

// RingIn rings after a while, of at most 15 minutes and in whole seconds, as SQS delays messages.
func (d Doorbell) RingIn(ctx context.Context, wait time.Duration) error {
	body := "{}"
	_, err := d.SQS.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl: &d.URL, MessageBody: &body, DelaySeconds: int32(wait / time.Second),
	})
	return err
}
