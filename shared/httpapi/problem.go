package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"

	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/telemetry"
)

// Problem is the body of every answer that is no success: RFC 9457, application/problem+json.
type Problem struct {
	Type     string         `json:"type" format:"uri" doc:"Identifies the kind of problem, never changes, and links to an explanation."`
	Title    string         `json:"title" doc:"The status in words."`
	Status   int            `json:"status" doc:"The HTTP status."`
	Code     string         `json:"code" doc:"The last part of type, for programs." example:"quota-exceeded"`
	Detail   string         `json:"detail" doc:"What to do about it."`
	Instance string         `json:"instance,omitempty" doc:"The id of the request, for support."`
	Errors   []FieldProblem `json:"errors,omitempty" doc:"Each invalid part of the request."`

	header http.Header
}

// FieldProblem is one place in a request that is wrong. It does not repeat the value, which may be
// a secret.
type FieldProblem struct {
	Location string `json:"location" doc:"Where, for example body.size or query.limit."`
	Message  string `json:"message" doc:"What is wrong there."`
}

func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// GetStatus is the status that huma answers.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders are the headers that huma adds.
func (p *Problem) GetHeaders() http.Header { return p.header }

// ContentType is the type that huma answers in place of application/json.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

func newProblem(ctx context.Context, status int, code, detail string) *Problem {
	return &Problem{
		Type: fault.TypeURI(code), Title: http.StatusText(status), Status: status, Code: code,
		Detail:   detail,
		Instance: telemetry.RequestID(ctx), header: http.Header{},
	}
}

// problemOf is the one place where an error becomes an answer. What nobody classified is ours: it
// is logged and the client learns no more than the request's id.
func (a *API) problemOf(ctx context.Context, err error) *Problem {
	accessRecordOf(ctx).code = fault.CodeOf(err)
	classified, ok := errors.AsType[*fault.Error](err)
	if !ok || statusOf(classified.Kind) == http.StatusInternalServerError {
		a.log.ErrorContext(ctx, "request failed", "error", err)
		return newProblem(ctx, http.StatusInternalServerError, codeInternal,
			"Something went wrong on our side. Try again, and contact support with the "+
				"instance if it keeps failing.")
	}
	switch { // the reasons that the client does not get
	case classified.Kind == fault.Temporary, classified.Kind == fault.Invalid &&
		classified.Cause != nil:
		a.log.WarnContext(ctx, "request refused", "error", err)
	case classified.Kind == fault.Unauthenticated:
		a.log.InfoContext(ctx, "request refused", "error", err)
	}
	problem := newProblem(ctx, statusOf(classified.Kind), classified.Code, classified.Detail)
	if classified.Code == "invalid-text" {
		problem.Errors = bounded(accessRecordOf(ctx).unstorable)
	}
	if classified.Field != "" {
		problem.Errors = bounded([]FieldProblem{{classified.Field, classified.Detail}})
	}
	if classified.RetryAfter > 0 {
		problem.header.Set("Retry-After",
			strconv.FormatFloat(math.Ceil(classified.RetryAfter.Seconds()), 'f', 0, 64))
	}
	if classified.Kind == fault.Unauthenticated { // RFC 6750, section 3
		challenge := `Bearer realm="satchel"`
		if classified.Code != codeMissingToken {
			challenge += `, error="invalid_token"`
		}
		problem.header.Set("WWW-Authenticate", challenge)
	}
	return problem
}

func statusOf(kind fault.Kind) int {
	switch kind {
	case fault.Invalid:
		return http.StatusUnprocessableEntity
	case fault.Unauthenticated:
		return http.StatusUnauthorized
	case fault.Forbidden:
		return http.StatusForbidden
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Conflict:
		return http.StatusConflict
	case fault.TooLarge:
		return http.StatusRequestEntityTooLarge
	case fault.Unsupported:
		return http.StatusUnsupportedMediaType
	case fault.Limited:
		return http.StatusTooManyRequests
	case fault.Temporary:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// write sends the problem outside huma: before a route is found and from middleware.
func (p *Problem) write(w http.ResponseWriter) {
	for name, values := range p.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	_ = out.Encode(p) // the client has gone; there is nobody to tell
}

// Problem is what err is answered as, for one result of several in an answer.
func (a *API) Problem(ctx context.Context, err error) *Problem { return a.problemOf(ctx, err) }

const codeInternal = "internal"

// problemOfStatus is the problem of a request that could not be read, by the status that says why.
func problemOfStatus(ctx context.Context, status int) *Problem {
	code, detail := codeInternal, "Something went wrong on our side. Try again, and contact "+
		"support with the instance if it keeps failing."
	switch status {
	case http.StatusBadRequest:
		code, detail = "malformed-request", "The body is missing or is not JSON. Send one "+
			"JSON object."
	case http.StatusRequestTimeout:
		code, detail = "request-timeout", "The body did not arrive in time. Send it again."
	case http.StatusRequestEntityTooLarge:
		code, detail = "body-too-large", "The body is larger than this route takes. Send less."
	case http.StatusUnsupportedMediaType:
		code, detail = "unsupported-media-type", "The body must be JSON. "+
			"Send it with Content-Type: application/json."
	case http.StatusUnprocessableEntity:
		code, detail = "invalid-request", "The request does not fit this route. Correct "+
			"what errors lists and send it again."
	default:
		status = http.StatusInternalServerError
	}
	accessRecordOf(ctx).code = code
	return newProblem(ctx, status, code, detail)
}
