package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/shared/telemetry"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

// Sweep does what no doorbell will: it rings where a ring was lost, and ends what has had its time.
type Sweep struct {
	DB        *tenantdb.DB
	Ring      func(context.Context) error
	Retention time.Duration // of history, attempts, what died, and cursors
	Metrics   telemetry.Metrics
	Log       *slog.Logger
}

const (
	// look is how often the sweep looks while something is due before its time is up.
	look = time.Second
	// sweepTime bounds a run where its context does not: the next begins after a minute.
	sweepTime = 50 * time.Second
	// weeksAhead of partitions are kept ready.
	weeksAhead = 4
	// socketAge is far longer than a browser stays connected.
	socketAge = 7 * 24 * time.Hour
	// sweepPage bounds one statement's locks.
	sweepPage = 5000
	// pacePage is larger: a bucket is made for each recipient and channel that is sent anything.
	pacePage = 50_000
	// mostCounted is where counting what is dead ends.
	mostCounted = 10_000
)

// Swept is what a run did.
type Swept struct {
	Rung    int   `json:"rung"`
	Made    int   `json:"partitions_made"`
	Dropped int   `json:"partitions_dropped"`
	Expired int64 `json:"expired"`
}

// Run ends what is over, tells how things stand, and then rings once a second as long as something
// is due before its time is up.
func (s *Sweep) Run(ctx context.Context) (Swept, error) {
	until := time.Now().Add(sweepTime)
	if deadline, ok := ctx.Deadline(); ok && deadline.Add(-closing).Before(until) {
		until = deadline.Add(-closing)
	}
	var done Swept
	// One failing must not keep the others, and least of all the ringing, from their turn.
	errs := errors.Join(s.partitions(ctx, &done), s.expire(ctx, &done), s.measure(ctx))
	for {
		wait, err := dueIn(ctx, s.DB)
		if err != nil {
			return done, errors.Join(errs, err)
		}
		if time.Until(until) < wait {
			return done, errs
		}
		if wait == 0 {
			if err := s.Ring(ctx); err != nil {
				return done, errors.Join(errs, fmt.Errorf("ring the doorbell: %w", err))
			}
			done.Rung++
		}
		if !pause(ctx, min(max(wait, look), look), until) {
			return done, errs
		}
	}
}

const (
	makePartitions = `
SELECT make_partitions('notifications', $1) + make_partitions('notification_attempts', $1)`
	dropPartitions = `
SELECT drop_partitions('notifications', now() - $1::interval)
	+ drop_partitions('notification_attempts', now() - $1::interval)`
	countForgotten = `
SELECT count(*) FROM (SELECT recorded_at FROM notification_dead
	WHERE recorded_at < now() - $1::interval ORDER BY 1 LIMIT $2) old`
	// Each is bounded, oldest first.
	forgetDead = `
DELETE FROM notification_dead WHERE recorded_at <= (SELECT max(recorded_at) FROM (
	SELECT recorded_at FROM notification_dead WHERE recorded_at < now() - $1::interval ORDER BY 1
		LIMIT $2) old)`
	forgetAcks = `
DELETE FROM notification_acks WHERE acked_at <= (SELECT max(acked_at) FROM (
	SELECT acked_at FROM notification_acks WHERE acked_at < now() - $1::interval ORDER BY 1
		LIMIT $2) old)`
	forgetSockets = `
DELETE FROM notification_sockets WHERE authenticated_at <= (SELECT max(authenticated_at) FROM (
	SELECT authenticated_at FROM notification_sockets WHERE authenticated_at < now() - $1::interval
	ORDER BY 1 LIMIT $2) old)`
	forgetKeys = `
DELETE FROM notification_keys WHERE expires_at <= (SELECT max(expires_at) FROM (
	SELECT expires_at FROM notification_keys WHERE expires_at < now() ORDER BY 1 LIMIT $1) old)`
	// A bucket that is empty again says the same as none.
	forgetPace = `
DELETE FROM notification_pace WHERE tat_hour < now() AND tat_minute <= (SELECT max(tat_minute) FROM (
	SELECT tat_minute FROM notification_pace
	WHERE tat_minute < now() - interval '1 hour' AND tat_hour < now() ORDER BY 1 LIMIT $1) old)`
)

// partitions makes those to come and drops those that are over. A dead notification goes with the
// history that it would be sent from; how many do is told before.
func (s *Sweep) partitions(ctx context.Context, done *Swept) error {
	err := s.DB.AcrossTenants(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, makePartitions, weeksAhead).Scan(&done.Made)
	})
	if err != nil {
		return fmt.Errorf("make partitions: %w", err)
	}
	var forgotten int
	err = s.DB.AcrossTenants(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, countForgotten, s.Retention, sweepPage).Scan(&forgotten)
	})
	if err != nil {
		return fmt.Errorf("count dead notifications: %w", err)
	}
	s.Metrics.Emit(
		nil,
		telemetry.Metric{Name: "DeadForgotten", Unit: telemetry.Count, Value: float64(forgotten)},
	)
	err = s.DB.AcrossTenants(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, dropPartitions, s.Retention).Scan(&done.Dropped)
	})
	if err != nil {
		return fmt.Errorf("drop partitions: %w", err)
	}
	return nil
}

func (s *Sweep) expire(ctx context.Context, done *Swept) error {
	for sql, arguments := range map[string][]any{
		forgetDead: {s.Retention, sweepPage}, forgetAcks: {s.Retention, sweepPage},
		forgetSockets: {socketAge, sweepPage}, forgetKeys: {sweepPage}, forgetPace: {pacePage},
	} {
		err := s.DB.AcrossTenants(ctx, func(tx pgx.Tx) error {
			tag, err := tx.Exec(ctx, sql, arguments...)
			done.Expired += tag.RowsAffected()
			return err
		})
		if err != nil {
			return fmt.Errorf("end what is over: %w", err)
		}
	}
	return nil
}

// measureWaiting looks at the head of each inbox, and at the oldest of what waits in channels.
const measureWaiting = `
WITH RECURSIVE t AS (
	(SELECT organization_id, created_at FROM notification_inbox
		ORDER BY organization_id, position LIMIT 1)
	UNION ALL
	SELECT i.organization_id, i.created_at FROM t CROSS JOIN LATERAL (
		SELECT organization_id, created_at FROM notification_inbox
		WHERE organization_id > t.organization_id ORDER BY organization_id, position LIMIT 1
	) i
)
SELECT coalesce(extract(epoch FROM clock_timestamp() - least(
	(SELECT min(created_at) FROM t),
	(SELECT min(queued_at) FROM notification_deliveries)
)), 0)::float8, (SELECT count(*) FROM (SELECT recorded_at FROM notification_dead LIMIT $1) d)`

// measure tells the age of the oldest that waits, and how many are dead, or mostCounted.
func (s *Sweep) measure(ctx context.Context) error {
	var age float64
	var dead int64
	err := s.DB.AcrossTenants(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, measureWaiting, mostCounted).Scan(&age, &dead)
	})
	if err != nil {
		return fmt.Errorf("measure what waits: %w", err)
	}
	s.Metrics.Emit(nil,
		telemetry.Metric{Name: "OldestWaiting", Unit: telemetry.Milliseconds, Value: age * 1000},
		telemetry.Metric{Name: "NotificationsDeadNow", Unit: telemetry.Count, Value: float64(dead)})
	return nil
}
