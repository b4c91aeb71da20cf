package httpapi

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

// checkRequest reads the body and refuses what no handler may see, before huma decodes it. It does
// itself what huma would do in one go: huma validates all of a body, and 130,000 wrong elements
// are 130,000 errors, more than an answer can carry.
func (a *API) checkRequest(ctx huma.Context, next func(huma.Context)) {
	request, response := humago.Unwrap(ctx)
	query, err := url.ParseQuery(request.URL.RawQuery)
	if err != nil {
		a.refused(ctx, response, http.StatusUnprocessableEntity,
			[]FieldProblem{{"query", "it is not encoded as a query string is"}})
		return
	}
	record := accessRecordOf(ctx.Context())
	record.unstorable = badText(query)
	expects := ctx.Operation().RequestBody
	if expects == nil {
		next(ctx)
		return
	}
	body, status := readBody(request.Body, ctx.Operation().MaxBodyBytes)
	form := expects.Content[formType] != nil // which its handler reads
	if kind := request.Header.Get("Content-Type"); status == 0 && len(body) > 0 &&
		!(form && isForm(kind) || !form && isJSON(kind)) {
		status = http.StatusUnsupportedMediaType
	}
	if status == 0 && len(body) == 0 && expects.Required {
		status = http.StatusBadRequest
	}
	if status != 0 {
		a.refused(ctx, response, status, nil)
		return
	}
	if len(body) > 0 && !form {
		status, wrong, text := a.checkBody(body, expects.Content["application/json"].Schema)
		if status != 0 {
			a.refused(ctx, response, status, wrong)
			return
		}
		record.unstorable = append(record.unstorable, text...)
	}
	next(bodyContext{ctx, body})
}

const formType = "application/x-www-form-urlencoded"

func isForm(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && kind == formType
}

func (a *API) refused(ctx huma.Context, w http.ResponseWriter, status int, wrong []FieldProblem) {
	problem := problemOfStatus(ctx.Context(), status)
	if len(wrong) > 0 && !slices.ContainsFunc(wrong,
		func(p FieldProblem) bool { return p.Message != msgText }) {
		problem = a.problemOf(ctx.Context(), tenantdb.InvalidText(nil))
	}
	problem.Errors = bounded(wrong)
	problem.write(w)
}

// bodyContext hands the body that was read to huma.
type bodyContext struct {
	humaContext
	body []byte
}

type humaContext huma.Context // whose name is not that of one of its methods

func (c bodyContext) BodyReader() io.Reader { return bytes.NewReader(c.body) }

// Unwrap is what humago.Unwrap looks for.
func (c bodyContext) Unwrap() huma.Context { return c.humaContext }

// readBody returns a status other than 0 for a body that cannot be had.
func readBody(from io.Reader, most int64) (body []byte, status int) {
	if from == nil {
		return nil, 0
	}
	body, err := io.ReadAll(io.LimitReader(from, most))
	timeout, ok := errors.AsType[net.Error](err)
	switch {
	case int64(len(body)) >= most:
		return nil, http.StatusRequestEntityTooLarge
	case ok && timeout.Timeout():
		return nil, http.StatusRequestTimeout
	case err != nil:
		return nil, http.StatusBadRequest
	}
	return body, 0
}

// isJSON takes no Content-Type for JSON, as huma does.
func isJSON(contentType string) bool {
	if contentType == "" {
		return true
	}
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json"))
}

// badText finds what in the query Postgres could not hold: U+0000, and what is not UTF-8.
func badText(query url.Values) (wrong []FieldProblem) {
	for name, values := range query {
		if !storable(name) || slices.ContainsFunc(values, unstorable) {
			wrong = append(wrong, FieldProblem{"query." + name, msgText})
		}
	}
	slices.SortFunc(wrong, func(a, b FieldProblem) int {
		return strings.Compare(a.Location,
			b.Location)
	})
	return wrong
}

func storable(s string) bool   { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }
func unstorable(s string) bool { return !storable(s) }

// A problem names at most so many places, each cut to so many bytes: names in it are the client's.
const (
	maxFieldProblems = 32
	maxLocation      = 200
)

// bounded keeps a problem small whatever the request was.
func bounded(wrong []FieldProblem) []FieldProblem {
	wrong = wrong[:min(len(wrong), maxFieldProblems)]
	for i, w := range wrong {
		wrong[i] = FieldProblem{cutText(w.Location, maxLocation), cutText(w.Message, maxLocation)}
	}
	return wrong
}

func cutText(s string, most int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "…"
}
