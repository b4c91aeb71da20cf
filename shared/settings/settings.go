// Package settings reads a binary's settings from its environment.
//
// A setting is a field of a struct with the tags of github.com/caarlos0/env (`env`, `envDefault`,
// `envSeparator`, `envPrefix`) and a `help` tag for the documentation. An empty variable counts as
// one that is not set, because a template's parameter without a value arrives as "".
package settings

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"
)

// Faults is every fault that was found, one sentence each that begins with the name of the
// variable. No sentence holds a value, because any of them may be a secret that was put under the
// wrong name.
type Faults []string

func (f Faults) Error() string { return "settings: " + strings.Join(f, "; ") }

// load reads T from environ. Its error is a Faults with everything that is wrong, not only the
// first thing.
//
// T and every struct inside T may have a method Validate() error, which checks what a type cannot
// say. It joins its findings with errors.Join, each beginning "NAME: "; findings about a variable
// that could not be read at all are left out.
func load[T any](environ []string) (T, error) {
	var loaded T
	described := describe(reflect.TypeFor[T](), "")
	parsed := env.ParseWithOptions(&loaded, env.Options{
		Environment: withoutEmpty(environ),
		FuncMap:     map[reflect.Type]env.ParserFunc{reflect.TypeFor[[]string](): trimmedList},
	})

	faults := readingFaults(parsed, described)
	unread := make(map[string]bool)
	for _, fault := range faults {
		name, _, _ := strings.Cut(fault, ":")
		unread[name] = true
	}
	for _, fault := range validate(reflect.ValueOf(&loaded).Elem()) {
		name, _, _ := strings.Cut(fault, ":")
		if !unread[name] && !slices.Contains(faults, fault) {
			faults = append(faults, fault)
		}
	}
	if len(faults) > 0 {
		return loaded, faults
	}
	return loaded, nil
}

func withoutEmpty(environ []string) map[string]string {
	set := env.ToMap(environ)
	maps.DeleteFunc(set, func(_, value string) bool { return value == "" })
	return set
}

// trimmedList allows the spaces that people write after a comma.
func trimmedList(value string) (any, error) {
	var list []string
	for part := range strings.SplitSeq(value, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list, nil
}

// readingFaults turns what env reports into sentences without values: env's own messages quote the
// input.
func readingFaults(err error, described []Setting) Faults {
	var all env.AggregateError
	if !errors.As(err, &all) {
		if err != nil {
			return Faults{err.Error()}
		}
		return nil
	}
	var faults Faults
	for _, one := range all.Errors {
		var missing env.VarIsNotSetError
		var empty env.EmptyVarError
		var unreadable env.ParseError
		switch {
		case errors.As(one, &missing):
			faults = append(faults, missing.Key+": is required and not set")
		case errors.As(one, &empty):
			faults = append(faults, empty.Key+": must not be empty")
		case errors.As(one, &unreadable):
			faults = append(faults, fmt.Sprintf("%s: is not %s", named(unreadable, described),
				expectation(typeName(unreadable.Type))))
		default:
			faults = append(faults, one.Error())
		}
	}
	return faults
}

// named finds the variable of a field that could not be parsed: env reports the field's name and
// type alone, which two structs may share.
func named(unreadable env.ParseError, described []Setting) string {
	var names []string
	for _, s := range described {
		if s.field == unreadable.Name && s.goType == unreadable.Type {
			names = append(names, s.Name)
		}
	}
	if len(names) == 0 {
		return unreadable.Name
	}
	return strings.Join(names, " or ")
}

// validate calls Validate of every struct inside v and then of v itself.
func validate(v reflect.Value) Faults {
	var faults Faults
	for i := range v.NumField() {
		if field := v.Field(i); v.Type().Field(i).IsExported() && isGroup(field.Type()) {
			faults = append(faults, validate(field)...)
		}
	}
	checked, ok := v.Addr().Interface().(interface{ Validate() error })
	if !ok {
		return faults
	}
	return append(faults, sentences(checked.Validate())...)
}

func sentences(err error) []string {
	if err == nil {
		return nil
	}
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return []string{err.Error()}
	}
	var all []string
	for _, one := range joined.Unwrap() {
		all = append(all, sentences(one)...)
	}
	return all
}
