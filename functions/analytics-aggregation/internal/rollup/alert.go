package rollup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/analytics-aggregation/internal/rollup/db"
	"github.com/toolboxai-solutions/satchel/shared/outbox"
)

// An alert is told once for each episode. What was told last decides whether an episode is new, not
// the figures of before, which may change: later data never alerts again.

// subject is something that is in one of several states, of which the last that was recorded is
// kept. Its states are kinds of alerts; the first is where it begins and returns to, and is not
// told.
type subject []string

// alert records and tells what changed by the end of the last bucket.
func (r *run) alert(ctx context.Context, tx pgx.Tx, t tenant, through time.Time) error {
	q := db.New(tx)
	rows, err := vitalsIn(ctx, q, t.id, FiveMinutes,
		Period{through.Add(-healthBuckets * BucketLength), through})
	if err != nil {
		return err
	}
	vitals := map[time.Time]Vitals{}
	for _, row := range rows {
		vitals[row.start] = row.Vitals
	}
	batch := &pgx.Batch{}
	a := alerter{q: q, batch: batch, organization: t.id}
	if err := a.health(ctx, healthAt(through, vitals)); err != nil {
		return err
	}
	if err := a.quota(ctx, through); err != nil {
		return err
	}
	if err := a.anomalies(ctx, t, through); err != nil {
		return err
	}
	if batch.Len() == 0 {
		return nil
	}
	return tx.SendBatch(ctx, batch).Close()
}

type alerter struct {
	q            *db.Queries
	batch        *pgx.Batch
	organization uuid.UUID
}

func (a alerter) health(ctx context.Context, h Health) error {
	states := subject{"health.recovered", "health.critical"}
	now := states[0]
	switch h.State {
	case Critical:
		now = states[1]
	case NoData: // neither: whoever fell silent in a crisis has not recovered
		return nil
	}
	payload := map[string]any{"state": h.State, "score": h.Score, "since": h.Since}
	return a.move(ctx, states, now, h.Since, payload, true)
}

// The shares of the quota at which the organization is told, and the share to fall below again.
var quotaLevels = []struct {
	kind   string
	at, to float64 // per cent
}{{"quota.normal", 0, 0}, {"quota.warning", 80, 75}, {"quota.critical", 95, 90}}

func (a alerter) quota(ctx context.Context, now time.Time) error {
	quota, err := a.q.Quota(ctx, a.organization)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil || quota.TotalBytes == 0 {
		return err
	}
	used := 100 * float64(quota.UsedBytes+quota.ReservedBytes) / float64(quota.TotalBytes)
	states := make(subject, len(quotaLevels))
	for i, level := range quotaLevels {
		states[i] = level.kind
	}
	last, err := a.last(ctx, states)
	if err != nil {
		return err
	}
	was, is := 0, 0
	for i, level := range quotaLevels {
		if level.kind == last {
			was = i
		}
		if used >= level.at {
			is = i
		}
	}
	for was > is && used >= quotaLevels[was].to { // it falls only once it is well below
		is++
	}
	payload := map[string]any{
		"percent": used, "used_bytes": quota.UsedBytes, "reserved_bytes": quota.ReservedBytes,
		"total_bytes": quota.TotalBytes,
	}
	return a.move(ctx, states, states[is], now, payload, is > was)
}

func (a alerter) anomalies(ctx context.Context, t tenant, through time.Time) error {
	hour := hourOf(through.Add(-time.Nanosecond), t.zone)
	if hour.End.After(through) {
		hour = hourOf(hour.Start.Add(-time.Nanosecond), t.zone)
	}
	series, err := loadHours(ctx, a.q, a.organization, hour, t.zone)
	if err != nil {
		return err
	}
	for _, m := range measures() {
		found, ok := series.compare(m, hour.Start, t.zone)
		if !ok {
			continue
		}
		states := subject{"normal." + m.name, "anomaly." + m.name}
		now := states[0]
		if found.Anomalous() {
			now = states[1]
		}
		payload := map[string]any{
			"metric": m.name, "seen": found.Seen, "expected": found.Expected, "score": found.Score,
			"since": hour.Start,
		}
		if err := a.move(ctx, states, now, hour.Start, payload, now == states[1]); err != nil {
			return fmt.Errorf("alert of %s: %w", m.name, err)
		}
	}
	return nil
}

// move records a change of state, and tells it if it is to be told.
func (a alerter) move(ctx context.Context, states subject, now string, since time.Time,
	payload map[string]any, tell bool) error {
	last, err := a.last(ctx, states)
	if err != nil || last == now {
		return err
	}
	recorded, err := a.q.RecordAlert(ctx, db.RecordAlertParams{OrganizationID: a.organization,
		Kind: now, StartedAt: since})
	if err != nil || recorded == 0 || !tell {
		return err
	}
	topic := now
	if kind, ok := payload["metric"].(string); ok && now == "anomaly."+kind {
		topic = "metric.anomaly"
	}
	return outbox.Queue(a.batch, a.organization,
		outbox.Notification{Topic: topic, Subject: a.organization, Payload: payload})
}

func (a alerter) last(ctx context.Context, states subject) (string, error) {
	last, err := a.q.LastAlert(ctx, db.LastAlertParams{OrganizationID: a.organization,
		Kinds: states})
	if errors.Is(err, pgx.ErrNoRows) {
		return states[0], nil
	}
	return last, err
}
