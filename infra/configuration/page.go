package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/toolboxai-solutions/satchel/infra/template"
)

func run(from, to string, check bool) error {
	t, err := template.Read(from)
	if err != nil {
		return err
	}
	read := map[string][]setting{}
	for _, v := range t.Variables() {
		if read[v.Code] == nil {
			if read[v.Code], err = ask(v.Code); err != nil {
				return err
			}
		}
	}
	page := write(t.Choices(), t.Variables(), read)
	if !check {
		return os.WriteFile(to, page, 0o644)
	}
	if committed, err := os.ReadFile(to); err != nil || !bytes.Equal(committed, page) {
		return fmt.Errorf("%s is stale: run make generate and commit it", to)
	}
	return nil
}

// setting is what a binary says of one variable that it reads.
type setting struct {
	Name, Type, Default, Help string
	Required                  bool
}

// ask runs a binary, which make build would put below code, for the settings that it reads.
func ask(code string) ([]setting, error) {
	from := "./functions/" + strings.TrimPrefix(code, "build/")
	if code == "build/migrate" {
		from = "./infra/migrate"
	}
	command := exec.Command("go", "run", from, "-describe-config")
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	var all []setting
	if err == nil {
		err = json.Unmarshal(out, &all)
	}
	if err != nil {
		return nil, fmt.Errorf("ask %s for its settings: %w\n%s", from, err, &stderr)
	}
	return all, nil
}

const head = `# Configuration

Written by ` + "`make generate`" + ` from template.yaml and from what each binary says of itself; do not edit.

## Parameters
What ` + "`sam deploy --guided`" + ` asks for. A parameter named MaxFileSize is MAX_FILE_SIZE for a local start.

| Parameter | Default | Meaning |
|---|---|---|
`

const settingsHead = `
## Settings
The environment variables of the functions. template.yaml sets each of them; without it, this is what to set.

| Setting | Default | Meaning | Read by | Parameter |
|---|---|---|---|---|
`

// write is the page. read has what each binary reads, by its folder.
func write(parameters []template.Parameter, variables []template.Variable,
	read map[string][]setting) []byte {
	var page bytes.Buffer
	page.WriteString(head)
	meanings := map[string]string{}
	var rows []row
	for _, v := range variables {
		i := slices.IndexFunc(read[v.Code], func(s setting) bool { return s.Name == v.Name })
		if i < 0 {
			continue // the template's test says so
		}
		s := read[v.Code][i]
		for _, p := range v.Parameters {
			if len(v.Parameters) == 1 {
				meanings[p] = s.Help
			}
		}
		at := slices.IndexFunc(rows, func(r row) bool {
			return r.Name == s.Name && r.Default == s.Default && r.Help == s.Help
		})
		if at < 0 {
			at = len(rows)
			rows = append(rows, row{setting: s})
		}
		rows[at].binaries = append(rows[at].binaries, strings.TrimPrefix(v.Code, "build/"))
		rows[at].parameters = append(rows[at].parameters, v.Parameters...)
	}
	for _, p := range parameters {
		preset := "required"
		if p.Default != nil {
			preset = code(*p.Default)
		}
		meaning := p.Description
		if meaning == "" {
			meaning = meanings[p.Name]
		}
		fmt.Fprintf(&page, "| %s | %s | %s |\n", p.Name, preset, cell(meaning))
	}
	page.WriteString(settingsHead)
	slices.SortStableFunc(rows, func(a, b row) int { return strings.Compare(a.Name, b.Name) })
	for _, r := range rows {
		preset := code(r.Default)
		if r.Required {
			preset = "required"
		}
		fmt.Fprintf(&page, "| %s | %s | %s | %s | %s |\n", r.Name, preset,
			cell(r.Help+" ("+r.Type+")"), list(r.binaries), list(r.parameters))
	}
	return page.Bytes()
}

// row is a setting with the functions that read it; every entry of a function reads the same.
type row struct {
	setting
	binaries, parameters []string
}

func list(all []string) string {
	slices.Sort(all)
	return strings.Join(slices.Compact(all), ", ")
}

func code(text string) string {
	if text == "" {
		return "empty"
	}
	return "`" + cell(text) + "`"
}

// cell keeps a text within its cell of the table.
func cell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}
