package library

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/toolboxai-solutions/satchel/shared/fault"
)

// maxMetadataBytes keeps a row small enough for dozens of them in one answer of a Lambda.
const maxMetadataBytes = 16 << 10

// checkMetadata measures what will be stored and answered, not what was sent: Postgres writes 1e300
// in its 301 digits.
func checkMetadata(metadata map[string]any) error {
	encoded, err := json.Marshal(metadata)
	if err != nil || len(encoded)+grown(metadata) > maxMetadataBytes {
		return fault.Wrap(err, fault.Invalid, "metadata-too-large",
			"metadata is larger than 16 KiB as JSON with its numbers written out. Keep less in "+
				"it.").At("body.metadata")
	}
	return nil
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
		return maxMetadataBytes // of more digits than an int; httpapi lets only zero through
	}
	return len(mantissa) + max(exponent, -exponent) + len("0.")
}
