package rollup

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/functions/analytics-aggregation/internal/rollup/db"
)

// expirePage is how many rows of an organization one run deletes at most of a kind.
const expirePage = 5000

// expireTenant seals the organization's buckets at the age of its retention, and lets go of what
// was derived and of what its raw rows came with.
func (r *run) expireTenant(ctx context.Context, q *db.Queries, t tenant) error {
	sealed := sealBefore(r.closed, r.window.again.Start, t.retention)
	if err := q.Seal(ctx, db.SealParams{OrganizationID: t.id, Before: sealed}); err != nil {
		return err
	}
	if !r.hourly() {
		return nil
	}
	for interval, before := range map[Interval]time.Time{
		FiveMinutes: r.closed.Add(-time.Duration(r.RetentionDays) * day),
		Hour:        r.closed.Add(-hoursKept), Day: r.closed.Add(-daysKept),
	} {
		if err := expirePeriods(ctx, q, t.id, string(interval), before); err != nil {
			return err
		}
	}
	for _, expire := range []func(context.Context, uuid.UUID) error{
		q.ExpirePresence, q.ExpireQueue, q.ExpireTransfers,
	} {
		if err := expire(ctx, t.id); err != nil {
			return err
		}
	}
	return q.ExpireAlerts(ctx, db.ExpireAlertsParams{OrganizationID: t.id,
		Before: r.closed.Add(-hoursKept)})
}

func expirePeriods(ctx context.Context, q *db.Queries, organization uuid.UUID, granularity string,
	before time.Time) error {
	if _, err := q.ExpireAgentMetrics(ctx, db.ExpireAgentMetricsParams{
		OrganizationID: organization, Granularity: granularity, Before: before, Page: expirePage,
	}); err != nil {
		return err
	}
	err := q.ExpireHealth(ctx, db.ExpireHealthParams{OrganizationID: organization,
		Granularity: granularity, Before: before})
	if err != nil {
		return err
	}
	return q.ExpireUsage(ctx, db.ExpireUsageParams{OrganizationID: organization,
		Granularity: granularity, Before: before})
}

// hourly is true for the first run of an hour: what ends by its age does not have to be looked for
// every five minutes.
func (r *run) hourly() bool {
	return !r.window.fresh.Start.Truncate(time.Hour).Equal(r.window.fresh.End.Truncate(time.Hour))
}

// retain makes the weeks to come and lets go of those whose every bucket is sealed, and of rows of
// organizations that keep theirs for a shorter time. The owner's functions decide what is final.
func (r *run) retain(ctx context.Context) {
	if !r.hourly() {
		return
	}
	for _, table := range []string{"agent_executions", "agent_presence", "file_transfers"} {
		r.step(ctx, "partitions", func() error {
			return r.across(ctx, func(q *db.Queries) error {
				_, err := q.MakePartitions(ctx, table)
				return err
			})
		}, "table", table)
		r.step(ctx, "retention", func() error {
			return r.across(ctx, func(q *db.Queries) error {
				gone, err := q.DropFinalPartitions(ctx,
					db.DropFinalPartitionsParams{TableName: table, Before: r.closed})
				if err == nil {
					r.done.Dropped += int(gone.Dropped)
					r.done.Abandoned += gone.Abandoned
				}
				return err
			})
		}, "table", table)
	}
	r.step(ctx, "platform health", func() error {
		return r.across(ctx, func(q *db.Queries) error {
			return q.ExpirePlatform(ctx, r.closed.Add(-time.Duration(r.RetentionDays)*day))
		})
	})
	r.deleteShorter(ctx)
}

// deleteShorter deletes sealed executions of organizations that keep them for less than the
// deployment.
func (r *run) deleteShorter(ctx context.Context) {
	var rows []db.TenantsRow
	r.step(ctx, "find tenants", func() error {
		return r.across(ctx, func(q *db.Queries) (err error) {
			rows, err = q.Tenants(ctx)
			return err
		})
	})
	for _, row := range rows {
		if row.DataRetentionDays == nil || int(*row.DataRetentionDays) >= r.RetentionDays {
			continue
		}
		for more := true; more && !r.outOfTime(ctx); {
			more = false
			r.step(ctx, "retention", func() error {
				return r.across(ctx, func(q *db.Queries) error {
					gone, err := q.DeleteFinalExecutions(ctx,
						db.DeleteFinalExecutionsParams{OrganizationID: row.ID, Most: expirePage})
					if err == nil {
						r.done.Deleted += gone.Deleted
						r.done.Abandoned += gone.Abandoned
						more = gone.Deleted == expirePage
					}
					return err
				})
			}, "organization_id", row.ID)
		}
	}
}
