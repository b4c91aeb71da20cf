package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
)

// document is an OpenAPI document as far as merging needs to know it; the rest of each part stays
// as it is.
type document struct {
	OpenAPI    string                    `json:"openapi"`
	Info       map[string]any            `json:"info"`
	Servers    []any                     `json:"servers,omitempty"`
	Tags       []map[string]any          `json:"tags,omitempty"`
	Paths      map[string]map[string]any `json:"paths"`
	Components map[string]map[string]any `json:"components"`
}

// merge joins documents into one with its members in order, so that the same routes always give the
// same bytes. Info is the first one's. It refuses two meanings for one name: an operation that two
// functions serve, or a schema that two functions define differently.
func merge(documents [][]byte) ([]byte, error) {
	var all document
	for i, raw := range documents {
		var one document
		decoder := json.NewDecoder(bytes.NewReader(raw))
		decoder.UseNumber()
		decoder.DisallowUnknownFields() // a part that merging would drop
		if err := decoder.Decode(&one); err != nil {
			return nil, fmt.Errorf("read document %d: %w", i+1, err)
		}
		if i == 0 {
			all = document{OpenAPI: one.OpenAPI, Info: one.Info, Servers: one.Servers,
				Paths: map[string]map[string]any{}, Components: map[string]map[string]any{}}
		}
		if one.OpenAPI != all.OpenAPI {
			return nil, fmt.Errorf("document %d is OpenAPI %q and the first is %q", i+1,
				one.OpenAPI, all.OpenAPI)
		}
		for _, tag := range one.Tags {
			if !slices.ContainsFunc(all.Tags,
				func(t map[string]any) bool { return t["name"] == tag["name"] }) {
				all.Tags = append(all.Tags, tag)
			}
		}
		if err := add(all.Paths, one.Paths, "path",
			func(any, any) bool { return false }); err != nil {
			return nil, err
		}
		if err := add(all.Components, one.Components, "component",
			func(a, b any) bool { return reflect.DeepEqual(a, b) }); err != nil {
			return nil, err
		}
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(all); err != nil {
		return nil, fmt.Errorf("write merged document: %w", err)
	}
	return out.Bytes(), nil
}

func add(all, more map[string]map[string]any, what string, same func(a, b any) bool) error {
	for group, members := range more {
		if all[group] == nil {
			all[group] = map[string]any{}
		}
		for name, member := range members {
			if there, taken := all[group][name]; taken && !same(there, member) {
				return fmt.Errorf("%s %s %s is defined twice", what, group, name)
			}
			all[group][name] = member
		}
	}
	return nil
}
