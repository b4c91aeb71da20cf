package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// maxAnswer is what an answer's body may have in bytes, as the JSON string in which Lambda carries
// it: 6 MB with room for headers
// (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
const maxAnswer = 6_000_000

// encode writes the answer before its transaction commits: what cannot be sent must not have
// happened. translate then hands these bytes to huma.
func encode(ctx context.Context, out any) error {
	v := reflect.Indirect(reflect.ValueOf(out))
	if !v.IsValid() || v.Kind() != reflect.Struct {
		return nil
	}
	body := v.FieldByName("Body")
	if !body.IsValid() || body.Kind() == reflect.Pointer && body.IsNil() {
		return nil
	}
	encoded, err := encodeBody(v, body.Interface())
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	if size := carried(encoded); size > maxAnswer {
		return fmt.Errorf("the answer has %d bytes, more than the %d that can be sent", size,
			maxAnswer)
	}
	accessRecordOf(ctx).answer = encoded
	return nil
}

func encodeBody(out reflect.Value, body any) ([]byte, error) {
	kind := out.FieldByName("ContentType")
	if table, ok := body.(Table); ok && kind.IsValid() && kind.String() == CSV {
		return encodeCSV(table)
	}
	var encoded bytes.Buffer
	encoder := json.NewEncoder(&encoded)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(body)
	return encoded.Bytes(), err
}

// carried is the most that text takes as the content of a JSON string, whose escapes have two bytes
// or six. HTML is not escaped on the way.
func carried(text []byte) int {
	length := len(text)
	for _, b := range text {
		switch {
		case b == '"', b == '\\', b == '\t', b == '\r', b == '\n':
			length++
		case b < ' ': // CSV has it as it came
			length += 5
		}
	}
	// the line separators U+2028 and U+2029, of three bytes each
	return length + 3*(bytes.Count(text, []byte("\u2028"))+bytes.Count(text, []byte("\u2029")))
}

// translate gives huma what encode wrote, and its own errors, which it makes while it reads a
// request, the shape of ours. A transformer does it for this API alone, where replacing
// huma.NewError would do it for the process.
func translate(ctx huma.Context, _ string, v any) (any, error) {
	record := accessRecordOf(ctx.Context())
	if theirs, ok := v.(*huma.ErrorModel); ok {
		problem := problemOfStatus(ctx.Context(), theirs.Status)
		record.code = problem.Code
		for _, e := range theirs.Errors {
			if e != nil && problem.Code != codeInternal && len(problem.Errors) < maxFieldProblems {
				problem.Errors = append(problem.Errors, FieldProblem{e.Location, e.Message})
			}
		}
		problem.Errors = bounded(problem.Errors)
		return problem, nil
	}
	if _, ok := v.(*Problem); !ok && record.answer != nil {
		return json.RawMessage(record.answer), nil
	}
	return v, nil
}
