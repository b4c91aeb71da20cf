package template

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// object is one mapping of the template, with intrinsic functions in their long form: {"Ref": …}, {"Fn::Sub": …}.
type object = map[string]any

type resource struct {
	name, kind string
	all        object // the whole resource
	properties object
}

type document struct {
	all        object
	parameters object
	resources  map[string]resource
}

func parse(text []byte) (*document, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, fmt.Errorf("parse the template: %w", err)
	}
	value, err := plain(root.Content[0])
	if err != nil {
		return nil, err
	}
	all, ok := value.(object)
	if !ok {
		return nil, fmt.Errorf("the template is no mapping")
	}
	d := &document{all: all, parameters: at(all, "Parameters"), resources: map[string]resource{}}
	for name, r := range at(all, "Resources") {
		whole, _ := r.(object)
		d.resources[name] = resource{name: name, kind: spell(whole["Type"]), all: whole, properties: at(whole, "Properties")}
	}
	// Globals reach every function, as SAM has it.
	for _, r := range d.ofKind("AWS::Serverless::Function") {
		for key, value := range at(all, "Globals", "Function") {
			if _, set := r.properties[key]; !set {
				r.properties[key] = value
			}
		}
	}
	return d, nil
}

// plain turns YAML nodes into Go values. Anchors are refused, because CloudFormation does not take them.
func plain(n *yaml.Node) (any, error) {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		return nil, fmt.Errorf("line %d: CloudFormation takes no anchors", n.Line)
	}
	value, err := untagged(n)
	if err != nil || !strings.HasPrefix(n.Tag, "!") || strings.HasPrefix(n.Tag, "!!") {
		return value, err
	}
	switch tag := n.Tag[1:]; tag {
	case "Ref", "Condition":
		return object{tag: value}, nil
	case "GetAtt":
		if dotted, ok := value.(string); ok {
			name, attribute, _ := strings.Cut(dotted, ".")
			value = []any{name, attribute}
		}
		return object{"Fn::GetAtt": value}, nil
	default:
		return object{"Fn::" + tag: value}, nil
	}
}

func untagged(n *yaml.Node) (any, error) {
	switch n.Kind {
	case yaml.MappingNode:
		m := object{}
		for i := 0; i < len(n.Content); i += 2 {
			key := n.Content[i].Value
			if _, twice := m[key]; twice {
				return nil, fmt.Errorf("line %d: %s stands twice", n.Content[i].Line, key)
			}
			value, err := plain(n.Content[i+1])
			if err != nil {
				return nil, err
			}
			m[key] = value
		}
		return m, nil
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range n.Content {
			value, err := plain(item)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		return list, nil
	default:
		return n.Value, nil
	}
}

// at follows keys; what is absent reads as an empty mapping.
func at(o object, keys ...string) object {
	for _, key := range keys {
		o, _ = o[key].(object)
	}
	return o
}

// ofKind lists resources of a type by name.
func (d *document) ofKind(kind string) []resource {
	var found []resource
	for _, name := range slices.Sorted(maps.Keys(d.resources)) {
		if d.resources[name].kind == kind {
			found = append(found, d.resources[name])
		}
	}
	return found
}

// spell spells a value so that equal values are spelled the same: intrinsic functions as ${…}, as in Fn::Sub.
func spell(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case object:
		if ref, ok := v["Ref"]; ok {
			return "${" + spell(ref) + "}"
		}
		if get, ok := v["Fn::GetAtt"].([]any); ok {
			return "${" + spell(get[0]) + "." + spell(get[1]) + "}"
		}
		if sub, ok := v["Fn::Sub"].(string); ok {
			return sub
		}
		return fmt.Sprint(v)
	default:
		return fmt.Sprint(v)
	}
}

// texts is for what may be one value or a list of them.
func texts(value any) []string {
	list, ok := value.([]any)
	if !ok {
		if value == nil {
			return nil
		}
		return []string{spell(value)}
	}
	var all []string
	for _, item := range list {
		all = append(all, spell(item))
	}
	return all
}

func number(value any) int {
	n, err := strconv.Atoi(spell(value))
	if err != nil {
		return -1
	}
	return n
}

// target is the resource that a !Ref or !GetAtt names.
func (d *document) target(value any) resource {
	name, _, _ := strings.Cut(strings.Trim(spell(value), "${}"), ".")
	return d.resources[name]
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

// A statement is one of an IAM policy.
type statement struct {
	effect             string
	actions, resources []string
	condition          object
	all                object
}

// statements are those of every policy document in value, except who may assume a role.
func statements(value any) []statement {
	var all []statement
	walk(value, func(o object) {
		list, ok := o["Statement"].([]any)
		if !ok {
			return
		}
		for _, item := range list {
			s, _ := item.(object)
			if spell(s["Action"]) == "sts:AssumeRole" {
				continue
			}
			all = append(all, statement{
				effect: spell(s["Effect"]), actions: texts(s["Action"]), resources: texts(s["Resource"]), condition: at(s, "Condition"), all: s,
			})
		}
	})
	return all
}

// functions lists the deployed functions.
func (d *document) functions() []resource { return d.ofKind("AWS::Serverless::Function") }

// environment is what a function finds in its variables.
func environment(function resource) object {
	return at(function.properties, "Environment", "Variables")
}
