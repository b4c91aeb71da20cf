package ingest

import "github.com/toolboxai-solutions/satchel/shared/storedfile"

// maxAttempts is how often work on a file is begun before it is given up. It is below the queue's
// receive count, so that a file which ends every worker gets a verdict that its uploader can see
// rather than a place in the dead-letter queue.
const maxAttempts = 4

// reservation is what a claim decides on: the upload's row, locked.
type reservation struct {
	objectVersion string // of the first claim; "" before it
	attempts      int
	leased        bool
	lastError     string
}

type decision string

const (
	proceed    decision = "proceed"
	exhausted  decision = "exhausted"  // it has had its attempts: end it
	superseded decision = "superseded" // nothing waits for this object: delete it
	busy       decision = "busy"       // another worker holds it: come back
)

// decide says what to do about one version of an uploaded object; r is nil when nothing waits for
// its key: never reserved, another tenant's, cancelled, or settled already. That another version
// won is final even while the winner is being worked on.
func decide(r *reservation, objectVersion string) decision {
	switch {
	case r == nil:
		return superseded
	case r.objectVersion != "" && r.objectVersion != objectVersion:
		return superseded
	case r.leased:
		return busy
	case r.attempts >= maxAttempts:
		return exhausted
	}
	return proceed
}

// exhaustedReason names what the last attempt failed on where that is something an operator can
// repair.
func exhaustedReason(r reservation) storedfile.Reason {
	if r.lastError == string(storedfile.ScannerUnavailable) {
		return storedfile.ScannerUnavailable
	}
	return storedfile.TooManyAttempts
}
