package httpapi

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/shared/fault"
)

// admitOne takes one request from the organization's bucket by the generic cell rate algorithm
// (ITU-T I.371, annex A, virtual scheduling): tat is the theoretical arrival time of the next
// request, a request moves it on by step, and it may run ahead of the clock by at most span. With a
// limit of n a minute, step is 60 s / n and span n steps: n requests at once at most, and n more
// for each minute that passes. One statement, so that nobody can come between look and take; the
// database's clock, so that there is only one. The bearer must be a member: one who was removed
// cannot use up what the others have.
const admitOne = `
WITH asker AS (
	SELECT o.status, l.step, l.step * o.rate_limit_per_minute AS span
	FROM memberships m
	JOIN organizations o ON o.id = m.organization_id
	CROSS JOIN LATERAL (SELECT interval '1 microsecond' * (60000000 / o.rate_limit_per_minute) AS step) l
	WHERE m.organization_id = $1 AND m.user_id = $2 AND m.removed_at IS NULL
), admitted AS (
	INSERT INTO rate_limits AS r (organization_id, bucket, tat)
	SELECT $1, 'write', clock_timestamp() + step FROM asker WHERE status NOT IN ('suspended', 'cancelled')
	ON CONFLICT (organization_id, bucket) DO UPDATE
	SET tat = greatest(r.tat, clock_timestamp()) + (SELECT step FROM asker)
	WHERE greatest(r.tat, clock_timestamp()) + (SELECT step FROM asker) <= clock_timestamp() + (SELECT span FROM asker)
	RETURNING 1
)
SELECT asker.status, EXISTS (SELECT FROM admitted),
	coalesce(extract(epoch FROM r.tat + asker.step - asker.span - clock_timestamp()), 0)::float8
FROM asker
LEFT JOIN rate_limits r ON r.organization_id = $1 AND r.bucket = 'write'`

// admit counts a write against the organization's limit, in a short transaction of its own: the row
// is everybody's, and a request's whole transaction would hold it for too long.
func (a *API) admit(ctx context.Context, who identity) error {
	return a.db.InTenant(ctx, who.organization, func(tx pgx.Tx) error {
		err := takeOne(ctx, tx, who)
		if !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		// no member yet: this lets one in or says why not
		if _, _, err := a.membership(ctx, tx, who); err != nil {
			return err
		}
		return takeOne(ctx, tx, who)
	})
}

func takeOne(ctx context.Context, tx pgx.Tx, who identity) error {
	var (
		status   string
		admitted bool
		wait     float64
	)
	if err := tx.QueryRow(ctx, admitOne, who.organization, who.user).Scan(&status, &admitted,
		&wait); err != nil {
		return err
	}
	switch {
	case frozen(status):
		return errSuspended()
	case !admitted:
		return fault.New(fault.Limited, "rate-limited",
			"Your organization writes faster than its limit for a minute allows. Wait "+
				"as long as Retry-After says.",
		).After(max(time.Second, time.Duration(wait*float64(time.Second))))
	}
	return nil
}
