package ingest

import (
	"time"

	"github.com/toolboxai-solutions/satchel/shared/storedfile"
)

// maxAttempts is how often a file may end its worker: by a crash, out of memory, out of its own
// time. It is below the queue's receive count, so that such a file gets a verdict that its uploader
// can see rather than a place in the dead-letter queue. What something around the file did is not
// counted.
const maxAttempts = 4

const (
	firstWait   = time.Minute
	longestWait = time.Hour
)

// wait is how long a file that was given back waits, after so many times before: it doubles, up to
// an hour, and lies between half of that and all of it by jitter (from 0 to 1), so that what failed
// together does not come back together.
func wait(retries int, jitter float64) time.Duration {
	longest := min(firstWait<<min(max(retries, 0), 10), longestWait)
	return longest/2 + time.Duration(float64(longest/2)*jitter)
}

// reservation is what a claim decides on: the upload's row, locked.
type reservation struct {
	objectVersion string // of the first claim; "" before it
	attempts      int
	leased        bool
	waiting       bool // it was given back, and its time has not come
	tooOld        bool
	lastError     string
}

type decision string

const (
	proceed    decision = "proceed"
	exhausted  decision = "exhausted"  // it has had its attempts, or its days: end it
	early      decision = "early"      // it was given back and waits: maintenance sends it again
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
	case r.waiting:
		return early
	case r.attempts >= maxAttempts || r.tooOld:
		return exhausted
	}
	return proceed
}

// exhaustedReason says whose fault the end is: that of the file, which ended its workers, or of
// something around it that was away for days.
func exhaustedReason(r reservation) storedfile.Reason {
	switch {
	case r.attempts >= maxAttempts:
		return storedfile.TooManyAttempts
	case r.lastError == string(storedfile.ScannerUnavailable):
		return storedfile.ScannerUnavailable
	}
	return storedfile.ProcessingUnavailable
}
