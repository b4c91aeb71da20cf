package httpapi

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
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
	described.Servers = []*huma.Server{{URL: "/", Description: "Where this document is served."}}
	described.Info.Description =
		"Answers that are no success are problems (RFC 9457). Times are RFC 3339 in UTC, sizes " +
			"are bytes."
	described.Info.Contact = &huma.Contact{Name: "Satchel",
		URL: "https://github.com/toolboxai-solutions/satchel"}
	described.Info.License = &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"}
	described.Tags = tagsOf(described)
	document, err := json.Marshal(described)
	var parsed any
	if err == nil {
		err = DecodeJSON(document, &parsed)
	}
	if err == nil {
		dropKey(parsed, "patternDescription") // huma's own, which OpenAPI does not have
		document, err = json.MarshalIndent(parsed, "", "  ")
	}
	if err != nil {
		return nil, fmt.Errorf("write OpenAPI document: %w", err)
	}
	return document, nil
}

// tagsOf declares each tag that an operation has.
func tagsOf(described *huma.OpenAPI) (tags []*huma.Tag) {
	var names []string
	for _, item := range described.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch,
			item.Delete} {
			if op != nil {
				names = append(names, op.Tags...)
			}
		}
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		tags = append(tags, &huma.Tag{Name: name, Description: "All about " + name + "."})
	}
	return tags
}

func dropKey(in any, key string) {
	switch in := in.(type) {
	case map[string]any:
		delete(in, key)
		for _, v := range in {
			dropKey(v, key)
		}
	case []any:
		for _, v := range in {
			dropKey(v, key)
		}
	}
}

// NullableObjects lets members of an object be null: in OpenAPI 3.1 that is a choice, because a
// reference has no type of its own. Call it from a type's TransformSchema.
func NullableObjects(s *huma.Schema, names ...string) *huma.Schema {
	for _, name := range names {
		property := s.Properties[name]
		s.Properties[name] = &huma.Schema{
			Description: property.Description,
			AnyOf:       []*huma.Schema{{Ref: property.Ref}, {Type: "null"}},
		}
	}
	return s
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
