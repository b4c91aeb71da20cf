// Package gateway is the front of the local stack: an HTTP server that does to functions what API
// Gateway's HTTP API does with payload format 2.0, and the few paths under /local that only a local
// stack may have.
package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/infra/local/runtime"
)

const (
	// maxRequest is the HTTP API's limit of a request body, in bytes
	// (https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html).
	maxRequest = 10_000_000
	// integrationTimeout is the longest that an HTTP API waits for a function.
	integrationTimeout = 30 * time.Second
)

// Invoke runs a function with an event, as runtime.Host does.
type Invoke func(ctx context.Context, function string, payload []byte) ([]byte, error)

// Gateway serves the routes of functions.
type Gateway struct {
	Invoke Invoke
	Routes []Route
	// Timeout of an invocation, 30 s by default as in AWS.
	Timeout time.Duration
	Log     *slog.Logger
	Now     func() time.Time
}

// ServeHTTP selects a route and invokes its function; what none matches is answered 404 as the HTTP
// API does.
func (g Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	route, ok := choose(g.Routes, r.Method, r.URL.EscapedPath())
	if !ok {
		message(w, http.StatusNotFound, "Not Found")
		return
	}
	id := uuid.NewString()
	w.Header().Set("Apigw-Requestid", id)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		message(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
		return
	}
	if err != nil {
		message(w, http.StatusBadRequest, "Bad Request")
		return
	}
	payload, err := json.Marshal(event(r, body, route, id, g.Now()))
	if err != nil {
		g.Log.Error("event does not marshal", "request", id, "error", err)
		message(w, http.StatusInternalServerError, "Internal Server Error")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), cmp.Or(g.Timeout, integrationTimeout))
	defer cancel()
	answer, err := g.Invoke(ctx, route.Function, payload)
	switch {
	case errors.Is(err, runtime.ErrTooLarge):
		message(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, runtime.ErrClosed):
		message(w, http.StatusServiceUnavailable, "Service Unavailable")
	case errors.Is(err, context.Canceled):
		// nobody is there to be answered
	case err != nil:
		g.Log.Error("function failed", "function", route.Function, "request", id, "error", err)
		message(w, http.StatusInternalServerError, "Internal Server Error")
	default:
		if err := write(w, answer); err != nil {
			g.Log.Error("answer is not one of an HTTP function", "function", route.Function,
				"request", id, "error", err)
			message(w, http.StatusInternalServerError, "Internal Server Error")
		}
	}
}

// message answers in the form in which API Gateway tells its own errors.
func message(w http.ResponseWriter, status int, text string) {
	reply(w, status, map[string]string{"message": text})
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false) // read in a terminal
	_ = out.Encode(body)
}
