package runtime

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// api is the Runtime API of one sandbox, version 2018-06-01.
func (s *sandbox) api() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", s.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", s.response)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", s.failure)
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", s.failedInit)
	return mux
}

func (s *sandbox) next(w http.ResponseWriter, r *http.Request) {
	select {
	case s.polls <- struct{}{}:
	case <-r.Context().Done():
		return
	}
	select {
	case inv := <-s.work:
		s.current.Store(inv)
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(inv.deadline.UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", ARN(s.fn.Name))
		h.Set("Lambda-Runtime-Trace-Id", traceID(inv.id, inv.deadline.Add(-s.fn.Timeout).Unix()))
		_, _ = w.Write(inv.payload)
	case <-r.Context().Done():
	}
}

func (s *sandbox) response(w http.ResponseWriter, r *http.Request) {
	if !s.takes(w, r) {
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxPayload))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		s.finish(result{err: s.fn.fail(TypeTooLarge,
			fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).",
				MaxPayload))})
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge",
			"the response is too large")
		return
	}
	if err != nil {
		return // the process died while it wrote; its end is the invocation's result
	}
	s.finish(result{body: body})
	accept(w)
}

func (s *sandbox) failure(w http.ResponseWriter, r *http.Request) {
	if !s.takes(w, r) {
		return
	}
	failed, err := s.readError(w, r)
	if err != nil {
		return
	}
	s.finish(result{err: failed})
	accept(w)
}

func (s *sandbox) failedInit(w http.ResponseWriter, r *http.Request) {
	failed, err := s.readError(w, r)
	if err != nil {
		return
	}
	select {
	case s.initFailure <- failed:
	default:
	}
	accept(w)
}

// takes tells whether the request is about the invocation that is running; anything else is refused
// as Lambda refuses it.
func (s *sandbox) takes(w http.ResponseWriter, r *http.Request) bool {
	if inv := s.current.Load(); inv != nil && inv.id == r.PathValue("id") {
		return true
	}
	refuse(w, http.StatusBadRequest, "InvalidRequestID", "not the running invocation")
	return false
}

func (s *sandbox) finish(r result) {
	if s.current.Swap(nil) != nil {
		s.results <- r
	}
}

// readError reads the error object of a runtime; its type may come in a header only.
func (s *sandbox) readError(w http.ResponseWriter, r *http.Request) (*FunctionError, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxPayload))
	if err != nil {
		return nil, err
	}
	failed := s.fn.fail(r.Header.Get("Lambda-Runtime-Function-Error-Type"), "")
	if json.Unmarshal(body, failed) != nil || failed.Message == "" && failed.Type == "" {
		failed.Message = string(body)
	}
	return failed, nil
}

func accept(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"OK"}`)
}

func refuse(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"errorType": kind, "errorMessage": message})
}

// ARN is the name under which a function of this host knows itself.
func ARN(function string) string {
	return "arn:aws:lambda:" + region + ":" + account + ":function:" + function
}

// traceID is an X-Ray header with the invocation's id as the trace's 96 bits.
func traceID(id string, started int64) string {
	digits := ""
	for _, c := range id {
		if c != '-' {
			digits += string(c)
		}
	}
	return fmt.Sprintf("Root=1-%08x-%s;Parent=%s;Sampled=0", started, digits[:24], digits[16:])
}
