package main

import (
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	t.Parallel()
	figures := table{head: []string{"query", "ms"}}
	figures.add("point → id", "0.2")
	r := report{
		command: "go run ./infra/bench", machine: [][]string{{"Go", "go1"}},
		sections: []section{{title: "First", method: "So.", tables: []table{figures},
			notes: []string{"a", "b"}}, {title: "Second", method: "Else."}},
	}
	want := preface + `
    go run ./infra/bench

| machine |     |
| ------- | --- |
| Go      | go1 |

## 1. First

So.

| query      | ms  |
| ---------- | --- |
| point → id | 0.2 |

- a
- b

## 2. Second

Else.
`
	if got := r.markdown(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestFiguresHaveThreeDigits(t *testing.T) {
	t.Parallel()
	var got []string
	for _, v := range []float64{0.1234, 1.234, 12.34, 123.4, 1234} {
		got = append(got, ms(v))
	}
	if text := strings.Join(got, " "); text != "0.123 1.23 12.3 123 1234" {
		t.Error(text)
	}
}

func TestASectionTakesThePlaceOfItsFormerSelf(t *testing.T) {
	t.Parallel()
	before := report{command: "all", machine: [][]string{{"Go", "go1"}}, sections: []section{
		{title: "First", method: "So."}, {title: "Second", method: "Else."},
	}}.markdown()
	r := report{command: "some", machine: [][]string{{"Go", "go2"}, {"date", "today"}},
		sections: []section{{title: "First", method: "Anew."}, {title: "Third", method: "New."}}}
	const apart = "Measured apart, by `some`: Go go2; date today.\n\n"
	want := strings.Replace(before, "So.\n", apart+"Anew.\n", 1) +
		"\n## 3. Third\n\n" + apart + "New.\n"
	got := r.into(before)
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if again := r.into(got); again != got {
		t.Errorf("and again\n%s", again)
	}
}
