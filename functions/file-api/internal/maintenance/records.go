package maintenance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/maintenance/db"
)

const (
	// originDays is how long the address and the agent of a record are kept, in days.
	originDays = 30
	// Partitions that are kept ready. What comes later than that is kept all the same, in the
	// default partition.
	monthsAhead = 2
	daysAhead   = 7
	// recordsPage bounds one statement's row locks and WAL.
	recordsPage = 5000
)

// partitions makes those of the access log that will be needed, and drops those that are over.
// Neither keeps the other from its turn.
func (m *Runner) partitions(ctx context.Context, _ slice) (done Summary, _ bool, err error) {
	made, err := across(ctx, m, "make partitions of the access log",
		func(q *db.Queries) (db.MakeRecordPartitionsRow, error) {
			return q.MakeRecordPartitions(ctx,
				db.MakeRecordPartitionsParams{Months: monthsAhead, Days: daysAhead})
		})
	dropped, dropErr := across(ctx, m, "drop partitions of the access log",
		func(q *db.Queries) (db.DropRecordPartitionsRow, error) {
			return q.DropRecordPartitions(ctx, db.DropRecordPartitionsParams{
				RecordDays: int32(m.RecordDays),
				OriginDays: int32(min(m.RecordDays, originDays)),
			})
		})
	return Summary{Made: int(made.Months + made.Days), Dropped: int(dropped.Months + dropped.Days)},
		false, errors.Join(err, dropErr)
}

// expireRecords deletes what organizations that keep their data for a shorter time have in the
// access log from before it.
func (m *Runner) expireRecords(ctx context.Context, s slice) (all Summary, _ bool, err error) {
	shorter, err := across(ctx, m, "find organizations with a shorter retention",
		func(q *db.Queries) ([]db.ShorterRetentionRow, error) {
			return q.ShorterRetention(ctx, int32(m.RecordDays))
		})
	var errs []error
	for _, o := range shorter {
		before := m.now().AddDate(0, 0, -int(o.Days))
		for n := int64(recordsPage); n == recordsPage && !s.over(ctx); {
			err := m.DB.InTenant(ctx, o.ID, func(tx pgx.Tx) (err error) {
				n, err = db.New(tx).DeleteRecords(ctx, db.DeleteRecordsParams{
					OrganizationID: o.ID, Before: before, Page: recordsPage,
				})
				return err
			})
			if err != nil {
				errs = append(errs, fmt.Errorf("delete access log of %s: %w", o.ID, err))
				break
			}
			all.Records += n
		}
	}
	return all, false, errors.Join(append(errs, err)...)
}

func (m *Runner) expireLimits(ctx context.Context, _ slice) (Summary, bool, error) {
	n, err := across(ctx, m, "delete idle rate limits", func(q *db.Queries) (int64, error) {
		return q.DeleteIdleLimits(ctx, m.now().Add(-time.Hour))
	})
	return Summary{Limits: n}, false, err
}
