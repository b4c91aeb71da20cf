// Package library keeps an organization's files: who may see and change them, what room they take,
// how they come in and go out, and when they are let go. It decides and records; the bytes travel
// between the client and the object store by signed forms and links.
//
// Every method of Library works in the caller's transaction, does no I/O besides it, and answers
// faults (package fault).
package library

import (
	"time"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/mediatype"
)

// Library is the rules for the files of every organization.
type Library struct {
	Limits  Limits
	Buckets Buckets
	Signer  Signer
	Now     func() time.Time
}

// Limits are those of the whole installation; an organization's own are in its quota.
type Limits struct {
	MaxFileSize int64 // bytes
	Allowed     mediatype.Patterns
}

// Buckets are where objects are: uploads in Incoming, what was accepted in Files, what must not be
// handed out in Quarantine.
type Buckets struct {
	Incoming   string
	Files      string
	Quarantine string
}

// Position is a place in a list that is ordered by time and id, newest first.
type Position struct {
	Time time.Time
	ID   uuid.UUID
}

// now is cut to what Postgres keeps, so that what is answered equals what is read later.
func (l *Library) now() time.Time { return l.Now().UTC().Truncate(time.Microsecond) }

func notFound() error {
	return fault.New(fault.NotFound, "file-not-found",
		"There is no such file, or it is not one that you can see. Check the id.")
}

func notYours(what string) error {
	return fault.New(fault.Forbidden, "not-allowed", what)
}
