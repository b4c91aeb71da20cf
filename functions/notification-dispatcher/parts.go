package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/dispatch"
	"github.com/toolboxai-solutions/satchel/shared/lambdaevent"
	"github.com/toolboxai-solutions/satchel/shared/outbox"
	"github.com/toolboxai-solutions/satchel/shared/telemetry"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

// parts are what the entries are made of.
type parts struct {
	config  Config
	db      *tenantdb.DB
	secrets *secretReader
	bell    outbox.Doorbell
	metrics telemetry.Metrics
	log     *slog.Logger
	now     func() time.Time
}

// deliver answers the doorbell. A ring says nothing: whatever is due is done, and with nothing due
// there is nothing to do.
func (p parts) deliver(ctx context.Context, _ events.SQSMessage) error {
	sender, _, err := p.secrets.pusher(ctx, p.config)
	if err != nil {
		return err
	}
	d := dispatch.Dispatcher{
		Config: p.config.delivery(), DB: p.db, Sender: sender, Ring: p.bell.RingIn,
		Metrics: p.metrics, Log: p.log, Now: p.now,
	}
	began := time.Now()
	done, err := d.Run(ctx)
	if err == nil && done != (dispatch.Summary{}) {
		p.log.InfoContext(ctx, "delivery done", "duration", time.Since(began),
			"sequenced", done.Sequenced, "delivered", done.Delivered, "folded", done.Folded,
			"retried", done.Retried, "dead", done.Dead, "paused", done.Paused)
	}
	return err
}

func (p parts) schedules() map[string]lambdaevent.Task {
	sweep := &dispatch.Sweep{
		DB: p.db, Retention: time.Duration(p.config.RetentionDays) * 24 * time.Hour,
		Metrics: p.metrics, Log: p.log,
		Ring: func(ctx context.Context) error { return p.bell.RingIn(ctx, 0) },
	}
	return map[string]lambdaevent.Task{"notification-sweep": {
		Expression: "rate(1 minute)",
		Run:        func(ctx context.Context) (any, error) { return sweep.Run(ctx) },
	}}
}
