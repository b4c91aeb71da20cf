package rollup

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/analytics-aggregation/internal/rollup/db"
)

// tenant is an organization whose metrics are brought up to date.
type tenant struct {
	id        uuid.UUID
	zone      *time.Location
	timezone  string
	retention time.Duration
}

// changesPage is how many changed five-minute periods one transaction takes on: a day.
const changesPage = 288

// updateTenants merges hours and days, computes usage and judges health, an organization at a time,
// those first that are furthest behind. Five-minute rows are complete up to through. It is false
// when one of them is left to the next run.
func (r *run) updateTenants(ctx context.Context, through time.Time) (whole bool) {
	var rows []db.TenantsRow
	found := r.step(ctx, "find tenants", func() error {
		return r.across(ctx, func(q *db.Queries) (err error) {
			rows, err = q.Tenants(ctx)
			return err
		})
	})
	if !found {
		return false
	}
	whole = true
	r.done.Lag = r.closed.Sub(through).Seconds()
	for _, row := range rows {
		if r.outOfTime(ctx) {
			r.done.Lag = max(r.done.Lag, time.Since(through).Seconds())
			return false
		}
		t, updated := r.tenantOf(ctx, row), false
		ok := r.step(ctx, "update tenant", func() (err error) {
			updated, err = r.update(ctx, t, through)
			return err
		}, "organization_id", t.id)
		if ok {
			r.done.Tenants++
		}
		whole = whole && ok && updated
	}
	return whole
}

// tenantOf takes UTC for a time zone that Go does not know.
func (r *run) tenantOf(ctx context.Context, row db.TenantsRow) tenant {
	zone, err := time.LoadLocation(row.Timezone)
	if err != nil {
		r.Log.WarnContext(ctx, "time zone is unknown: UTC stands for it", "organization_id", row.ID,
			"timezone", row.Timezone)
		zone = time.UTC
	}
	return tenant{row.ID, zone, row.Timezone,
		effectiveRetention(r.RetentionDays, row.DataRetentionDays)}
}

// update is a transaction for each page of usage and changes, until there are none. It is false
// when something is left: another run is at it, or time is up.
func (r *run) update(ctx context.Context, t tenant, through time.Time) (whole bool, err error) {
	var done time.Time // usage is computed up to here
	for more := true; more; {
		if r.outOfTime(ctx) {
			return false, nil
		}
		err := r.DB.InTenant(ctx, t.id, func(tx pgx.Tx) error {
			lock := db.TryLockTenantParams{Class: tenantLocks, OrganizationID: t.id}
			if whole, err = db.New(tx).TryLockTenant(ctx, lock); err != nil || !whole {
				return err
			}
			done, more, err = r.updatePage(ctx, tx, t, done, through)
			return err
		})
		if err != nil || !whole {
			return false, err
		}
	}
	return true, nil
}

// usagePage is the next page of usage to compute, at from or after it: what is computed again ends
// at again, and what was not computed yet begins at known.
func usagePage(from, again, known, through time.Time) Period {
	if !from.Before(again) && from.Before(known) {
		from = known
	}
	p := Period{from, earlier(from.Add(changesPage*BucketLength), through)}
	if from.Before(again) && again.Before(known) {
		p.End = earlier(p.End, again)
	}
	return p
}

// updatePage goes on with usage from where the page before ended; the zero time is the first page.
func (r *run) updatePage(ctx context.Context, tx pgx.Tx, t tenant, from, through time.Time,
) (done time.Time, more bool, err error) {
	q := db.New(tx)
	known, err := r.tenantBegin(ctx, q, t)
	if err != nil {
		return from, false, err
	}
	if from.IsZero() {
		from = earlier(r.window.again.Start, known)
	}
	page := usagePage(from, r.again, known, through)
	done, more = page.End, page.End.Before(through)
	changed, err := q.TakeChanges(ctx, db.TakeChangesParams{OrganizationID: t.id,
		Page: changesPage})
	if err != nil {
		return from, false, err
	}
	for i := range changed {
		changed[i] = changed[i].UTC()
	}
	more = more || len(changed) == changesPage
	if err := mergeChanged(ctx, q, t, changed); err != nil {
		return from, false, err
	}
	usage := slices.Concat(bucketsIn(page), changed)
	if err := mergeUsage(ctx, q, t, usage); err != nil {
		return from, false, err
	}
	complete := done
	if known.After(complete) {
		complete = known
	}
	err = q.SaveTenant(ctx, db.SaveTenantParams{
		OrganizationID: t.id, Timezone: t.timezone, CompleteThrough: complete,
	})
	if err != nil || more {
		return done, more, err
	}
	if err := r.alert(ctx, tx, t, through); err != nil {
		return done, false, err
	}
	return done, false, r.expireTenant(ctx, q, t)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// tenantBegin is up to where the organization's metrics are complete. A changed time zone has all
// its hours and days merged again.
func (r *run) tenantBegin(ctx context.Context, q *db.Queries, t tenant) (time.Time, error) {
	known, err := q.Tenant(ctx, t.id)
	if errors.Is(err, pgx.ErrNoRows) {
		return r.window.again.Start, nil
	}
	if err == nil && known.Timezone != t.timezone {
		err = r.changeZone(ctx, q, t)
	}
	return known.CompleteThrough.UTC(), err
}

// changeZone forgets the hours and days of which all five-minute rows exist, and has them merged in
// the new zone. Those before stay as they were.
func (r *run) changeZone(ctx context.Context, q *db.Queries, t tenant) error {
	oldest, err := q.OldestFiveMinutes(ctx, t.id)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	first := dayOf(oldest, t.zone)
	since := first.Start
	// some of its rows are gone
	if since.Before(r.closed.Add(-time.Duration(r.RetentionDays) * day)) {
		since = first.End
	}
	if err := q.ForgetAgentPeriods(ctx, db.ForgetAgentPeriodsParams{OrganizationID: t.id,
		Since: since}); err != nil {
		return err
	}
	if err := q.ForgetHealthPeriods(ctx, db.ForgetHealthPeriodsParams{OrganizationID: t.id,
		Since: since}); err != nil {
		return err
	}
	if err := q.ForgetUsagePeriods(ctx, db.ForgetUsagePeriodsParams{OrganizationID: t.id,
		Since: since}); err != nil {
		return err
	}
	return q.MarkAll(ctx, db.MarkAllParams{OrganizationID: t.id, Since: since})
}
