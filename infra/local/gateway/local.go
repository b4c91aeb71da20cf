package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/infra/local/issuer"
	"github.com/toolboxai-solutions/satchel/infra/local/runtime"
	"github.com/toolboxai-solutions/satchel/infra/local/schedule"
)

// Queue is what GET /local/queues tells of one queue.
type Queue struct {
	Name        string `json:"name"`
	Depth       int    `json:"depth"`
	InFlight    int    `json:"in_flight"`
	DeadLetters int    `json:"dead_letters"`
}

// Local serves what only a local stack may have.
type Local struct {
	Issuer  *issuer.Issuer
	Members Members
	Fire    func(ctx context.Context, schedule string) (json.RawMessage, error)
	Invoke  func(ctx context.Context, function string, event []byte) ([]byte, error)
	Queues  func() []Queue
	API     http.Handler // the functions' routes
	// Organization is the slug of the one that the start page shows.
	Organization string
	Log          *slog.Logger
}

// InvokePrefix is what the path of Lambda's Invoke begins with, so that `aws lambda invoke
// --endpoint-url` reaches the local functions
// (https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html).
const InvokePrefix = "/2015-03-31/functions/"

// Handler serves the start page, Invoke and the paths under /local, to this machine alone.
func (l Local) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", l.start)
	mux.HandleFunc("POST /local/token", l.token)
	mux.HandleFunc("POST /local/schedules/{name}", l.schedule)
	mux.HandleFunc("POST "+InvokePrefix+"{name}/invocations", l.invoke)
	mux.HandleFunc("GET /local/queues", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, map[string][]Queue{"queues": l.Queues()})
	})
	mux.HandleFunc("GET /local/files/{organization}/{file}/{variant}", l.link)
	return guard(mux)
}

// token signs a member in who is made when new, with the role asked for.
func (l Local) token(w http.ResponseWriter, r *http.Request) {
	var ask struct{ Organization, User, Role string }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&ask); err != nil {
		message(w, http.StatusBadRequest,
			`send {"organization":"<slug>","user":"<email>","role":"member|staff|admin"}`)
		return
	}
	organization, user, err := l.Members.Join(r.Context(), ask.Organization, ask.User, ask.Role)
	var refused *RefusedError
	if errors.As(err, &refused) {
		message(w, http.StatusBadRequest, refused.Error())
		return
	}
	if err != nil {
		l.Log.Error("no member made", "error", err)
		message(w, http.StatusInternalServerError, "the member could not be made: see the log")
		return
	}
	token, err := l.Issuer.Token(issuer.Claims{Subject: ask.User, Email: ask.User,
		Organization: organization.String()})
	if err != nil {
		l.Log.Error("no token signed", "error", err)
		message(w, http.StatusInternalServerError, "the token could not be signed: see the log")
		return
	}
	reply(w, http.StatusOK, struct {
		Token        string    `json:"token"`
		Organization uuid.UUID `json:"organization_id"`
		User         uuid.UUID `json:"user_id"`
	}{token, organization, user})
}

// invoke runs a function with the event that is sent.
func (l Local) invoke(w http.ResponseWriter, r *http.Request) {
	event, err := io.ReadAll(http.MaxBytesReader(w, r.Body, runtime.MaxPayload))
	if err != nil {
		message(w, http.StatusRequestEntityTooLarge, "the event is larger than Lambda takes")
		return
	}
	answer, err := l.Invoke(r.Context(), r.PathValue("name"), event)
	var failed *runtime.FunctionError
	switch {
	case errors.Is(err, runtime.ErrUnknownFunction):
		message(w, http.StatusNotFound, "no function is named "+r.PathValue("name"))
	case errors.As(err, &failed):
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
		reply(w, http.StatusOK, failed)
	case err != nil:
		message(w, http.StatusServiceUnavailable, err.Error())
	default:
		reply(w, http.StatusOK, json.RawMessage(answer))
	}
}

// schedule fires a schedule and answers when its function has.
func (l Local) schedule(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	result, err := l.Fire(r.Context(), name)
	var failed *runtime.FunctionError
	switch {
	case errors.Is(err, schedule.ErrUnknown):
		message(w, http.StatusNotFound, "no schedule is named "+name)
	case errors.As(err, &failed):
		reply(w, http.StatusBadGateway, map[string]any{"schedule": name, "error": failed})
	case err != nil:
		message(w, http.StatusServiceUnavailable, err.Error())
	default:
		reply(w, http.StatusOK, map[string]any{"schedule": name, "result": result})
	}
}
