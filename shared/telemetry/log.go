package telemetry

import (
	"context"
	"io"
	"log/slog"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

// NewLogger returns a logger that writes one JSON object a line to out, from level up. Every line
// carries the function's name, request_id, invocation_id (where it differs) and trace_id of its
// context, and went through Redact.
func NewLogger(out io.Writer, level slog.Leveler) *slog.Logger {
	log := slog.New(identified{NewHandler(Redactor{out}, level)})
	if lambdacontext.FunctionName != "" {
		log = log.With("function", lambdacontext.FunctionName)
	}
	return log
}

// NewHandler writes one JSON object a line: at, level, msg and what was added. A duration is a
// number of milliseconds, and its key says so.
func NewHandler(out io.Writer, level slog.Leveler) slog.Handler {
	return slog.NewJSONHandler(out, &slog.HandlerOptions{Level: level,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			switch {
			case a.Key == slog.TimeKey && len(groups) == 0:
				a.Key = "at"
			case a.Value.Kind() == slog.KindDuration:
				a = slog.Float64(a.Key+"_ms", float64(a.Value.Duration().Microseconds())/1000)
			}
			return a
		}})
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
