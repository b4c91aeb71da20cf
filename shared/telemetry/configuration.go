package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// ConfigurationFault tells of a request that fails until a person repairs a grant, a key or a name.
// Waiting mends none of them, so one is enough for an alarm.
func (m Metrics) ConfigurationFault(ctx context.Context, log *slog.Logger,
	service, operation string, err error) {
	log.ErrorContext(ctx, "configuration fault", "service", service, "operation", operation,
		"error", err)
	m.Emit(nil, Metric{Name: "ConfigurationFaults", Unit: Count, Value: 1})
}

// WatchConfiguration has each client that is made from config tell of what AWS refuses because of
// how we are set up, also where the caller goes on without the answer.
func (m Metrics) WatchConfiguration(config *aws.Config, log *slog.Logger) {
	watch := func(ctx context.Context, in middleware.InitializeInput,
		next middleware.InitializeHandler) (out middleware.InitializeOutput,
		metadata middleware.Metadata, err error) {
		out, metadata, err = next.HandleInitialize(ctx, in)
		if refused(err) {
			m.ConfigurationFault(ctx, log, middleware.GetServiceID(ctx),
				middleware.GetOperationName(ctx), err)
		}
		return out, metadata, err
	}
	config.APIOptions = append(config.APIOptions, func(stack *middleware.Stack) error {
		// Outside of the retries, which are about one request.
		return stack.Initialize.Add(
			middleware.InitializeMiddlewareFunc("WatchConfiguration", watch), middleware.After)
	})
}

// refused tells a missing grant (of a KMS key too) and a name that is not there from an outage. The
// services that answer in JSON say so with 400, the other ones with 401 or 403. Codes:
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
func refused(err error) bool {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		code := strings.ToLower(api.ErrorCode())
		switch {
		case strings.Contains(code, "throttl"):
			return false
		case strings.Contains(code, "accessdenied"), strings.HasPrefix(code, "kms"):
			return true
		}
		switch api.ErrorCode() {
		case "NoSuchBucket", "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue",
			"ResourceNotFoundException", "DecryptionFailure":
			return true
		}
	}
	answer, ok := errors.AsType[*smithyhttp.ResponseError](err)
	return ok && (answer.HTTPStatusCode() == http.StatusUnauthorized ||
		answer.HTTPStatusCode() == http.StatusForbidden)
}
