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
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

// Runner runs maintenance.
type Runner struct {
	System   library.System
	DB       *tenantdb.DB
	S3       *s3.Client
	Queue    *sqs.Client
	QueueURL string // of file-processing
	Log      *slog.Logger
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
	Failed   int   `json:"failed"`   // items that the next run tries again
}

// Run works until there is nothing left to do or the context's deadline is near. An item that fails
// is logged and stops no other; the error says how many there were.
func (m *Runner) Run(ctx context.Context) (Summary, error) {
	var done Summary
	for _, step := range []struct {
		name string
		work func(context.Context, *Summary) (more bool, err error)
	}{
		{"uploads", m.checkUploads},
		{"purge", m.purgeFiles()},
		{"objects", m.deleteObjects},
		{"keys", m.expireKeys},
	} {
		for more := true; more && !outOfTime(ctx); {
			var err error
			if more, err = step.work(ctx, &done); err != nil {
				done.Failed++
				m.Log.ErrorContext(ctx, "maintenance step failed", "step", step.name, "error", err)
				break
			}
		}
	}
	m.Log.InfoContext(ctx, "maintenance done", "summary", done)
	if done.Failed > 0 {
		return done, fmt.Errorf("%d items of maintenance failed and are left to the next run",
			done.Failed)
	}
	return done, nil
}

func (m *Runner) now() time.Time { return m.System.Now().UTC().Truncate(time.Microsecond) }

func outOfTime(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && time.Until(deadline) < deadlineMargin
}

// each works on one page, item by item, and reports whether another page is worth a look: this one
// was full, and some of it got done.
func each[T any](ctx context.Context, m *Runner, done *Summary, items []T, work func(T) error,
	attrs func(T) []any) (more bool) {
	progress := 0
	for _, item := range items {
		if outOfTime(ctx) {
			return false
		}
		if err := work(item); err != nil {
			done.Failed++
			m.Log.ErrorContext(ctx, "maintenance item failed",
				append(attrs(item), "error", err)...)
			continue
		}
		progress++
	}
	return len(items) == page && progress > 0
}
