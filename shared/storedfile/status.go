// Package storedfile is what the functions must agree on about a stored file: its states and the
// reasons for them, its variants, its buckets and objects, and what its events say.
package storedfile

// Status is where a file is on its way: a value of files.status.
type Status string

// The states of a file.
const (
	Pending     Status = "pending"     // reserved; the upload has not arrived
	Processing  Status = "processing"  // uploaded; no verdict yet
	Available   Status = "available"   // may be downloaded
	Quarantined Status = "quarantined" // infected; never handed out
	Deleted     Status = "deleted"     // in the trash
	Archived    Status = "archived"
	Failed      Status = "error" // not accepted, see Reason
)

// Statuses returns every state.
func Statuses() []Status {
	return []Status{Pending, Processing, Available, Quarantined, Deleted, Archived, Failed}
}
