package topic

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// Priority orders channels by the event at their head. It never reorders a channel.
type Priority int16

// The priorities.
const (
	Low Priority = iota
	Normal
	High
	Urgent
)

var priorities = []string{"low", "normal", "high", "urgent"}

func (p Priority) String() string { return priorities[p] }

// ParsePriority reads a priority's name.
func ParsePriority(name string) (Priority, error) {
	if i := slices.Index(priorities, name); i >= 0 {
		return Priority(i), nil
	}
	return 0, fmt.Errorf("priority %q is none of %s", name, strings.Join(priorities, ", "))
}

// Template is where the facts of a topic are told.
type Template struct {
	user    bool   // to the member whom it concerns
	channel string // and to this topic's channel
	// fields of the payload that leave on a channel which Pusher can read; of them, only ids,
	// states, numbers and times.
	fields []string
}

// templates of the facts that Satchel tells, by the part of the topic before the first dot.
var templates = map[string]Template{
	"file": {
		user:    true,
		channel: "files",
		fields: []string{
			"schema",
			"file_id",
			"version",
			"status",
			"was",
			"reason",
			"size",
			"width",
			"height",
			"permanent",
		},
	},
	"task": {
		channel: "tasks",
		fields: []string{
			"task_id",
			"agent_type",
			"task_type",
			"status",
			"priority",
			"created_at",
			"started_at",
			"completed_at",
		},
	},
	"health": {channel: "analytics", fields: []string{"state", "score", "since"}},
	"quota": {
		channel: "analytics",
		fields:  []string{"percent", "used_bytes", "reserved_bytes", "total_bytes"},
	},
	"metric": {
		channel: "analytics",
		fields:  []string{"metric", "seen", "expected", "score", "since"},
	},
}

// own are the topics' channels of Satchel's own facts, and who may hear them.
var own = Rules{"files": tenant.Staff, "tasks": tenant.Staff, "analytics": tenant.Staff}

// NewRules joins Satchel's own topics with those of a platform, each written as name:role.
func NewRules(more []string) (Rules, error) {
	rules := maps.Clone(own)
	for _, entry := range more {
		name, named, _ := strings.Cut(entry, ":")
		role, err := tenant.ParseRole(named)
		if err != nil || !ValidName(name) {
			return nil, fmt.Errorf("%q is not a topic's name, a colon and a role", entry)
		}
		if _, taken := own[name]; taken {
			return nil, fmt.Errorf("topic %q is Satchel's own: choose another name", name)
		}
		rules[name] = role
	}
	return rules, nil
}

// Find returns the template of a topic such as file.available, and false where there is none.
func Find(topic string) (Template, bool) {
	family, _, dotted := strings.Cut(topic, ".")
	t, ok := templates[family]
	return t, ok && dotted
}

// Channels are those that a fact goes to. user is whom it concerns; uuid.Nil: nobody.
func (t Template) Channels(organization, user uuid.UUID) []Channel {
	var all []Channel
	if t.user && user != uuid.Nil {
		all = append(all, Of(Private, organization).To(user))
	}
	if t.channel != "" {
		all = append(all, Of(Private, organization).About(t.channel))
	}
	return all
}

var (
	pattern = regexp.MustCompile(`^[a-z]+(\.[a-z_]+)+$`)
	// state is a word of a program, as states, types and UUIDs are; the times are those that
	// Postgres and RFC 3339 write. No name of a person and no sentence is either.
	state = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,63}$`)
	clock = regexp.MustCompile(`^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d(:?\d\d)?)$`)
)

// ValidTopic reports whether a topic, which is an event's name too, is written as they are:
// file.available.
func ValidTopic(topic string) bool { return len(topic) <= 100 && pattern.MatchString(topic) }

// Public is what of a payload may pass through a third party that can read it.
func (t Template) Public(payload map[string]any) map[string]any {
	public := map[string]any{}
	for _, field := range t.fields {
		switch v := payload[field].(type) {
		case string:
			if state.MatchString(v) || clock.MatchString(v) {
				public[field] = v
			}
		case nil, map[string]any, []any:
		default: // numbers and booleans
			public[field] = v
		}
	}
	return public
}

// Muted reports whether one of a user's mutes covers a topic: the topic itself, or its whole family
// as file.*.
func Muted(topic string, mutes []string) bool {
	family, _, _ := strings.Cut(topic, ".")
	return slices.Contains(mutes, topic) || slices.Contains(mutes, family+".*")
}

// ValidMute reports whether name can be muted: a topic, or a family of them as file.*.
func ValidMute(name string) bool {
	family, all := strings.CutSuffix(name, ".*")
	return ValidTopic(name) || all && ValidTopic(family+".x")
}
