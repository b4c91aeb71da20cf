// Package maintenance does what no event will do: it follows up uploads that have gone quiet,
// purges files whose time has come, and deletes their objects. It looks across organizations and
// acts in one at a time. Everything it does can be cut off anywhere and is taken up by the next
// run.
//
// It has transactions of its own, S3 and the queue; what may become of a file is for package
// library to decide.
package maintenance

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/library"
	"github.com/toolboxai-solutions/satchel/shared/telemetry"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

// Runner runs maintenance.
type Runner struct {
	System   library.System
	DB       *tenantdb.DB
	S3       *s3.Client
	Queue    *sqs.Client
	QueueURL string // of file-processing
	// RecordDays is how long a record of the access log is kept, in days, where its organization
	// does not keep its data for a shorter time.
	RecordDays int
	Metrics    telemetry.Metrics
	Log        *slog.Logger
}

const (
	// page is how much of one kind of work is looked up at a time.
	page = 200
	// deadlineMargin is left before the deadline of a run: enough to finish the item in hand.
	deadlineMargin = 10 * time.Second
)

// Summary counts what a run did.
type Summary struct {
	Requeued int   `json:"requeued"` // uploads whose event or worker was lost
	Expired  int   `json:"expired"`  // reservations released because nothing was uploaded
	Missing  int   `json:"missing"`  // files whose object is gone
	Purged   int   `json:"purged"`   // files
	Prefixes int   `json:"prefixes"` // entries of the deletion queue that were finished
	Objects  int   `json:"objects"`  // object versions and delete markers deleted
	Keys     int64 `json:"keys"`     // idempotency keys that had expired
	Limits   int64 `json:"limits"`   // rate limits that nobody used any more
	Records  int64 `json:"records"`  // of the access log, of organizations that keep them for less
	Made     int   `json:"made"`     // partitions
	Dropped  int   `json:"dropped"`  // partitions whose time was over
	Failed   int   `json:"failed"`   // items that the next run tries again
}

func (s *Summary) add(done Summary) {
	s.Requeued += done.Requeued
	s.Expired += done.Expired
	s.Missing += done.Missing
	s.Purged += done.Purged
	s.Prefixes += done.Prefixes
	s.Objects += done.Objects
	s.Keys += done.Keys
	s.Limits += done.Limits
	s.Records += done.Records
	s.Made += done.Made
	s.Dropped += done.Dropped
	s.Failed += done.Failed
}

// Run works until there is nothing left to do or the context's deadline is near. An item that fails
// is logged and stops no other; the error says how many there were.
func (m *Runner) Run(ctx context.Context) (Summary, error) {
	done := m.rounds(ctx, []*kind{
		{name: "measure", page: m.measure},
		{name: "uploads", page: m.checkUploads()},
		{name: "retention", page: m.purgeFiles(m.filesPastDeletion)},
		{name: "trash", page: m.purgeFiles(m.filesInTrash)},
		{name: "objects", page: m.deleteObjects},
		{name: "keys", page: m.expireKeys},
		{name: "limits", page: m.expireLimits},
		{name: "partitions", page: m.partitions},
		{name: "records", page: m.expireRecords},
	})
	m.Log.InfoContext(ctx, "maintenance done", "summary", done)
	if done.Failed > 0 {
		return done, fmt.Errorf("%d items of maintenance failed and are left to the next run",
			done.Failed)
	}
	return done, nil
}

func (m *Runner) now() time.Time { return m.System.Now().UTC().Truncate(time.Microsecond) }
