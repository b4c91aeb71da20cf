// Package telemetry is what leaves a function besides its answer: structured logs without secrets,
// and metrics.
package telemetry

import (
	"context"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

type requestIDKey struct{}

// WithRequestID returns a context whose log lines and problems carry id, the name that the outside
// knows this request by.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID returns the id given to WithRequestID, else that of the Lambda invocation, else "".
func RequestID(ctx context.Context) string {
	if id, ok := ctx.Value(requestIDKey{}).(string); ok {
		return id
	}
	return invocationID(ctx)
}

func invocationID(ctx context.Context) string {
	if invocation, ok := lambdacontext.FromContext(ctx); ok {
		return invocation.AwsRequestID
	}
	return ""
}

// traceID returns the X-Ray trace header of the invocation; aws-lambda-go documents this key.
func traceID(ctx context.Context) string {
	id, _ := ctx.Value("x-amzn-trace-id").(string)
	return id
}
