package queue

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
)

// maxRequest leaves room for a batch of the size that SQS allows, in JSON.
const maxRequest = 8 << 20

// apiError is an error of SQS that a client can tell by its code.
type apiError struct {
	code string // the name of the shape in SQS's model
	// query is the code in SQS's older query protocol, where it differs. The
	// SDK reports that one when the queue server sends it, as SQS does.
	query   string
	message string
}

func (e apiError) Error() string { return e.code + ": " + e.message }

func invalid(message string) apiError {
	return apiError{code: "InvalidParameterValue", message: message}
}

// serveHTTP speaks AWS JSON 1.0: always POST, the action in X-Amz-Target.
func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		refuse(w, apiError{code: "SerializationException", message: "The request cannot be read."})
		return
	}
	access, err := s.signedBy(r, body)
	if err != nil {
		refuse(w, err)
		return
	}
	operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS.")
	action, ok := actions()[operation]
	if !ok {
		refuse(w, apiError{code: "UnsupportedOperation",
			message: "The local queue server does not have this operation."})
		return
	}
	var in request
	if err := json.Unmarshal(body, &in); err != nil {
		refuse(w, apiError{code: "SerializationException",
			message: "The request is no JSON of the expected shape."})
		return
	}
	if err := s.authorize(access, operation, in.queue()); err != nil {
		refuse(w, err)
		return
	}
	out, err := action(s, r.Context(), in)
	if err != nil {
		refuse(w, err)
		return
	}
	if err := json.NewEncoder(w).Encode(out); err != nil {
		slog.Warn("answer a queue client", "error", err)
	}
}

func refuse(w http.ResponseWriter, err error) {
	status := http.StatusBadRequest
	var e apiError
	if !errors.As(err, &e) {
		slog.Error("queue server", "error", err)
		e, status = apiError{code: "InternalFailure", message: "The queue server failed."},
			http.StatusInternalServerError
	}
	if e.code == "AccessDeniedException" {
		status = http.StatusForbidden
	}
	w.Header().Set("X-Amzn-Query-Error", cmp.Or(e.query, e.code)+";Sender")
	w.WriteHeader(status)
	body := map[string]string{"__type": "com.amazonaws.sqs#" + e.code, "message": e.message}
	if err := json.NewEncoder(w).Encode(body); err != nil {
		slog.Warn("answer a queue client", "error", err)
	}
}
