package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/shared/telemetry"
)

// accessRecord collects what the access log says about a request while it is handled.
type accessRecord struct {
	route        string // the pattern: a path may hold a share's secret
	organization uuid.UUID
	user         uuid.UUID
	code         string
	head         bool
	unstorable   []FieldProblem // text in the request that Postgres would refuse
	answer       []byte         // the body, written before its transaction ended
}

type accessRecordKey struct{}

func accessRecordOf(ctx context.Context) *accessRecord {
	if record, ok := ctx.Value(accessRecordKey{}).(*accessRecord); ok {
		return record
	}
	return &accessRecord{}
}

// ServeHTTP answers one request and logs one line about it.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	started := time.Now()
	ctx := r.Context()
	if telemetry.RequestID(ctx) == "" {
		ctx = telemetry.WithRequestID(ctx, uuid.NewString())
	}
	record := &accessRecord{}
	ctx = context.WithValue(ctx, accessRecordKey{}, record)
	answer := &statusWriter{ResponseWriter: w}

	header := answer.Header()
	header.Set("X-Request-Id", telemetry.RequestID(ctx))
	header.Set("Cache-Control", "no-store") // answers are one user's, and some hold signed URLs
	header.Set("X-Content-Type-Options", "nosniff")
	if a.cors.handle(answer, r) {
		a.safely(answer, r.WithContext(ctx))
	}

	attrs := []slog.Attr{
		slog.String("method", r.Method), slog.String("route", record.route),
		slog.Int("status", answer.status),
		slog.Duration("duration", time.Since(started)),
	}
	if record.code != "" {
		attrs = append(attrs, slog.String("code", record.code))
	}
	if record.organization != uuid.Nil {
		attrs = append(attrs, slog.String("organization_id", record.organization.String()),
			slog.String("user_id", record.user.String()))
	}
	a.log.LogAttrs(ctx, slog.LevelInfo, "request done", attrs...)
}

// safely turns a panic into a problem, inside of CORS so that a browser may read it.
func (a *API) safely(w *statusWriter, r *http.Request) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		a.log.ErrorContext(r.Context(), "panic", "cause", fmt.Sprint(cause), "stack",
			string(debug.Stack()))
		if w.status == 0 {
			a.problemOf(r.Context(), fmt.Errorf("panic: %v", cause)).write(w)
		}
	}()
	// The mux would redirect //v1/files to /v1/files, and a client that follows has lost its body.
	if _, pattern := a.mux.Handler(r); pattern != "" && canonical(r.URL.Path) {
		a.mux.ServeHTTP(w, r)
		return
	}
	a.refuse(w, r)
}

func canonical(p string) bool {
	return strings.HasPrefix(p, "/") && (path.Clean(p) == p || path.Clean(p)+"/" == p)
}

// refuse answers what no route takes. The mux knows whether that is the path or the method, and
// says so in text; this says it as a problem.
func (a *API) refuse(w http.ResponseWriter, r *http.Request) {
	theirs := &discard{header: http.Header{}}
	a.mux.ServeHTTP(theirs, r)
	problem := newProblem(r.Context(), http.StatusNotFound, "no-such-route",
		"There is nothing at this path. See /v1/openapi.json for the routes.")
	if theirs.status == http.StatusMethodNotAllowed {
		problem = newProblem(r.Context(), http.StatusMethodNotAllowed, "method-not-allowed",
			"This path takes other methods: see the Allow header.")
		problem.header.Set("Allow", theirs.header.Get("Allow"))
	}
	accessRecordOf(r.Context()).code = problem.Code
	problem.write(w)
}

// statusWriter remembers the status for the log.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController through, by which huma sets the deadline for reading a body.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// discard takes an answer of which only status and header matter.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
