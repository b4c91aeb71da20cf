package telemetry

import (
	"context"
	"io"
	"log/slog"
)

// NewLogger returns a logger that writes one JSON object a line to out, from level up. Every line
// carries request_id, invocation_id (where it differs) and trace_id of its context, and went
// through Redact.
func NewLogger(out io.Writer, level slog.Leveler) *slog.Logger {
	return slog.New(
		identified{slog.NewJSONHandler(Redactor{out}, &slog.HandlerOptions{Level: level})})
}

type identified struct{ slog.Handler }

func (h identified) Handle(ctx context.Context, record slog.Record) error {
	request, invocation := RequestID(ctx), invocationID(ctx)
	if request != "" {
		record.AddAttrs(slog.String("request_id", request))
	}
	if invocation != "" && invocation != request {
		record.AddAttrs(slog.String("invocation_id", invocation))
	}
	if trace := traceID(ctx); trace != "" {
		record.AddAttrs(slog.String("trace_id", trace))
	}
	return h.Handler.Handle(ctx, record)
}

func (h identified) WithAttrs(attrs []slog.Attr) slog.Handler {
	return identified{h.Handler.WithAttrs(attrs)}
}

func (h identified) WithGroup(name string) slog.Handler {
	return identified{h.Handler.WithGroup(name)}
}
