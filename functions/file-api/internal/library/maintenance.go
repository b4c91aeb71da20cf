package library

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

// Maintenance does what no event will do: it follows up uploads that went quiet, lets go of files
// whose time has come, and removes their objects. It looks across organizations and acts in one at
// a time. Everything it does can be cut off anywhere and is taken up by the next run.
type Maintenance struct {
	Buckets  Buckets
	DB       *tenantdb.DB
	S3       *s3.Client
	Queue    *sqs.Client
	QueueURL string // of file-processing
	Now      func() time.Time
	Log      *slog.Logger
}

const (
	// page is how much of one kind of work is looked up at a time.
	page = 200
	// reserve is left before the deadline of a run: enough to end the piece of work in hand.
	reserve = 10 * time.Second
)

// Summary counts what a run did.
type Summary struct {
	Requeued int   `json:"requeued"` // uploads whose event or worker was lost
	Expired  int   `json:"expired"`  // reservations given back because nothing was uploaded
	Missing  int   `json:"missing"`  // files whose object is gone
	Purged   int   `json:"purged"`   // files
	Prefixes int   `json:"prefixes"` // entries of the deletion queue that were finished
	Objects  int   `json:"objects"`  // object versions and delete markers removed
	Keys     int64 `json:"keys"`     // idempotency keys that had expired
	Failed   int   `json:"failed"`   // pieces of work that the next run tries again
}

// LogValue makes one group of it.
func (s Summary) LogValue() slog.Value {
	return slog.GroupValue(slog.Int("requeued", s.Requeued), slog.Int("expired", s.Expired),
		slog.Int("missing", s.Missing),
		slog.Int("purged", s.Purged), slog.Int("prefixes", s.Prefixes), slog.Int("objects",
			s.Objects), slog.Int64("keys", s.Keys), slog.Int("failed", s.Failed))
}

// Run works until there is nothing left to do or the context's deadline is near. A piece of work
// that fails is logged and stops no other one; the error says how many there were.
func (u *Maintenance) Run(ctx context.Context) (Summary, error) {
	var done Summary
	for _, step := range []struct {
		name string
		work func(context.Context, *Summary) (more bool, err error)
	}{
		{"uploads", u.checkUploads},
		{"purge", u.purgeFiles()},
		{"objects", u.deleteObjects},
		{"keys", u.expireKeys},
	} {
		for more := true; more && !outOfTime(ctx); {
			var err error
			if more, err = step.work(ctx, &done); err != nil {
				done.Failed++
				u.Log.ErrorContext(ctx, "maintenance step failed", "step", step.name, "error", err)
				break
			}
		}
	}
	u.Log.InfoContext(ctx, "maintenance done", "summary", done)
	if done.Failed > 0 {
		return done, fmt.Errorf("%d pieces of maintenance failed and are left to the next run",
			done.Failed)
	}
	return done, nil
}

func (u *Maintenance) now() time.Time { return u.Now().UTC().Truncate(time.Microsecond) }

func outOfTime(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && time.Until(deadline) < reserve
}

// each works on one page, item by item, and reports whether another page is worth a look: this one
// was full, and some of it got done.
func each[T any](ctx context.Context, u *Maintenance, done *Summary, items []T, work func(T) error,
	attrs func(T) []any) (more bool) {
	progress := 0
	for _, item := range items {
		if outOfTime(ctx) {
			return false
		}
		if err := work(item); err != nil {
			done.Failed++
			u.Log.ErrorContext(ctx, "maintenance item failed", append(attrs(item), "error", err)...)
			continue
		}
		progress++
	}
	return len(items) == page && progress > 0
}
