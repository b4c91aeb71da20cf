// Package template reads template.yaml and says what it deploys: parameters, conditions and
// intrinsic functions resolved for one place, as plain values. The local stack runs what this
// package says; the package's tests hold the template against what the binaries say of themselves
// and against rules that a cloud account would only show when it is too late.
package template

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// object is one mapping of the template, with intrinsic functions in their long form:
// {"Ref": …}, {"Fn::Sub": …}.
type object = map[string]any

type resource struct {
	name, kind string
	all        object // the whole resource
	properties object
}

func (r resource) path() string { return "/Resources/" + r.name }

// Template is a parsed template.
type Template struct {
	all        object
	parameters object
	resources  map[string]resource
	lines      map[string]int // of every value, by its path
}

// Read parses the template in a file.
func Read(path string) (*Template, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the template: %w", err)
	}
	return Parse(text)
}

// Parse parses a template.
func Parse(text []byte) (*Template, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, fmt.Errorf("parse the template: %w", err)
	}
	t := &Template{resources: map[string]resource{}, lines: map[string]int{}}
	var value any
	if len(root.Content) > 0 {
		var err error
		if value, err = t.plain(root.Content[0], ""); err != nil {
			return nil, err
		}
	}
	var ok bool
	if t.all, ok = value.(object); !ok {
		return nil, fmt.Errorf("parse the template: it is not a mapping")
	}
	t.parameters = at(t.all, "Parameters")
	for name, value := range at(t.all, "Resources") {
		whole, _ := value.(object)
		kind, _ := whole["Type"].(string)
		r := resource{name: name, kind: kind, all: whole, properties: at(whole, "Properties")}
		if kind == functionKind {
			r.properties = t.inherit(r.properties, at(t.all, "Globals", "Function"),
				r.path()+"/Properties", "/Globals/Function")
		}
		t.resources[name] = r
	}
	return t, nil
}

// inherit adds what Globals give a function, as SAM does: mappings are merged, lists are joined,
// and any other value of the function's own stays.
func (t *Template) inherit(own, global object, path, from string) object {
	merged := maps.Clone(own)
	if merged == nil {
		merged = object{}
	}
	for key, value := range global {
		t.lines[path+"/"+key] = cmp.Or(t.lines[path+"/"+key], t.lines[from+"/"+key])
		switch mine := own[key].(type) {
		case nil:
			merged[key] = value
		case object:
			if theirs, ok := value.(object); ok && !isIntrinsic(mine) && !isIntrinsic(theirs) {
				merged[key] = t.inherit(mine, theirs, path+"/"+key, from+"/"+key)
			}
		case []any:
			if theirs, ok := value.([]any); ok {
				merged[key] = slices.Concat(theirs, mine)
			}
		}
	}
	return merged
}

// plain turns YAML nodes into Go values. Anchors are refused, because CloudFormation does not take
// them.
func (t *Template) plain(n *yaml.Node, path string) (any, error) {
	t.lines[path] = n.Line
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		return nil, fmt.Errorf("line %d: CloudFormation takes no anchors", n.Line)
	}
	value, err := t.untagged(n, path)
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

func (t *Template) untagged(n *yaml.Node, path string) (any, error) {
	switch n.Kind {
	case yaml.MappingNode:
		m := object{}
		for i := 0; i < len(n.Content); i += 2 {
			key := n.Content[i].Value
			if _, twice := m[key]; twice {
				return nil, fmt.Errorf("line %d: %s stands twice", n.Content[i].Line, key)
			}
			value, err := t.plain(n.Content[i+1], path+"/"+key)
			if err != nil {
				return nil, err
			}
			t.lines[path+"/"+key] = n.Content[i].Line
			m[key] = value
		}
		return m, nil
	case yaml.SequenceNode:
		list := []any{}
		for i, item := range n.Content {
			value, err := t.plain(item, fmt.Sprintf("%s/%d", path, i))
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

// line is where a value stands, or the nearest thing around it that has a line.
func (t *Template) line(path string) int {
	for {
		if line, ok := t.lines[path]; ok || path == "" {
			return line
		}
		path = path[:strings.LastIndex(path, "/")]
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
func (t *Template) ofKind(kind string) []resource {
	var found []resource
	for _, name := range slices.Sorted(maps.Keys(t.resources)) {
		if t.resources[name].kind == kind {
			found = append(found, t.resources[name])
		}
	}
	return found
}
