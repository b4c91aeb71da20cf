// Package library holds the rules for an organization's files: who may see and change them, what
// space they take, how they are uploaded and downloaded, and when they are deleted. It decides and
// records; content travels between the client and the object store by signed forms and links.
//
// Everything here works in its caller's transaction, does no other I/O, and returns faults (package
// fault). Library acts for a user; System, which maintenance drives, for nobody.
package library

import (
	"cmp"
	"time"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/mediatype"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
)

// Library is the rules for the files of every organization.
type Library struct {
	Limits  Limits
	Buckets storedfile.Buckets
	Signer  Signer
	Now     func() time.Time
}

// Limits are those of the whole installation; an organization's own are in its quota.
type Limits struct {
	MaxFileSize int64 // bytes
	Allowed     mediatype.Patterns
	OpenUploads int // uploads of one user that have not arrived; 0: DefaultOpenUploads
}

// DefaultOpenUploads lets a folder of photos be dropped at once.
const DefaultOpenUploads = 100

func (l Limits) openUploads() int { return cmp.Or(l.OpenUploads, DefaultOpenUploads) }

// Position is a place in a list that is ordered by time and id, newest first.
type Position struct {
	Time time.Time
	ID   uuid.UUID
}

// timestamp is cut to what Postgres keeps, so that what is answered equals what is read later.
func timestamp(now func() time.Time) time.Time { return now().UTC().Truncate(time.Microsecond) }

func notFound() error {
	return fault.New(fault.NotFound, "file-not-found",
		"There is no such file, or you do not have access to it. Check the id.")
}

func notAllowed(detail string) error {
	return fault.New(fault.Forbidden, "not-allowed", detail)
}
