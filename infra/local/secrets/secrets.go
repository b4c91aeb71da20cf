// Package secrets is the local stack's Secrets Manager: it hands out the values that it was started
// with, to the SDK's own client.
package secrets

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// Options of a server.
type Options struct {
	// Allows says whether who signs with an access key may read a secret.
	Allows func(accessKey, arn string) bool
	// Values are the secrets, by ARN or name.
	Values map[string]string
}

// Server is a running server.
type Server struct {
	Endpoint string

	options Options
	http    *http.Server
	served  chan error
}

// Start serves on a free port of this machine.
func Start(o Options) (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for readers of secrets: %w", err)
	}
	s := &Server{
		Endpoint: "http://" + listener.Addr().String(),
		options:  o,
		served:   make(chan error, 1),
	}
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func() { s.served <- s.http.Serve(listener) }()
	return s, nil
}

// Stop ends it.
func (s *Server) Stop() error {
	err := s.http.Close()
	if served := <-s.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// ServeHTTP answers GetSecretValue in Secrets Manager's JSON protocol, and nothing else.
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Amz-Target") != "secretsmanager.GetSecretValue" {
		refuse(w, "UnknownOperationException", "Only GetSecretValue is here.")
		return
	}
	var in struct{ SecretId string }
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&in)
	if !s.options.Allows(accessKey(r), in.SecretId) {
		refuse(w, "AccessDeniedException", "This access key may not read this secret.")
		return
	}
	value, ok := s.options.Values[in.SecretId]
	if err != nil || !ok {
		refuse(w, "ResourceNotFoundException", "There is no such secret.")
		return
	}
	respond(
		w,
		http.StatusOK,
		map[string]string{"ARN": in.SecretId, "Name": in.SecretId, "SecretString": value},
	)
}

// accessKey is who signed. What is signed is not checked: nobody but this machine can ask.
func accessKey(r *http.Request) string {
	_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	key, _, _ := strings.Cut(credential, "/")
	return key
}

func refuse(w http.ResponseWriter, kind, message string) {
	w.Header().Set("X-Amzn-Errortype", kind)
	respond(w, http.StatusBadRequest, map[string]string{"__type": kind, "message": message})
}

func respond(w http.ResponseWriter, status int, body map[string]string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that has gone
}
