package template

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// parameter is a parameter's value here, held against what the template lets it be.
func (r *resolver) parameter(name string) any {
	path := "/Parameters/" + name
	declared := at(r.parameters, name)
	text := func(key string) string { value, _ := declared[key].(string); return value }
	value, given := r.place.Parameters[name]
	if !given {
		if _, given = declared["Default"]; !given {
			r.fault(path, "parameter %s has no value here and no default", name)
			return ""
		}
		value = text("Default")
	}
	if allowed := texts(declared["AllowedValues"]); allowed != nil &&
		!slices.Contains(allowed, value) {
		r.fault(path, "parameter %s is %q and has to be one of %s", name, value,
			strings.Join(allowed, ", "))
	}
	if pattern, err := regexp.Compile("^(?:" + text("AllowedPattern") + ")$"); err != nil ||
		text("AllowedPattern") != "" && !pattern.MatchString(value) {
		r.fault(path, "parameter %s is %q and has to match %s", name, value, text("AllowedPattern"))
	}
	switch kind := text("Type"); {
	case kind == "CommaDelimitedList" || strings.HasPrefix(kind, "List<"):
		list := []any{}
		for item := range strings.SplitSeq(value, ",") {
			if item = strings.TrimSpace(item); item != "" {
				list = append(list, item)
			}
		}
		return list
	case kind == "Number":
		n, err := strconv.ParseFloat(value, 64)
		least, noLeast := strconv.ParseFloat(text("MinValue"), 64)
		most, noMost := strconv.ParseFloat(text("MaxValue"), 64)
		if err != nil || noLeast == nil && n < least || noMost == nil && n > most {
			r.fault(path, "parameter %s is %q, which is no number that the template allows", name,
				value)
		}
	}
	return value
}

// Parameters are the names of the template's parameters.
func (t *Template) Parameters() []string { return slices.Sorted(maps.Keys(t.parameters)) }
