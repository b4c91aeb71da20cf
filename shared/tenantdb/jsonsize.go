package tenantdb

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// JSONSize is how many bytes an object takes once Postgres has kept it as jsonb and hands it out:
// 1e300 is written in its 301 digits then, fifty times what was sent. Numbers are json.Numbers.
func JSONSize(object map[string]any) (int, error) {
	encoded, err := json.Marshal(object)
	return len(encoded) + grown(object), err
}

// grown is by how many bytes the numbers in v grow when they are written without an exponent.
func grown(v any) (bytes int) {
	switch v := v.(type) {
	case map[string]any:
		for _, member := range v {
			bytes += grown(member)
		}
	case []any:
		for _, item := range v {
			bytes += grown(item)
		}
	case json.Number:
		bytes = max(0, written(v.String())-len(v))
	}
	return bytes
}

// written is the length of a JSON number without its exponent, or a little more.
func written(number string) int {
	mantissa, power, found := strings.Cut(strings.ToLower(number), "e")
	if !found {
		return len(number)
	}
	exponent, err := strconv.Atoi(power)
	if err != nil {
		return math.MaxInt32 // of more digits than an int; httpapi lets only zero through
	}
	return len(mantissa) + max(exponent, -exponent) + len("0.")
}
