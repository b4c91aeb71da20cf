// Package topic says where a notification goes and who may hear it: the names of channels, which
// are derived from the tenant, and the templates of topics. It decides, and does nothing.
package topic

import (
	"strings"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// Kind is what Pusher makes of a channel, told by its name's prefix.
type Kind string

// The kinds. There are no public channels.
const (
	Private   Kind = "private-"
	Encrypted Kind = "private-encrypted-" // Pusher cannot read its events
	Presence  Kind = "presence-"          // its members see each other's ids
)

// Channel is a channel of an organization: of all of it, of one of its users, or of a topic.
type Channel struct {
	Kind         Kind
	Organization uuid.UUID
	User         uuid.UUID // uuid.Nil: not a user's
	Topic        string    // "": not a topic's
}

// Unroutable is where events end that no template has a place for. It is no channel that anybody
// could subscribe to.
const Unroutable = "unroutable"

// String is the channel's name: private-org-<id>, private-org-<id>-user-<id>,
// private-org-<id>-topic-<name>.
func (c Channel) String() string {
	name := string(c.Kind) + "org-" + c.Organization.String()
	switch {
	case c.User != uuid.Nil:
		return name + "-user-" + c.User.String()
	case c.Topic != "":
		return name + "-topic-" + c.Topic
	}
	return name
}

// Parse reads a channel's name. It takes exactly the names that String writes, so that two names
// never mean one channel.
func Parse(name string) (Channel, bool) {
	var c Channel
	rest := name
	for _, kind := range []Kind{Encrypted, Private, Presence} { // the longer prefix first
		if after, ok := strings.CutPrefix(name, string(kind)); ok {
			c.Kind, rest = kind, after
			break
		}
	}
	rest, ok := strings.CutPrefix(rest, "org-")
	if c.Kind == "" || !ok || len(rest) < 36 {
		return Channel{}, false
	}
	if c.Organization, ok = parseID(rest[:36]); !ok {
		return Channel{}, false
	}
	if rest = rest[36:]; rest != "" {
		if id, isUser := strings.CutPrefix(rest, "-user-"); isUser {
			if c.User, ok = parseID(id); !ok {
				return Channel{}, false
			}
		} else if c.Topic, ok = strings.CutPrefix(rest, "-topic-"); !ok || !ValidName(c.Topic) {
			return Channel{}, false
		}
	}
	return c, c.String() == name
}

func parseID(s string) (uuid.UUID, bool) {
	id, err := uuid.Parse(s)
	return id, err == nil && id != uuid.Nil && id.String() == s
}

// ValidName reports whether a topic's channel may be called so: 1 to 40 lower-case letters, digits
// and underscores, a letter first.
func ValidName(name string) bool {
	if len(name) == 0 || len(name) > 40 || name[0] < 'a' || name[0] > 'z' {
		return false
	}
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' {
			return false
		}
	}
	return true
}

// Of is the organization's own channel of some kind, to be narrowed to a user or a topic.
func Of(kind Kind, organization uuid.UUID) Channel {
	return Channel{Kind: kind, Organization: organization}
}

// To is the channel of a user.
func (c Channel) To(user uuid.UUID) Channel { c.User, c.Topic = user, ""; return c }

// About is the channel of a topic.
func (c Channel) About(name string) Channel { c.Topic, c.User = name, uuid.Nil; return c }

// Rules says who may hear what: the least role for each topic's channel, by name.
type Rules map[string]tenant.Role

// MayHear reports whether a member may subscribe to the channel, and read its history: the
// organization's own, the member's own, and topics that the member's role may hear. A topic that
// has no rule is heard by nobody.
func (r Rules) MayHear(by tenant.Caller, c Channel) bool {
	switch {
	case c.Organization != by.Organization || c.Organization == uuid.Nil:
		return false
	case c.User != uuid.Nil:
		return c.User == by.User
	case c.Topic != "":
		least, ok := r[c.Topic]
		return ok && by.Role.AtLeast(least)
	}
	return by.Role.AtLeast(tenant.Member)
}
