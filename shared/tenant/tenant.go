// Package tenant says who is asking: which user, for which organization, in which role.
package tenant

import (
	"crypto/sha256"
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

// UserID returns the id of the user whom issuer calls subject: a version 8 UUID (RFC 9562) of
// SHA-256 over both with a zero byte between. Being a function of the token it needs no look-up in
// the users table, which no tenant may search; the migrations' user_id is the same function, so
// that the database need not take anybody's word for it.
func UserID(issuer, subject string) uuid.UUID {
	sum := sha256.Sum256([]byte(issuer + "\x00" + subject))
	id := uuid.UUID(sum[:16])
	id[6] = id[6]&0x0F | 8<<4 // the version
	id[8] = id[8]&0x3F | 0x80 // the variant
	return id
}
