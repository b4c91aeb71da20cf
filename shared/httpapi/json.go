package httpapi

import (
	"bytes"
	"encoding/json"
	"unicode"

	"github.com/danielgtaylor/huma/v2"
)

// jsonFormat is huma's, with DecodeJSON. What a body may be was checked before (checkRequest).
func jsonFormat() huma.Format {
	return huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: DecodeJSON}
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
