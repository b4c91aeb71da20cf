package httpapi

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/shared/fault"
)

// admitOne takes one request from the bucket of the user and from that of the organization, by the
// generic cell rate algorithm (ITU-T I.371, annex A, virtual scheduling): tat is the theoretical
// arrival time of the next request, a request moves it on by step, and it may run ahead of the
// clock by at most span. With a limit of n a minute, step is 60 s / n and span n steps: n requests
// at once at most, and n more for each minute that passes.
//
// A user has a share of the organization's limit: a member a quarter, staff and admins half, so
// that one token cannot use up what a school has. The last tenth is kept for admins, who may have
// to stop what uses up the rest. The user's bucket comes first, and who is refused there costs the
// others nothing. A share is rounded up, so that everybody has one.
//
// One statement, so that nobody can come between look and take; the database's clock, so that there
// is only one. The bearer must be a member: one who was removed cannot use up what the others have.
// $3 is whether an organization that is suspended or cancelled may do this.
const admitOne = `
WITH asker AS (
	SELECT o.status, m.role, l.step, l.step * (n - CASE m.role WHEN 'admin' THEN 0
		ELSE n / 10 END) AS span,
		l.own_step, l.own_step * own_n AS own_span
	FROM memberships m
	JOIN organizations o ON o.id = m.organization_id
	CROSS JOIN LATERAL (SELECT o.rate_limit_per_minute AS n) AS organization
	CROSS JOIN LATERAL (SELECT ceil(n / CASE m.role WHEN 'member' THEN 4.0
		ELSE 2.0 END)::integer AS own_n) AS share
	CROSS JOIN LATERAL (
		SELECT interval '1 microsecond' * (60000000 / n) AS step,
			interval '1 microsecond' * (60000000 / own_n) AS own_step
	) l
	WHERE m.organization_id = $1 AND m.user_id = $2 AND m.removed_at IS NULL
), own AS (
	INSERT INTO rate_limits AS r (organization_id, bucket, tat)
	SELECT $1, 'write ' || $2::uuid, clock_timestamp() + own_step FROM asker
	WHERE $3 OR status NOT IN ('suspended', 'cancelled')
	ON CONFLICT (organization_id, bucket) DO UPDATE
	SET tat = greatest(r.tat, clock_timestamp()) + (SELECT own_step FROM asker)
	WHERE greatest(r.tat, clock_timestamp()) + (SELECT own_step
		FROM asker) <= clock_timestamp() + (SELECT own_span FROM asker)
	RETURNING 1
), everybodys AS (
	INSERT INTO rate_limits AS r (organization_id, bucket, tat)
	SELECT $1, 'write', clock_timestamp() + step FROM asker, own
	ON CONFLICT (organization_id, bucket) DO UPDATE
	SET tat = greatest(r.tat, clock_timestamp()) + (SELECT step FROM asker)
	WHERE greatest(r.tat, clock_timestamp()) + (SELECT step
		FROM asker) <= clock_timestamp() + (SELECT span FROM asker)
	RETURNING 1
)
SELECT asker.status, asker.role, EXISTS (SELECT FROM own), EXISTS (SELECT FROM everybodys),
	coalesce(extract(epoch FROM u.tat + asker.own_step - asker.own_span - clock_timestamp()),
		0)::float8,
	coalesce(extract(epoch FROM r.tat + asker.step - asker.span - clock_timestamp()), 0)::float8
FROM asker
LEFT JOIN rate_limits u ON u.organization_id = $1 AND u.bucket = 'write ' || $2::uuid
LEFT JOIN rate_limits r ON r.organization_id = $1 AND r.bucket = 'write'`

// admit counts a write, in a transaction of its own: the organization's row is everybody's, and a
// request's whole transaction would hold it for too long.
func (a *API) admit(ctx context.Context, who identity, how access) (standing, error) {
	is, err := a.takeOne(ctx, who, how)
	if !errors.Is(err, pgx.ErrNoRows) {
		return is, err
	}
	if _, err := a.membership(ctx, who); err != nil { // this lets a new member in or says why not
		return standing{}, err
	}
	return a.takeOne(ctx, who, how)
}

func (a *API) takeOne(ctx context.Context, who identity, how access) (is standing, err error) {
	var (
		own, everybodys     bool
		ownWait, sharedWait float64
	)
	batch := &pgx.Batch{}
	batch.Queue(admitOne, who.organization, who.user,
		how == recording).QueryRow(func(row pgx.Row) error {
		return row.Scan(&is.status, &is.role, &own, &everybodys, &ownWait, &sharedWait)
	})
	if err := a.db.Once(ctx, who.organization, batch); err != nil {
		return standing{}, err
	}
	switch {
	case how == writing && !is.status.MayWrite():
		return is, errSuspended()
	case !own:
		return is, limited("You write faster than your share of your organization's limit for a "+
			"minute allows. Wait as long as Retry-After says.", ownWait)
	case !everybodys:
		return is, limited("Your organization writes faster than its limit for a minute allows. "+
			"Wait as long as Retry-After says.", sharedWait)
	}
	return is, nil
}

func limited(detail string, seconds float64) error {
	return fault.New(fault.Limited, "rate-limited",
		detail).After(max(time.Second, time.Duration(seconds*float64(time.Second))))
}
