package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode"

	"github.com/danielgtaylor/huma/v2"
)

// strictJSON is huma's format, less what would get past its validation: huma validates one reading
// of the body and decodes another, and encoding/json takes the last of {"name": …, "Name": …} and
// merges the objects of {"a": {…}, "a": {…}}. RFC 8259, section 4, leaves the meaning of such a
// body open, so it is refused.
func strictJSON() huma.Format {
	return huma.Format{
		Marshal: huma.DefaultJSONFormat.Marshal,
		Unmarshal: func(data []byte, v any) error {
			if _, validating := v.(*any); validating {
				if err := refuseRepeatedNames(data); err != nil {
					return err
				}
			}
			return DecodeJSON(data, v)
		},
	}
}

// DecodeJSON is json.Unmarshal that keeps every digit of a number which goes into an any: as a
// float64 an id above 2^53 would come back changed.
func DecodeJSON(data []byte, v any) error {
	if _, plain := v.(*any); plain || !json.Valid(data) {
		return json.Unmarshal(data, v) // huma validates float64s, and this says best what is wrong
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	return decoder.Decode(v)
}

var errRepeatedName = errors.New("an object names the same member twice")

// refuseRepeatedNames leaves syntax errors to the decoder that runs next.
func refuseRepeatedNames(data []byte) error {
	type level struct {
		names map[string]bool // nil in an array
		value bool            // whether the next token is a member's value
	}
	var open []level
	tokens := json.NewDecoder(bytes.NewReader(data))
	for {
		token, err := tokens.Token()
		if err != nil {
			return nil
		}
		inside := len(open) - 1
		if name, ok := token.(string); ok && inside >= 0 && open[inside].names != nil &&
			!open[inside].value {
			folded := fold(name)
			if open[inside].names[folded] {
				return errRepeatedName
			}
			open[inside].names[folded], open[inside].value = true, true
			continue
		}
		if inside >= 0 && token != json.Delim('}') && token != json.Delim(']') {
			open[inside].value = false
		}
		switch token {
		case json.Delim('{'):
			open = append(open, level{names: map[string]bool{}})
		case json.Delim('['):
			open = append(open, level{})
		case json.Delim('}'), json.Delim(']'):
			open = open[:inside]
		}
	}
}

// fold gives all names that strings.EqualFold holds equal, as encoding/json does for the fields of
// a struct, one form.
func fold(name string) string {
	folded := []rune(name)
	for i, r := range folded {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		folded[i] = least
	}
	return string(folded)
}
