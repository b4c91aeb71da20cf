package httpapi

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// DescribeFlag makes a binary print its OpenAPI document instead of running.
const DescribeFlag = "-describe-api"

// Describe prints, when args (os.Args) asks for it, the OpenAPI 3.1 document of an API that has the
// routes which routes adds, and reports whether it did. It needs no settings and opens nothing.
func Describe(args []string, out io.Writer, title, version string,
	routes func(*API)) (bool, error) {
	if len(args) < 2 || args[1] != DescribeFlag {
		return false, nil
	}
	api := New(Config{Title: title, Version: version})
	routes(api)
	document, err := api.document()
	if err != nil {
		return true, err
	}
	_, err = fmt.Fprintf(out, "%s\n", document)
	return true, err
}

func (a *API) document() ([]byte, error) {
	described := a.huma.OpenAPI()
	// huma registers its own error for every route; no answer has that shape.
	delete(described.Components.Schemas.Map(), "ErrorModel")
	delete(described.Components.Schemas.Map(), "ErrorDetail")
	document, err := json.MarshalIndent(described, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write OpenAPI document: %w", err)
	}
	return document, nil
}

// serveDocument answers GET /v1/openapi.json with the merged document that a build committed.
func (a *API) serveDocument(document []byte) {
	a.mux.HandleFunc("GET /v1/openapi.json", func(w http.ResponseWriter, r *http.Request) {
		accessRecordOf(r.Context()).route = r.Pattern
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "public, max-age=300")
		_, _ = w.Write(document) // the client has gone; there is nobody to tell
	})
}
