// Package contract holds what a server answers to the OpenAPI document that it publishes: a test
// asks it about every answer that it gets.
package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
)

// Contract is a document to hold answers to. It may be used by several goroutines.
type Contract struct {
	answers validator.Validator
	paths   map[string]map[string]operation
}

type operation struct {
	Responses map[string]struct {
		Headers map[string]any
		Content map[string]any
	}
}

// New reads an OpenAPI document.
func New(document []byte) (*Contract, error) {
	parsed, err := libopenapi.NewDocument(document)
	if err != nil {
		return nil, fmt.Errorf("read OpenAPI document: %w", err)
	}
	answers, errs := validator.NewValidator(parsed, config.WithFormatAssertions())
	if len(errs) > 0 {
		return nil, fmt.Errorf("read OpenAPI document: %w", errors.Join(errs...))
	}
	var shape struct {
		Paths map[string]map[string]operation
	}
	if err := json.Unmarshal(document, &shape); err != nil {
		return nil, fmt.Errorf("read OpenAPI document: %w", err)
	}
	return &Contract{answers: answers, paths: shape.Paths}, nil
}

// everywhere lists headers that any answer may have: HTTP's own, the gateway's, and those of the
// Fetch standard.
var everywhere = []string{
	"Apigw-Requestid", "Cache-Control", "Content-Length", "Content-Type", "Date", "Vary",
	"X-Content-Type-Options", "Access-Control-Allow-Origin", "Access-Control-Expose-Headers",
}

// Check says what the document lacks or has otherwise: the status, the type and form of the body, a
// header. A path that the document does not have may be answered by nothing but 404 and 405, and a
// HEAD is GET without a body.
func (c *Contract) Check(method, path string, status int, header http.Header, body []byte) error {
	path, _, _ = strings.Cut(path, "?")
	found := c.find(path)
	if method == http.MethodOptions {
		return nil
	}
	declared, known := found[strings.ToLower(strings.Replace(method, "HEAD", "GET", 1))]
	if !known {
		if status == http.StatusNotFound || status == http.StatusMethodNotAllowed {
			return nil
		}
		return fmt.Errorf("%s %s answered %d, and the document has no such operation", method, path, status)
	}
	response, known := declared.Responses[strconv.Itoa(status)]
	if !known {
		return fmt.Errorf("%s %s: the document has no answer %d: %.300s", method, path, status, body)
	}
	for name := range header {
		if _, known := response.Headers[name]; !known && !slices.Contains(everywhere, name) {
			return fmt.Errorf("%s %s: answer %d has the header %s, which the document lacks", method, path, status, name)
		}
	}
	if method == http.MethodHead || len(response.Content) == 0 {
		if len(body) > 0 {
			return fmt.Errorf("%s %s: answer %d has a body, which the document lacks: %.300s", method, path, status, body)
		}
		return nil
	}
	if len(body) == 0 {
		return fmt.Errorf("%s %s: answer %d has no body, which is not as the document has it", method, path, status)
	}
	request, err := http.NewRequest(method, "http://localhost"+path, nil)
	if err != nil {
		return err
	}
	answer := &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(bytes.NewReader(body))}
	if ok, wrong := c.answers.ValidateHttpResponse(request, answer); !ok {
		var all []error
		for _, w := range wrong {
			all = append(all, errors.New(w.Message+": "+w.Reason))
			for _, s := range w.SchemaValidationErrors {
				all = append(all, fmt.Errorf("%s: %s", s.FieldPath, s.Reason))
			}
		}
		return fmt.Errorf("%s %s: answer %d is not as the document has it: %w\n%.2000s", method, path, status, errors.Join(all...), body)
	}
	return nil
}

// find returns the operations of the document's path that path is one of; a part without braces
// comes before one with them.
func (c *Contract) find(path string) map[string]operation {
	parts := strings.Split(path, "/")
	var best map[string]operation
	fewest := len(parts) + 1
	for template, operations := range c.paths {
		pattern := strings.Split(template, "/")
		if len(pattern) != len(parts) {
			continue
		}
		open := 0
		for i, p := range pattern {
			if strings.HasPrefix(p, "{") && parts[i] != "" {
				open++
			} else if p != parts[i] {
				open = len(parts) + 1
			}
		}
		if open < fewest {
			best, fewest = operations, open
		}
	}
	return best
}
