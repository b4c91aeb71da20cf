package mediatype

import (
	"fmt"
	"strings"
)

// Patterns is an allow-list: exact types ("application/pdf"), whole families ("image/*") or
// everything ("*/*"). An empty list allows nothing.
type Patterns []string

// UnmarshalText reads a comma-separated list, so that a setting can have this type. It fails on the
// first entry that is not a pattern; spaces around entries and empty entries are ignored.
func (p *Patterns) UnmarshalText(text []byte) error {
	var list Patterns
	for entry := range strings.SplitSeq(string(text), ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		pattern, err := parsePattern(entry)
		if err != nil {
			return err
		}
		list = append(list, pattern)
	}
	*p = list
	return nil
}

// Match reports whether one of the patterns covers the type.
func (p Patterns) Match(t Type) bool {
	for _, pattern := range p {
		if pattern == "*/*" || pattern == string(t) || pattern == t.Family()+"/*" {
			return true
		}
	}
	return false
}

func parsePattern(entry string) (string, error) {
	entry = strings.ToLower(entry)
	if entry == "*/*" {
		return entry, nil
	}
	family, found := strings.CutSuffix(entry, "/*")
	if !found {
		t, err := Parse(entry)
		return string(t), err
	}
	if _, err := Parse(family + "/x"); err != nil {
		return "", fmt.Errorf("media type pattern %q: want type/subtype, type/* or */*", entry)
	}
	return entry, nil
}
