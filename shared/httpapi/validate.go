package httpapi

import (
	"maps"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

func (a *API) schemas() huma.Registry { return a.huma.OpenAPI().Components.Schemas }

// validate has huma judge a body level by level and stops once there are enough errors for one
// answer: huma alone goes on to the last element, whatever it found.
func (a *API) validate(body any, schema *huma.Schema) []FieldProblem {
	v := validation{schemas: a.schemas(), levels: a, path: huma.NewPathBuffer(nil, 0)}
	v.path.Push("body")
	v.value(schema, body)
	var wrong []FieldProblem
	for _, err := range v.result.Errors {
		if detail, ok := err.(*huma.ErrorDetail); ok {
			wrong = append(wrong, FieldProblem{detail.Location, detail.Message})
		}
	}
	return wrong
}

type validation struct {
	schemas huma.Registry
	levels  *API
	path    *huma.PathBuffer
	result  huma.ValidateResult
}

func (v *validation) enough() bool { return len(v.result.Errors) >= maxFieldProblems }

func (v *validation) huma(s *huma.Schema, value any) {
	huma.Validate(v.schemas, s, v.path, huma.ModeWriteToServer, value, &v.result)
}

func (v *validation) value(s *huma.Schema, value any) {
	s = resolve(v.schemas, s)
	switch value := value.(type) {
	case []any:
		if s.Type == huma.TypeArray && s.Items != nil {
			v.array(s, value)
			return
		}
	case map[string]any:
		if s.Type == huma.TypeObject {
			v.object(s, value)
			return
		}
	}
	v.huma(s, value)
}

func (v *validation) array(s *huma.Schema, items []any) {
	v.huma(v.levels.level(s), items)
	if s.MaxItems != nil && len(items) > *s.MaxItems {
		return // the rest is refused whatever it is
	}
	for i, item := range items {
		if v.enough() {
			return
		}
		v.path.PushIndex(i)
		v.value(s.Items, item)
		v.path.Pop()
	}
}

func (v *validation) object(s *huma.Schema, members map[string]any) {
	v.huma(v.levels.level(s), fewStrangers(s, members))
	for _, name := range slices.Sorted(maps.Keys(members)) {
		property, value := member(s, name), members[name]
		if v.enough() {
			return
		}
		if property == nil || value == nil && !slices.ContainsFunc(s.Required, sameName(name)) {
			continue
		}
		v.path.Push(name)
		v.value(property, value)
		v.path.Pop()
	}
}

func sameName(name string) func(string) bool {
	return func(other string) bool { return strings.EqualFold(name, other) }
}

// fewStrangers leaves out names that the schema does not have, beyond what one answer can tell.
func fewStrangers(s *huma.Schema, members map[string]any) map[string]any {
	few, strangers := map[string]any{}, 0
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if member(s, name) == nil {
			if strangers++; strangers > maxFieldProblems {
				continue
			}
		}
		few[name] = members[name]
	}
	return few
}

// level is s with nothing said about what is inside, for judging one level alone.
func (a *API) level(s *huma.Schema) *huma.Schema {
	if known, ok := a.shallow.Load(s); ok {
		return known.(*huma.Schema)
	}
	level := &huma.Schema{ // and not a copy: that would share maps which the next line writes
		Type: s.Type, Nullable: s.Nullable, Enum: s.Enum,
		MinItems: s.MinItems, MaxItems: s.MaxItems, UniqueItems: s.UniqueItems,
		MinProperties: s.MinProperties, MaxProperties: s.MaxProperties,
		Required: s.Required, DependentRequired: s.DependentRequired,
		OneOf: s.OneOf, AnyOf: s.AnyOf, AllOf: s.AllOf, Not: s.Not, Discriminator: s.Discriminator,
		AdditionalProperties: s.AdditionalProperties,
		Items:                &huma.Schema{}, Properties: map[string]*huma.Schema{},
	}
	for name := range s.Properties {
		level.Properties[name] = &huma.Schema{}
	}
	if _, typed := s.AdditionalProperties.(*huma.Schema); typed {
		level.AdditionalProperties = true
	}
	level.PrecomputeMessages()
	a.shallow.Store(s, level)
	return level
}
