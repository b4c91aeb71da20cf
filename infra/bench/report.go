package main

import (
	"fmt"
	"slices"
	"strings"
)

// report is a run's results.
type report struct {
	command  string
	machine  [][]string // name and value
	sections []section
}

// section is one question, how it was asked, and the answer.
type section struct {
	title  string
	method string
	tables []table
	notes  []string
}

type table struct {
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

const preface = `# Benchmarks

Written by ` + "`infra/bench`" + `; do not edit. Both sides of a ratio were measured in this run, in turn; a ratio is the median of its pairs
with the lowest and the highest. Times are of one machine that runs the functions, PostgreSQL, the S3 server, the queue and the clients
at once: they compare, they do not promise.
`

func (r report) markdown() string {
	var b strings.Builder
	b.WriteString(preface)
	fmt.Fprintf(&b, "\n    %s\n\n", r.command)
	b.WriteString(table{[]string{"machine", ""}, r.machine}.markdown())
	for i, s := range r.sections {
		fmt.Fprintf(&b, "\n## %d. %s\n\n%s\n", i+1, s.title, s.method)
		for _, t := range s.tables {
			b.WriteString("\n" + t.markdown())
		}
		for _, note := range s.notes {
			fmt.Fprintf(&b, "\n- %s", note)
		}
		if len(s.notes) > 0 {
			b.WriteString("\n")
		}
	}
	return b.String()
}

// into puts the sections in the place of those with the same title, and new ones at the end. Each
// says how it was measured, because the rest is of another run.
func (r report) into(before string) string {
	parts := strings.Split(before, "\n## ")
	for _, s := range r.sections {
		at := slices.IndexFunc(parts[1:], func(part string) bool {
			_, title, _ := strings.Cut(part, ". ")
			return strings.HasPrefix(title, s.title+"\n")
		}) + 1
		if at == 0 {
			at, parts = len(parts), append(parts, "")
		}
		apart := s
		apart.method = fmt.Sprintf("Measured apart, by `%s`: %s.\n\n%s", r.command,
			r.conditions(), s.method)
		_, text, _ := strings.Cut(report{sections: []section{apart}}.markdown(), "\n## 1. ")
		parts[at] = fmt.Sprintf("%d. %s", at, strings.TrimSuffix(text, "\n"))
	}
	for i := range parts {
		parts[i] = strings.TrimSuffix(parts[i], "\n")
	}
	return strings.Join(parts, "\n\n## ") + "\n"
}

// conditions are what the machine's table says, in a sentence.
func (r report) conditions() string {
	var all []string
	for _, row := range r.machine {
		all = append(all, row[0]+" "+row[1])
	}
	return strings.Join(all, "; ")
}

// markdown aligns the columns, so that the file reads well as text too.
func (t table) markdown() string {
	rule := make([]string, len(t.head))
	widths := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	for i := range rule {
		rule[i] = strings.Repeat("-", max(3, widths[i]))
	}
	var b strings.Builder
	for _, row := range append([][]string{t.head, rule}, t.rows...) {
		b.WriteString("|")
		for i, cell := range row {
			b.WriteString(" " + cell + strings.Repeat(" ", max(3, widths[i])-len([]rune(cell))) +
				" |")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// ms prints milliseconds with three digits that mean something.
func ms(v float64) string {
	switch {
	case v < 1:
		return fmt.Sprintf("%.3f", v)
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

func mb(bytes float64) string { return fmt.Sprintf("%.0f", bytes/1e6) }
