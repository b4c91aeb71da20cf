package main

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/toolboxai-solutions/satchel/shared/httpapi"
)

// Format lets a client choose how a list is told.
type Format struct {
	Format string `query:"format" enum:"json,csv" default:"json" doc:"csv: a row for each period or anomaly, whose columns are named as in the JSON, times in UTC. A gap has empty cells. Totals are in the JSON alone. Text that a spreadsheet would take for a formula begins with an apostrophe."`
}

// tableAnswer is an answer that is also told as CSV, which has what the JSON says besides its rows
// in headers.
type tableAnswer[T any] struct {
	Status          int
	ContentType     string `header:"Content-Type" hidden:"true"`
	ETag            string `header:"ETag"`
	CacheControl    string `header:"Cache-Control"`
	CompleteThrough string `header:"Complete-Through" doc:"With CSV: what complete_through is in the JSON; left out where that is null."`
	NextCursor      string `header:"Next-Cursor" doc:"With CSV: what next_cursor is in the JSON; left out on the last page."`
	Body            *T
}

// table is tell for a body that the client may want as CSV. Both forms have their own ETag.
func table[T httpapi.Table](in Conditional, format Format, body T, through *time.Time,
	next *string) (*tableAnswer[T], error) {
	if format.Format != "csv" {
		told, err := tell(in, body)
		if err != nil {
			return nil, err
		}
		return &tableAnswer[T]{Status: told.Status, ETag: told.ETag,
			CacheControl: told.CacheControl, Body: told.Body}, nil
	}
	told, err := tell(in, asCSV[T]{body})
	if err != nil {
		return nil, err
	}
	// 304 has the type, too: caches change what they keep to what it says
	out := &tableAnswer[T]{Status: told.Status, ContentType: httpapi.CSV, ETag: told.ETag,
		CacheControl: told.CacheControl}
	if through != nil {
		out.CompleteThrough = through.UTC().Format(time.RFC3339Nano)
	}
	if next != nil {
		out.NextCursor = *next
	}
	if told.Body != nil {
		out.Body = &body
	}
	return out, nil
}

// asCSV gives a body another tag than its JSON has.
type asCSV[T any] struct{ CSV T }

// tabular is an operation whose answer is also told as CSV. The document has its columns as the
// example.
func tabular[T httpapi.Table](o huma.Operation) huma.Operation {
	var none T
	var columns []string
	for _, name := range none.Rows()[0] {
		columns = append(columns, fmt.Sprint(name))
	}
	o.Responses["200"] = &huma.Response{Content: map[string]*huma.MediaType{
		"application/json": {},
		"text/csv": {Schema: &huma.Schema{Type: huma.TypeString,
			Examples:    []any{strings.Join(columns, ",") + "\r\n"},
			Description: "With format=csv, as RFC 4180 has it."}},
	}}
	for _, name := range []string{"Complete-Through", "Next-Cursor"} {
		o.Responses["304"].Headers[name] = &huma.Param{Description: "With CSV, as in 200.",
			Schema: &huma.Schema{Type: huma.TypeString}}
	}
	return o
}

// Rows has one for each period of each series.
func (b agentsBody) Rows() [][]any {
	rows := [][]any{append([]any{"agent_instance_id", "agent_type", "start", "end"},
		columns[figuresBody]()...)}
	for _, s := range b.Agents {
		for _, p := range s.Periods {
			rows = append(rows, append([]any{s.AgentInstanceID.String(), s.AgentType, p.Start,
				p.End}, cells(p.Metrics)...))
		}
	}
	return rows
}

// Rows has one for each period.
func (b usageReport) Rows() [][]any {
	rows := [][]any{append([]any{"start", "end"}, columns[usageBody]()...)}
	for _, p := range b.Periods {
		rows = append(rows, append([]any{p.Start, p.End}, cells(p.Usage)...))
	}
	return rows
}

// Rows has one for each anomaly.
func (b anomaliesBody) Rows() [][]any {
	rows := [][]any{columns[anomalyBody]()}
	for i := range b.Anomalies {
		rows = append(rows, cells(&b.Anomalies[i]))
	}
	return rows
}

// columns are the names that a struct's fields have in JSON.
func columns[T any]() []any {
	t := reflect.TypeFor[T]()
	names := make([]any, t.NumField())
	for i := range names {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names[i] = name
	}
	return names
}

// cells are the values of a struct's fields; all empty where it is nil.
func cells[T any](of *T) []any {
	values := make([]any, reflect.TypeFor[T]().NumField())
	if of == nil {
		return values
	}
	for i := range values {
		if field := reflect.Indirect(reflect.ValueOf(*of).Field(i)); field.IsValid() {
			values[i] = field.Interface()
		}
	}
	return values
}
