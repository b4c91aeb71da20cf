package main

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/toolboxai-solutions/satchel/infra/local/channels"
)

const (
	claimRows  = 1_000_000
	claimCalls = 20 // that Pusher takes before it is away: one claim of four channels
)

// claim counts the pages of the database that a claim touches, with a million rows waiting and with
// hardly any.
func claim(ctx context.Context, w *fixture) (section, error) {
	s := section{
		title: "Notifications: a claim does not see how much waits",
		method: fmt.Sprintf(`One organization has %d channels. Few: %d rows wait in each, and there is no other. Many: %d in each, %d in all, and as many
that were delivered are kept. The dispatcher runs once: it takes four channels, reads and sends the first 50 events of each, and
settles them; then Pusher is away, it gives back what it claimed next and ends. Pages that all its statements touched in each
table and its indexes, from pg_statio_user_tables, which does not count the catalogue.`,
			deliveryChannels, 50, claimRows/deliveryChannels, claimRows),
	}
	var calls atomic.Int64
	w.Channels.Disturb(func(*http.Request) channels.Fault {
		if calls.Add(1) > claimCalls {
			return channels.Fault{Status: http.StatusServiceUnavailable}
		}
		return channels.Fault{}
	})
	defer w.Channels.Disturb(nil)
	t := table{head: []string{"pages touched", "few", "many", "many ÷ few"}}
	var sides []map[string]float64
	for _, each := range []int{50, claimRows / deliveryChannels} {
		if err := w.backlog(ctx, each); err != nil {
			return s, err
		}
		calls.Store(0)
		touched, err := w.touched(ctx)
		if err != nil {
			return s, err
		}
		sides = append(sides, touched)
	}
	few, many := 0.0, 0.0
	for _, name := range []string{"notification_channels", "notification_deliveries",
		"notifications", "notification_attempts", "others"} {
		few, many = few+sides[0][name], many+sides[1][name]
		t.add(name, whole(sides[0][name]), whole(sides[1][name]),
			fmt.Sprintf("%.2f", sides[1][name]/sides[0][name]))
	}
	t.add("all", whole(few), whole(many), fmt.Sprintf("%.2f", many/few))
	s.tables = []table{t}
	s.notes = []string{"What grows is the depth of the B-trees: three pages to a row of a million " +
		"where few rows have one or two."}
	return s, w.empty(ctx)
}

// empty takes away what notifications left.
func (w *fixture) empty(ctx context.Context) error {
	_, err := w.superuser.Exec(ctx, `TRUNCATE notification_inbox, notification_channels,
		notification_deliveries, notification_dead, notifications, notification_attempts;
		UPDATE notification_senders SET failures = 0, paused_until = '-infinity',
			probing_until = '-infinity', bell_at = '-infinity', checked_at = now()`)
	return err
}

// backlog has so many rows wait in each channel, and as many delivered where it is not few.
func (w *fixture) backlog(ctx context.Context, each int) error {
	if err := w.empty(ctx); err != nil {
		return err
	}
	delivered := each
	if each < 1000 {
		delivered = 0
	}
	for _, one := range []struct {
		sql       string
		arguments []any
	}{
		{`INSERT INTO notification_tenants VALUES ($1) ON CONFLICT DO NOTHING`,
			[]any{w.tenant.uploads}},
		{`INSERT INTO notification_channels (organization_id, channel, last_sequence)
			SELECT $1::uuid, 'private-org-' || $1::uuid || '-topic-bench_' || n, $3::bigint
			FROM generate_series(1, $2::int) n`,
			[]any{w.tenant.uploads, deliveryChannels, delivered + each}},
		{`INSERT INTO notifications (organization_id, channel, sequence, id, topic, payload,
				priority, occurred_at)
			SELECT organization_id, channel, n, gen_random_uuid(), 'file.available',
				'{"schema": 1, "version": 1, "status": "available"}', 1, now()
			FROM generate_series(1, $1::int) n, notification_channels`, []any{delivered + each}},
		{`INSERT INTO notification_deliveries (organization_id, channel, sequence, recorded_at,
				priority)
			SELECT organization_id, channel, sequence, recorded_at, 1 FROM notifications
			WHERE sequence > $1::int`, []any{delivered}},
		{`VACUUM ANALYZE`, nil},
		// last, because the bell that a run left behind may ring before
		{`UPDATE notification_channels SET next_at = now()`, nil},
	} {
		if _, err := w.superuser.Exec(ctx, one.sql, one.arguments...); err != nil {
			return fmt.Errorf("%s: %w", one.sql, err)
		}
	}
	return nil
}

// touched runs the dispatcher and counts pages by table.
func (w *fixture) touched(ctx context.Context) (map[string]float64, error) {
	w.Runtime.Kill(dispatcher) // so that its connection has told its counts when it is gone
	before, err := w.pages(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := w.deliver(ctx); err != nil {
		return nil, err
	}
	w.Runtime.Kill(dispatcher)
	if err := w.alone(ctx); err != nil {
		return nil, err
	}
	after, err := w.pages(ctx)
	if err != nil {
		return nil, err
	}
	for name := range after {
		after[name] -= before[name]
	}
	var sent int
	err = w.superuser.QueryRow(ctx, `SELECT count(*) FROM notification_attempts`).Scan(&sent)
	if err == nil && sent != 10*claimCalls {
		err = fmt.Errorf("%d events were sent, want %d", sent, 10*claimCalls)
	}
	return after, err
}

// alone waits until the dispatcher's connections have ended.
func (w *fixture) alone(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		var open int
		if err := w.superuser.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity
			WHERE usename = 'satchel_notification_dispatcher_delivery'`).Scan(&open); err != nil ||
			open == 0 {
			return err
		}
	}
}

func (w *fixture) pages(ctx context.Context) (map[string]float64, error) {
	rows, err := w.superuser.Query(ctx, `
		SELECT coalesce(substring(relname FROM
				'^(notification_channels|notification_deliveries|notifications|notification_attempts)'),
				'others'),
			sum(heap_blks_hit + heap_blks_read + coalesce(idx_blks_hit + idx_blks_read, 0))::float8
		FROM pg_statio_user_tables WHERE relname LIKE 'notification%' GROUP BY 1`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[string]float64{}
	for rows.Next() {
		var name string
		var n float64
		if err := rows.Scan(&name, &n); err != nil {
			return nil, err
		}
		all[name] = n
	}
	return all, rows.Err()
}
