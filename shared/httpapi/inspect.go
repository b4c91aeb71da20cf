package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

// What a body may hold, whoever reads it later: a browser, a double, Postgres.
const (
	maxDepth  = 32  // of objects and arrays within each other
	maxDigits = 350 // of a number as it is written; the longest double in full has 17 and 308 zeros
)

const (
	msgText   = "it has a character that cannot be stored: U+0000, or what is not UTF-8"
	msgDepth  = "it is nested deeper than 32 levels"
	msgNumber = "expected a number that a double can hold: between 5e-324 and 1.8e308, or 0"
	msgInt    = "expected an integer of 64 bits"
)

var (
	errRepeatedName = errors.New("an object names the same member twice")
	errEncoding     = errors.New("the body is not UTF-8")
	errSyntax       = errors.New("the body is no JSON")
	errStop         = errors.New("enough is wrong")
)

// checkBody returns a status other than 0 for a body that is refused, and what is wrong with it. Of
// one that is not, it names the fields with text that Postgres would refuse: a rule of the field's
// own may say it better.
func (a *API) checkBody(body []byte, schema *huma.Schema) (status int, wrong, text []FieldProblem) {
	if !utf8.Valid(body) {
		return http.StatusBadRequest, []FieldProblem{{"body", errEncoding.Error()}}, nil
	}
	var parsed any
	if err := json.Unmarshal(body, &parsed); err != nil {
		// inspect says which
		if _, number := errors.AsType[*json.UnmarshalTypeError](err); !number {
			return http.StatusBadRequest, []FieldProblem{{"body", err.Error()}}, nil
		}
	}
	if loneSurrogate(body) {
		return http.StatusUnprocessableEntity, []FieldProblem{{"body", msgText}}, nil
	}
	i := inspector{schemas: a.schemas(), tokens: json.NewDecoder(bytes.NewReader(body))}
	i.tokens.UseNumber()
	switch err := i.value("body", schema, 1); {
	case errors.Is(err, errRepeatedName):
		return http.StatusBadRequest, []FieldProblem{{i.at, err.Error()}}, nil
	case len(i.wrong) > 0:
		return http.StatusUnprocessableEntity, i.wrong, nil
	case err != nil:
		return http.StatusBadRequest, []FieldProblem{{"body", errSyntax.Error()}}, nil
	}
	if wrong = a.validate(parsed, schema); len(wrong) > 0 {
		return http.StatusUnprocessableEntity, wrong, nil
	}
	return 0, nil, i.text
}

// inspector walks a body beside its schema and finds what decoding would hide: members that are
// named twice, numbers that become 0 or grow when they are stored, characters that get lost.
type inspector struct {
	schemas huma.Registry
	tokens  *json.Decoder
	wrong   []FieldProblem
	text    []FieldProblem // in fields of ours, see checkBody
	at      string         // of a name that is repeated
}

// blame notes what is wrong somewhere and ends the walk once that fills an answer.
func (i *inspector) blame(location, message string) error {
	i.wrong = append(i.wrong, FieldProblem{location, message})
	if len(i.wrong) >= maxFieldProblems {
		return errStop
	}
	return nil
}

func (i *inspector) value(location string, s *huma.Schema, depth int) error {
	token, err := i.tokens.Token()
	if err != nil {
		return err
	}
	switch token := token.(type) {
	case string:
		switch {
		case !strings.ContainsRune(token, 0):
		case s == nil:
			return i.blame(location, msgText)
		case len(i.text) < maxFieldProblems:
			i.text = append(i.text, FieldProblem{location, msgText})
		}
	case json.Number:
		if message := wrongNumber(token.String(), resolve(i.schemas, s)); message != "" {
			return i.blame(location, message)
		}
	case json.Delim:
		if depth > maxDepth {
			_ = i.blame(location, msgDepth)
			return errStop
		}
		if token == '{' {
			return i.object(location, resolve(i.schemas, s), depth)
		}
		return i.array(location, resolve(i.schemas, s), depth)
	}
	return nil
}

func (i *inspector) array(location string, s *huma.Schema, depth int) error {
	var items *huma.Schema
	if s != nil {
		items = s.Items
	}
	for n := 0; i.tokens.More(); n++ {
		if err := i.value(location+"["+strconv.Itoa(n)+"]", items, depth+1); err != nil {
			return err
		}
	}
	_, err := i.tokens.Token()
	return err
}

// object refuses a name that stands twice: encoding/json takes the last of {"name": …, "Name": …}
// for our own fields and merges {"a": {…}, "a": {…}}, and RFC 8259, section 4, leaves the meaning
// open. In an object that is free, names are what they are: "id" and "ID" are two.
func (i *inspector) object(location string, s *huma.Schema, depth int) error {
	names := map[string]bool{}
	for i.tokens.More() {
		token, err := i.tokens.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string)
		key := name
		if s != nil && len(s.Properties) > 0 {
			key = fold(name)
		}
		if names[key] {
			i.at = location
			return errRepeatedName
		}
		names[key] = true
		if strings.ContainsRune(name, 0) {
			if err := i.blame(location, msgText); err != nil {
				return err
			}
		}
		if err := i.value(location+"."+cutText(name, maxLocation), member(s, name),
			depth+1); err != nil {
			return err
		}
	}
	_, err := i.tokens.Token()
	return err
}

// member is the schema of an object's member; nil for what is free.
func member(s *huma.Schema, name string) *huma.Schema {
	if s == nil {
		return nil
	}
	if property, ok := s.Properties[name]; ok {
		return property
	}
	for known, property := range s.Properties {
		if strings.EqualFold(known, name) {
			return property
		}
	}
	additional, _ := s.AdditionalProperties.(*huma.Schema)
	return additional
}

func resolve(schemas huma.Registry, s *huma.Schema) *huma.Schema {
	for s != nil && s.Ref != "" {
		s = schemas.SchemaFromRef(s.Ref)
	}
	return s
}

// wrongNumber says what is wrong with a number. Postgres keeps 1e-16000 as what it is, in 16,000
// digits, and a double reads it as 0.
func wrongNumber(number string, s *huma.Schema) string {
	f, err := strconv.ParseFloat(number, 64)
	mantissa, _, _ := strings.Cut(strings.ToLower(number), "e")
	zero := !strings.ContainsAny(mantissa, "123456789")
	if err != nil || math.IsInf(f, 0) || f == 0 && !zero || len(number) > maxDigits {
		return msgNumber
	}
	if s != nil && s.Type == huma.TypeInteger && f == math.Trunc(f) {
		if _, err := strconv.ParseInt(number, 10, 64); err != nil {
			return msgInt
		}
	}
	return ""
}

// loneSurrogate finds half a character in \u escapes, which encoding/json reads as U+FFFD. In valid
// JSON a backslash stands in strings alone.
func loneSurrogate(body []byte) bool {
	for n := bytes.IndexByte(body, '\\'); n >= 0 && n+1 < len(body); {
		width := 2
		if body[n+1] == 'u' {
			width = 6
			switch unit := escaped(body[n:]); {
			case unit >= 0xDC00 && unit < 0xE000:
				return true
			case unit >= 0xD800 && unit < 0xDC00:
				if low := escaped(body[n+6:]); low < 0xDC00 || low >= 0xE000 {
					return true
				}
				width = 12
			}
		}
		next := bytes.IndexByte(body[n+width:], '\\')
		if next < 0 {
			return false
		}
		n += width + next
	}
	return false
}

// escaped reads \uXXXX at the start of text; 0 for anything else.
func escaped(text []byte) uint64 {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0
	}
	unit, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	if err != nil {
		return 0
	}
	return unit
}
