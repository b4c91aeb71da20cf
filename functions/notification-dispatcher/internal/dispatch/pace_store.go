package dispatch

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	// In one order everywhere, so that no two dispatchers wait for each other.
	makeBuckets = `
INSERT INTO notification_pace (organization_id, bucket)
SELECT organization_id, bucket FROM unnest($1::uuid[], $2::text[]) AS b (organization_id, bucket)
	ORDER BY organization_id, bucket
ON CONFLICT DO NOTHING`
	lockBuckets = `
SELECT p.organization_id, p.bucket, greatest(p.tat_minute, '1970-01-01'),
	greatest(p.tat_hour, '1970-01-01')
FROM notification_pace p
JOIN unnest($1::uuid[], $2::text[]) AS b (organization_id, bucket) USING (organization_id, bucket)
ORDER BY p.organization_id, p.bucket FOR UPDATE OF p`
	// A statement of its own after the lock: in the one that waits for it, the clock would be read
	// before the wait.
	readClock  = `SELECT clock_timestamp()`
	moveLevels = `
UPDATE notification_pace p SET tat_minute = l.minute, tat_hour = l.hour
FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::timestamptz[]) AS l (organization_id,
	bucket, minute, hour)
WHERE p.organization_id = l.organization_id AND p.bucket = l.bucket`
)

// admitted cuts the claims to what their buckets have room for, and takes that room.
func (d *Dispatcher) admitted(ctx context.Context, tx pgx.Tx, claims []*claim) error {
	keys := keysOf(claims)
	if len(keys) == 0 {
		return nil
	}
	organizations, names := split(keys)
	levels := map[key]level{}
	var now time.Time
	batch := &pgx.Batch{}
	batch.Queue(makeBuckets, organizations, names)
	batch.Queue(lockBuckets, organizations, names).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var k key
			var l level
			if err := rows.Scan(&k.organization, &k.name, &l.minute, &l.hour); err != nil {
				return err
			}
			levels[k] = l
		}
		return rows.Err()
	})
	batch.Queue(readClock).QueryRow(func(row pgx.Row) error { return row.Scan(&now) })
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("lock the pace: %w", err)
	}
	d.Config.admit(claims, levels, now)
	minutes, hours := make([]time.Time, len(keys)), make([]time.Time, len(keys))
	for i, k := range keys {
		minutes[i], hours[i] = levels[k].minute, levels[k].hour
	}
	if _, err := tx.Exec(ctx, moveLevels, organizations, names, minutes, hours); err != nil {
		return fmt.Errorf("move the pace: %w", err)
	}
	return nil
}

func keysOf(claims []*claim) []key {
	var keys []key
	for _, c := range claims {
		if len(c.jobs) == 0 {
			continue
		}
		for _, b := range c.buckets() {
			keys = append(keys, b.key)
		}
	}
	slices.SortFunc(keys, func(a, b key) int {
		if c := strings.Compare(a.organization.String(), b.organization.String()); c != 0 {
			return c
		}
		return strings.Compare(a.name, b.name)
	})
	return slices.Compact(keys)
}

func split(keys []key) (organizations []uuid.UUID, names []string) {
	for _, k := range keys {
		organizations, names = append(organizations, k.organization), append(names, k.name)
	}
	return organizations, names
}
