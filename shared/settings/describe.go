package settings

import (
	"encoding"
	"log/slog"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Setting describes one variable, as -describe-config prints it.
type Setting struct {
	Name     string `json:"name"`
	Type     string `json:"type"` // string, integer, number, boolean, duration, url, list, level
	Default  string `json:"default"`
	Required bool   `json:"required"`
	Help     string `json:"help"`

	field  string
	goType reflect.Type
}

// describe returns the settings of struct t in the order in which they are declared.
func describe(t reflect.Type, prefix string) []Setting {
	all := []Setting{}
	for i := range t.NumField() {
		field := t.Field(i)
		if !field.IsExported() {
			continue
		}
		name, options, _ := strings.Cut(field.Tag.Get("env"), ",")
		if name == "" {
			if isGroup(field.Type) {
				all = append(all, describe(field.Type, prefix+field.Tag.Get("envPrefix"))...)
			}
			continue
		}
		flags := strings.Split(options, ",")
		all = append(all, Setting{
			Name:     prefix + name,
			Type:     typeName(field.Type),
			Default:  field.Tag.Get("envDefault"),
			Required: slices.Contains(flags, "required") || slices.Contains(flags, "notEmpty"),
			Help:     field.Tag.Get("help"),
			field:    field.Name,
			goType:   field.Type,
		})
	}
	return all
}

// isGroup reports whether t holds settings and is not itself one: a struct that no text can be
// turned into.
func isGroup(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t != reflect.TypeFor[url.URL]() &&
		!reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

func typeName(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		return typeName(t.Elem())
	}
	switch t {
	case reflect.TypeFor[time.Duration]():
		return "duration"
	case reflect.TypeFor[url.URL]():
		return "url"
	case reflect.TypeFor[slog.Level]():
		return "level"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "boolean"
	case reflect.Slice:
		return "list"
	case reflect.Float32, reflect.Float64:
		return "number"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "integer"
	default:
		return "string"
	}
}

func expectation(typeName string) string {
	switch typeName {
	case "duration":
		return "a duration such as 90s or 15m"
	case "url":
		return "a URL"
	case "level":
		return "one of debug, info, warn, error"
	case "boolean":
		return "true or false"
	case "list":
		return "a list with commas between its items"
	case "number":
		return "a number"
	case "integer":
		return "a whole number in range"
	default:
		return "readable"
	}
}
