package httpapi

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// Lambda's library writes an answer's body as a JSON string. No character takes more there than is
// counted, and none but a control character is counted as more than it takes.
func TestNoCharacterIsCarriedInMoreThanIsCounted(t *testing.T) {
	t.Parallel()
	for r := range rune(0x3000) {
		text := utf8.AppendRune(nil, r)
		var line bytes.Buffer
		encoder := json.NewEncoder(&line)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(string(text)); err != nil {
			t.Fatal(err)
		}
		taken, counted := len(bytes.TrimSpace(line.Bytes()))-len(`""`), carried(text)
		exact := r >= ' ' || r == '\t' || r == '\r' || r == '\n'
		if counted < taken || exact && counted > taken {
			t.Errorf("%U takes %d bytes, %d are counted", r, taken, counted)
		}
	}
}
