package httpapi

import (
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/toolboxai-solutions/satchel/shared/fault"
)

// exampleOf makes a value that fits schema: the field's own example, its first allowed value, or
// one of its format. Written by hand for each operation, examples would not follow the types.
func (a *API) exampleOf(schema *huma.Schema, depth int) any {
	s := resolve(a.schemas(), schema)
	switch {
	case s == nil || depth > maxDepth:
		return nil
	case len(s.Examples) > 0:
		return s.Examples[0]
	case len(s.Enum) > 0:
		return s.Enum[0]
	case len(s.AnyOf) > 0:
		return a.exampleOf(s.AnyOf[0], depth+1)
	}
	switch s.Type {
	case huma.TypeObject:
		object := map[string]any{}
		for name, property := range s.Properties {
			if value := a.exampleOf(property, depth+1); value != nil {
				object[name] = value
			}
		}
		return object
	case huma.TypeArray:
		if item := a.exampleOf(s.Items, depth+1); item != nil {
			return []any{item}
		}
		return []any{}
	case huma.TypeBoolean:
		return false
	case huma.TypeInteger, huma.TypeNumber:
		if s.Minimum != nil {
			return *s.Minimum
		}
		return 1
	case huma.TypeString:
		return exampleText(s)
	}
	return nil
}

func exampleText(s *huma.Schema) any {
	switch {
	case s.Format == "uuid":
		return "3f0c9a52-7c0e-4f6b-9d35-0f2f8a1f6e11"
	case s.Format == "date-time":
		return "2026-09-01T08:30:00Z"
	case s.Format == "uri":
		return "https://example.com/a"
	case s.Format == "ip", s.Format == "ipv4":
		return "192.0.2.1"
	case s.Pattern != "":
		return nil // left out: no text is known to fit
	}
	return "text"
}

func exampleProblem(status string) any {
	code, _ := strconv.Atoi(status)
	kinds := map[int]string{
		http.StatusBadRequest: "malformed-request", http.StatusUnauthorized: codeInvalidToken,
		http.StatusForbidden: "not-a-member", http.StatusNotFound: "no-such-route",
		http.StatusRequestTimeout: "request-timeout", http.StatusConflict: "request-in-progress",
		http.StatusRequestEntityTooLarge: "body-too-large",
		http.StatusUnsupportedMediaType:  "unsupported-media-type",
		http.StatusUnprocessableEntity:   "invalid-request",
		http.StatusTooManyRequests:       "rate-limited",
		http.StatusServiceUnavailable:    "database-unavailable",
	}
	kind, known := kinds[code]
	if !known {
		kind = codeInternal
	}
	return map[string]any{
		"type": fault.TypeURI(kind), "title": http.StatusText(code), "status": code, "code": kind,
		"detail":   "What is wrong and what to do, as a sentence.",
		"instance": "3f0c9a52-7c0e-4f6b-9d35-0f2f8a1f6e11",
	}
}
