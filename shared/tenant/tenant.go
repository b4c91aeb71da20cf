// Package tenant says who is asking: which user, for which organization, in which role.
package tenant

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"slices"

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

// Roles lists every role, from the least to the most.
func Roles() []Role { return []Role{Member, Staff, Admin} }

// ParseRole returns the role named s.
func ParseRole(s string) (Role, error) {
	if !slices.Contains(Roles(), Role(s)) {
		return "", fmt.Errorf("role %q is unknown: use member, staff or admin", s)
	}
	return Role(s), nil
}

// AtLeast reports whether r may do what least may. An unknown role may do nothing, and is nothing
// that another role could be measured by.
func (r Role) AtLeast(least Role) bool {
	needed := slices.Index(Roles(), least)
	return needed >= 0 && slices.Index(Roles(), r) >= needed
}

// Status is what an organization's contract allows.
type Status string

// The statuses of an organization.
const (
	Active    Status = "active"
	Trial     Status = "trial"
	Pending   Status = "pending"
	Suspended Status = "suspended"
	Cancelled Status = "cancelled"
)

// Statuses lists every status.
func Statuses() []Status { return []Status{Active, Trial, Pending, Suspended, Cancelled} }

// MayWrite reports whether members of an organization of this status may change something. All may
// read; an unknown status allows no more than that.
func (s Status) MayWrite() bool { return s == Active || s == Trial || s == Pending }

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
