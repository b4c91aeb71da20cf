// Package lambdaevent turns Lambda's events into calls of a function's handlers: HTTP API requests,
// batches of SQS messages, schedules, commands.
package lambdaevent

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/toolboxai-solutions/satchel/shared/fault"
)

// Handler is what one binary does with each shape of event. A nil field refuses its shape.
type Handler struct {
	HTTP      http.Handler
	SQS       func(context.Context, events.SQSMessage) error
	Schedules map[string]Task // by the schedule's name in the template
	// Commands are what somebody may invoke the function for by hand, by name. Each reads its
	// arguments from the event, and its answer is the invocation's.
	Commands map[string]func(context.Context, json.RawMessage) (any, error)

	// MinRemaining is the least time a message needs: with less left before Lambda's deadline, the
	// rest of a batch is returned to the queue unread. Zero means 5 s.
	MinRemaining time.Duration

	// Doorbell is rung after each schedule or command that was worked on to its end; nil: nobody is
	// told. An HTTP answer rings by itself, see httpapi.Tells, and so does who handles messages.
	Doorbell func(context.Context)

	Log *slog.Logger // nil: slog.Default()
}

// Task is what a schedule runs.
type Task struct {
	Expression string // when, as the template says it: rate(5 minutes)
	Run        func(context.Context) (summary any, err error)
}

// Invoke is the handler for lambda.Start. An event of a shape that no part takes is an error, so
// that a wrong trigger shows at once.
func (h Handler) Invoke(ctx context.Context, raw json.RawMessage) (any, error) {
	kind, err := Shape(raw)
	if err != nil {
		return nil, err
	}
	switch {
	case kind == HTTP && h.HTTP != nil:
		var request events.APIGatewayV2HTTPRequest
		if err := json.Unmarshal(raw, &request); err != nil {
			return nil, fmt.Errorf("read HTTP event: %w", err)
		}
		return h.serve(ctx, request), nil
	case kind == SQS && h.SQS != nil:
		var batch events.SQSEvent
		if err := json.Unmarshal(raw, &batch); err != nil {
			return nil, fmt.Errorf("read SQS event: %w", err)
		}
		return h.batch(ctx, batch), nil
	case kind == Schedule && h.Schedules != nil:
		return h.schedule(ctx, raw)
	case kind == Command && h.Commands != nil:
		return h.command(ctx, raw)
	default:
		return nil, fmt.Errorf("this function takes no %s events", kind)
	}
}

func (h Handler) schedule(ctx context.Context, raw json.RawMessage) (summary any, err error) {
	var due ScheduleEvent
	if err := json.Unmarshal(raw, &due); err != nil {
		return nil, fmt.Errorf("read schedule event: %w", err)
	}
	task, ok := h.Schedules[due.Schedule]
	if !ok {
		return nil, fmt.Errorf("this function has no schedule %q", due.Schedule)
	}
	return h.run(ctx, "schedule", due.Schedule, task.Run)
}

func (h Handler) command(ctx context.Context, raw json.RawMessage) (any, error) {
	var asked CommandEvent
	if err := json.Unmarshal(raw, &asked); err != nil {
		return nil, fmt.Errorf("read command: %w", err)
	}
	do, ok := h.Commands[asked.Command]
	if !ok {
		return nil, fmt.Errorf("this function has no command %q: it has %s", asked.Command,
			strings.Join(slices.Sorted(maps.Keys(h.Commands)), ", "))
	}
	return h.run(ctx, "command", asked.Command,
		func(ctx context.Context) (any, error) { return do(ctx, raw) })
}

// run does what has a name, rings and reports.
func (h Handler) run(ctx context.Context, kind, name string,
	do func(context.Context) (any, error)) (summary any, err error) {
	started := time.Now()
	err = recovered(ctx, h.log(), func() (err error) {
		summary, err = do(ctx)
		return err
	})
	if err == nil && h.Doorbell != nil {
		h.Doorbell(ctx)
	}
	h.report(ctx, err, kind+" done", slog.String(kind, name),
		slog.Duration("duration", time.Since(started)))
	return summary, err
}

func (h Handler) report(ctx context.Context, err error, message string, attrs ...slog.Attr) {
	level, outcome := slog.LevelInfo, slog.String("outcome", "done")
	if err != nil {
		level, outcome = slog.LevelError, slog.String("outcome", "failed")
		if fault.KindOf(err) == fault.Temporary {
			level = slog.LevelWarn // waiting mends it
		}
		attrs = append(attrs, slog.Any("error", err))
	}
	h.log().LogAttrs(ctx, level, message, append(attrs, outcome)...)
}

func (h Handler) log() *slog.Logger {
	if h.Log != nil {
		return h.Log
	}
	return slog.Default()
}

// recovered turns a panic of work into an error: one bad record must not take down what else the
// process has in hand.
func recovered(ctx context.Context, log *slog.Logger, work func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			log.ErrorContext(ctx, "panic", "cause", fmt.Sprint(cause), "stack",
				string(debug.Stack()))
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	return work()
}
