package httpapi

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// CSV is the content type of an answer in the form of RFC 4180. An output that is to be written so
// has it in a field ContentType, and a Table as its Body.
const CSV = "text/csv; charset=utf-8; header=present"

// Table is a body that may also be told as rows of cells, the first of them the columns' names. A
// cell is nil, which is left empty, text, a whole number, a float64, a bool or a time.
type Table interface{ Rows() [][]any }

func encodeCSV(table Table) ([]byte, error) {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	w.UseCRLF = true
	for _, row := range table.Rows() {
		cells := make([]string, len(row))
		for i, value := range row {
			var err error
			if cells[i], err = cell(value); err != nil {
				return nil, err
			}
		}
		if err := w.Write(cells); err != nil {
			return nil, fmt.Errorf("write a row: %w", err)
		}
	}
	w.Flush()
	return out.Bytes(), w.Error()
}

// cell writes numbers with all their digits and no exponent. Text is never what a spreadsheet takes
// for a formula: an apostrophe goes before its first character
// (https://owasp.org/www-community/attacks/CSV_Injection).
func cell(value any) (string, error) {
	switch v := value.(type) {
	case nil:
		return "", nil
	case string:
		// leading spaces are trimmed by some before they look
		if first := strings.TrimLeft(v, " \u00a0\ufeff"); first != "" &&
			strings.ContainsRune("=+-@\t\r\n＝＋－＠", []rune(first)[0]) {
			return "'" + v, nil
		}
		return v, nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case int:
		return strconv.Itoa(v), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case bool:
		return strconv.FormatBool(v), nil
	case time.Time:
		return v.Format(time.RFC3339Nano), nil
	}
	return "", fmt.Errorf("a cell cannot hold a %T", value)
}

// marshalText writes what encode wrote.
func marshalText(w io.Writer, v any) error {
	text, ok := v.(json.RawMessage)
	if !ok {
		return fmt.Errorf("a %T is no text", v)
	}
	_, err := w.Write(text)
	return err
}
