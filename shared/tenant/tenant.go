// Package tenant says who is asking: which user, for which organization, in which role.
package tenant

import (
	"fmt"
	"net/netip"

	"github.com/google/uuid"
)

// Role is what a membership allows. Each role may do what the one before it may.
type Role string

// The roles of a membership, from the least to the most.
const (
	Member Role = "member" // a student
	Staff  Role = "staff"  // a teacher
	Admin  Role = "admin"
)

// ParseRole returns the role named s.
func ParseRole(s string) (Role, error) {
	if Role(s).rank() == 0 {
		return "", fmt.Errorf("role %q is unknown: use member, staff or admin", s)
	}
	return Role(s), nil
}

// AtLeast reports whether r may do what least may. An unknown role may do nothing.
func (r Role) AtLeast(least Role) bool { return r.rank() > 0 && r.rank() >= least.rank() }

func (r Role) rank() int {
	switch r {
	case Member:
		return 1
	case Staff:
		return 2
	case Admin:
		return 3
	default:
		return 0
	}
}

// Caller is a user who was found to be a member of an organization, and where the request came
// from. The last three are for access logs and may be empty.
type Caller struct {
	Organization uuid.UUID
	User         uuid.UUID
	Role         Role
	RequestID    string
	IP           *netip.Addr
	UserAgent    string // at most 256 characters, without control characters
}

// UserID returns the id of the user whom issuer calls subject: a version 5 UUID (RFC 9562) of both
// in the URL namespace. Being a function of the token it needs no look-up in the users table, which
// no tenant may search.
func UserID(issuer, subject string) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte(issuer+"\x00"+subject))
}
