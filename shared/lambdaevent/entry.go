// Package lambdaevent is the edge between Lambda's events and the words of a function: HTTP API requests, batches of SQS messages, schedules.
package lambdaevent

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// Entry is what one binary does with each shape of event. A part that is nil refuses its shape.
type Entry struct {
	HTTP      http.Handler
	SQS       func(context.Context, events.SQSMessage) error
	Schedules map[string]func(context.Context) (summary any, err error) // the summary is the function's answer

	// Reserve is the time that a message needs at least: with less of it left before Lambda's deadline, the rest of a batch is handed back
	// unread. Zero means 5 s.
	Reserve time.Duration

	Log *slog.Logger // nil: slog.Default()
}

// Invoke is the handler for lambda.Start. An event of a shape that no part takes is an error, so that a wrong trigger shows at once.
func (e Entry) Invoke(ctx context.Context, raw json.RawMessage) (any, error) {
	kind, err := Shape(raw)
	if err != nil {
		return nil, err
	}
	switch {
	case kind == HTTP && e.HTTP != nil:
		var request events.APIGatewayV2HTTPRequest
		if err := json.Unmarshal(raw, &request); err != nil {
			return nil, fmt.Errorf("read HTTP event: %w", err)
		}
		return e.serve(ctx, request), nil
	case kind == SQS && e.SQS != nil:
		var batch events.SQSEvent
		if err := json.Unmarshal(raw, &batch); err != nil {
			return nil, fmt.Errorf("read SQS event: %w", err)
		}
		return e.batch(ctx, batch), nil
	case kind == Schedule && e.Schedules != nil:
		return e.schedule(ctx, raw)
	default:
		return nil, fmt.Errorf("this entry takes no %s events", kind)
	}
}

func (e Entry) schedule(ctx context.Context, raw json.RawMessage) (summary any, err error) {
	var due ScheduleEvent
	if err := json.Unmarshal(raw, &due); err != nil {
		return nil, fmt.Errorf("read schedule event: %w", err)
	}
	run, ok := e.Schedules[due.Schedule]
	if !ok {
		return nil, fmt.Errorf("this entry has no schedule %q", due.Schedule)
	}
	started := time.Now()
	err = recovered(ctx, e.log(), func() (err error) {
		summary, err = run(ctx)
		return err
	})
	e.report(ctx, err, "schedule done", slog.String("schedule", due.Schedule), slog.Duration("duration", time.Since(started)))
	return summary, err
}

func (e Entry) report(ctx context.Context, err error, message string, attrs ...slog.Attr) {
	level, outcome := slog.LevelInfo, slog.String("outcome", "done")
	if err != nil {
		level, outcome = slog.LevelError, slog.String("outcome", "failed")
		attrs = append(attrs, slog.Any("error", err))
	}
	e.log().LogAttrs(ctx, level, message, append(attrs, outcome)...)
}

func (e Entry) log() *slog.Logger {
	if e.Log != nil {
		return e.Log
	}
	return slog.Default()
}

// recovered turns a panic of work into an error: one bad record must not take down what else the process has in hand.
func recovered(ctx context.Context, log *slog.Logger, work func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			log.ErrorContext(ctx, "panic", "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	return work()
}
