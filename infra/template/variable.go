package template

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Parameter is what whoever deploys may choose.
type Parameter struct {
	Name, Description string
	// Default is nil where a choice has to be made.
	Default *string
}

// Variable is one environment variable of a function.
type Variable struct {
	// Code is the folder of the function's binary, as in CodeUri.
	Code, Name string
	// Parameters are those that its value depends on, in order.
	Parameters []string
}

// Choices lists the parameters, in the order of their names.
func (t *Template) Choices() []Parameter {
	var all []Parameter
	for _, name := range t.Parameters() {
		declared := at(t.parameters, name)
		p := Parameter{Name: name}
		p.Description, _ = declared["Description"].(string)
		if value, ok := declared["Default"]; ok {
			text := fmt.Sprint(value)
			p.Default = &text
		}
		all = append(all, p)
	}
	return all
}

// Variables lists the environment of every function, in the order of functions and names.
func (t *Template) Variables() []Variable {
	var all []Variable
	for _, r := range t.ofKind("AWS::Serverless::Function") {
		set := at(r.properties, "Environment", "Variables")
		code, _ := r.properties["CodeUri"].(string)
		for _, variable := range slices.Sorted(maps.Keys(set)) {
			all = append(all, Variable{
				Code: strings.TrimSuffix(code, "/"), Name: variable,
				Parameters: t.parametersIn(set[variable]),
			})
		}
	}
	return all
}

var substituted = regexp.MustCompile(`\$\{([A-Za-z0-9]+)\}`)

// parametersIn lists the parameters that a value refers to.
func (t *Template) parametersIn(value any) []string {
	var names []string
	walk(value, func(o object) {
		if name, ok := o["Ref"].(string); ok {
			names = append(names, name)
		}
		text, _ := o["Fn::Sub"].(string)
		for _, match := range substituted.FindAllStringSubmatch(text, -1) {
			names = append(names, match[1])
		}
	})
	names = slices.DeleteFunc(names, func(name string) bool { return t.parameters[name] == nil })
	slices.Sort(names)
	return slices.Compact(names)
}

// walk visits every mapping in value.
func walk(value any, visit func(object)) {
	switch v := value.(type) {
	case object:
		visit(v)
		for _, key := range slices.Sorted(maps.Keys(v)) {
			walk(v[key], visit)
		}
	case []any:
		for _, item := range v {
			walk(item, visit)
		}
	}
}
