package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/ingest"
	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/lambdaevent"
	"github.com/toolboxai-solutions/satchel/shared/outbox"
	"github.com/toolboxai-solutions/satchel/shared/telemetry"
)

// handler puts storage events into the words of package ingest.
type handler struct {
	processor *ingest.Processor
	queue     queue
	doorbell  outbox.Doorbell
	log       *slog.Logger
	metrics   telemetry.Metrics
}

// message takes every object of a message as far as it goes. With an error the message comes again,
// and what was done already is then found to be done. One that is no storage event never will be
// one: its receive count takes it to the dead-letter queue, where it is seen.
func (h handler) message(ctx context.Context, m events.SQSMessage) error {
	objects, err := lambdaevent.S3Objects(m.Body)
	if err != nil {
		return err
	}
	var failed []error
	handBack := h.queue.handBack(m)
	for _, o := range objects {
		// The row is the truth and the message only the doorbell: what waits is sent again when it
		// is due, however long that is.
		if err := h.object(ctx, o, handBack); !errors.Is(err, ingest.ErrPostponed) {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

func (h handler) object(ctx context.Context, o lambdaevent.Object,
	handBack func(context.Context) bool) error {
	started := time.Now()
	result, err := h.processor.ProcessInTurn(ctx,
		ingest.Object{Bucket: o.Bucket, Key: o.Key, Version: o.VersionID}, handBack)
	took := time.Since(started)
	h.report(ctx, o, result, took, err)
	switch result.Outcome {
	case ingest.OutcomeAvailable, ingest.OutcomeQuarantined, ingest.OutcomeRejected:
		h.doorbell.Ring(ctx) // nothing else tells anybody anything, and a form can be sent often
	}
	fallbacks := 0.0
	if result.Fallback {
		fallbacks = 1
	}
	if result.Reason.Redrivable() {
		h.metrics.Emit(nil,
			telemetry.Metric{Name: "FilesGivenUp", Unit: telemetry.Count, Value: 1})
	}
	h.metrics.Emit(map[string]string{"Outcome": string(result.Outcome)},
		telemetry.Metric{Name: "FilesProcessed", Unit: telemetry.Count, Value: 1},
		telemetry.Metric{Name: "ProcessingTime", Unit: telemetry.Milliseconds,
			Value: float64(took.Microseconds()) / 1000},
		telemetry.Metric{Name: "ProcessedBytes", Unit: telemetry.Bytes,
			Value: float64(result.Bytes)},
		telemetry.Metric{Name: "PictureFallbacks", Unit: telemetry.Count, Value: fallbacks},
	)
	return err
}

func (h handler) report(ctx context.Context, o lambdaevent.Object, r ingest.Result,
	took time.Duration, err error) {
	attrs := []slog.Attr{
		slog.String("organization_id", r.Organization.String()),
		slog.String("file_id", r.File.String()),
		slog.Int("attempt", r.Attempt),
		slog.Duration("duration", took), slog.String("outcome", string(r.Outcome)),
		slog.Int64("bytes", r.Bytes),
	}
	if r.Reason != "" {
		attrs = append(attrs, slog.String("reason", string(r.Reason)))
	}
	level := slog.LevelInfo
	switch {
	case r.Outcome == ingest.OutcomeUnknownKey:
		// somebody writes into the bucket who should not, or the trigger is wrong
		level = slog.LevelError
		attrs = append(attrs, slog.String("bucket", o.Bucket), slog.String("key", o.Key))
	case fault.KindOf(err) == fault.Temporary:
		level = slog.LevelWarn
	case err != nil:
		level = slog.LevelError
	}
	if err != nil {
		attrs = append(attrs, slog.Any("error", err))
	}
	h.log.LogAttrs(ctx, level, "object done", attrs...)
}
