package rollup

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// minutes runs the aggregation every five minutes from 10:05 on.
func (f *fixture) minutes(from, to int, each func()) {
	f.t.Helper()
	for minute := from; minute <= to; minute += 5 {
		at := time.Date(2026, 3, 2, 10, minute, 0, 0, time.UTC)
		f.clock(at.Add(-time.Minute).Format(time.RFC3339))
		each()
		f.clock(at.Add(time.Second).Format(time.RFC3339))
		f.run()
	}
}

func (f *fixture) alerts() string {
	f.t.Helper()
	return f.text(`SELECT coalesce(string_agg(topic, ', ' ORDER BY position), '')
		FROM notification_inbox WHERE topic !~ '^task'`)
}

// A crisis is told once, and once that it is over; what comes late tells nothing again.
func TestAnEpisodeIsToldOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.minutes(5, 15, func() { f.ended(execution{agent: 1, seconds: 1}) })
	f.minutes(20, 40, func() { f.ended(execution{agent: 1, status: "failed", seconds: 60}) })
	if got := f.alerts(); got != "health.critical" {
		t.Errorf("in the crisis: %q", got)
	}
	f.ended(execution{agent: 1, ended: "2026-03-02T10:16:00Z"})
	f.run()
	f.again()
	f.minutes(45, 80, func() { f.ended(execution{agent: 1, seconds: 1}) })
	f.ended(execution{agent: 1, status: "failed", ended: "2026-03-02T10:01:00Z", seconds: 60})
	f.run()
	if got := f.alerts(); got != "health.critical, health.recovered" {
		t.Errorf("after it: %q", got)
	}
}

func TestTheQuotaIsToldOnTheWayUp(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.exec(`INSERT INTO storage_quotas (organization_id, total_bytes) VALUES ($1, 100)`, f.school)
	used := []int64{50, 80, 85, 79, 96, 70, 81}
	i := 0
	f.minutes(5, 35, func() {
		f.exec(`UPDATE storage_quotas SET used_bytes = $1`, used[i])
		i++
	})
	if got := f.alerts(); got != "quota.warning, quota.critical, quota.warning" {
		t.Errorf("told %q", got)
	}
}

// Uptime and availability follow from what the platform said of its agents, and from its silence.
func TestPresence(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	row := func(period string) string {
		return f.text(`SELECT registered_us / 1000000 || ' ' || in_service_us / 1000000 || ' '
			|| up_us / 1000000 || ' ' || available_us / 1000000
			FROM agent_metrics WHERE granularity = '5m' AND period_start = $1`, period)
	}
	f.clock("2026-03-02T10:01:00Z")
	f.write(`INSERT INTO agent_instances (organization_id, id, agent_id, agent_type, status,
		last_heartbeat) VALUES ($1, $2, 'a', 'tutor', 'idle', now())`, f.school, agent(1))
	f.clock("2026-03-02T10:02:00Z")
	f.write(`UPDATE agent_instances SET status = 'maintenance', last_heartbeat = clock_timestamp()`)
	f.clock("2026-03-02T10:03:00Z")
	f.write(`UPDATE agent_instances SET status = 'busy', last_heartbeat = clock_timestamp()`)
	f.clock("2026-03-02T10:05:00Z") // silent since three minutes past: down from five past on
	f.run()
	if got := row("2026-03-02T10:00:00Z"); got != "240 240 240 180" {
		t.Errorf("at five past: %s", got)
	}
	f.clock("2026-03-02T10:10:00Z")
	f.run()
	silent := row("2026-03-02T10:05:00Z")
	f.clock("2026-03-02T10:12:00Z")
	f.write(`UPDATE agent_instances SET last_heartbeat = clock_timestamp()`)
	f.clock("2026-03-02T10:13:00Z")
	f.write(`UPDATE agent_instances SET status = 'offline', agent_type = 'grader'`)
	f.clock("2026-03-02T10:15:00Z")
	f.run()
	if silent != "300 300 0 0" || row("2026-03-02T10:05:00Z") != silent {
		t.Errorf("silent: %s, and after it spoke again %s", silent, row("2026-03-02T10:05:00Z"))
	}
	got := f.text(`SELECT string_agg(agent_type || ' ' || registered_us / 1000000 || ' '
		|| in_service_us / 1000000 || ' ' || up_us / 1000000, '; ' ORDER BY agent_type)
		FROM agent_metrics WHERE granularity = '5m' AND period_start = '2026-03-02T10:10:00Z'`)
	if got != "grader 120 0 0; tutor 180 180 60" {
		t.Errorf("of another type and offline: %s", got)
	}
	f.clock("2026-03-02T10:16:00Z")
	f.write(`DELETE FROM agent_instances`)
	f.clock("2026-03-02T10:30:00Z")
	f.run()
	before := f.rows()
	f.again()
	f.unchanged(before)
}

// Usage follows facts that are only ever added; it is read in other zones too, with gaps as gaps.
func TestUsage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.exec(`UPDATE organizations SET timezone = 'Asia/Kolkata'`)
	for _, fact := range []struct {
		at, direction string
		bytes, stored int64
	}{
		{"2026-03-02T10:01:00Z", "in", 100, 100}, {"2026-03-02T10:02:00Z", "in", 50, 150},
		{"2026-03-02T10:07:00Z", "out", 50, 0},
		{"2026-03-02T11:31:00Z", "removed", 100, 50},
	} {
		f.clock(fact.at)
		f.exec(`INSERT INTO file_transfers (organization_id, file_id, direction, bytes, scanned,
			stored_bytes) VALUES ($1, $1, $2, $3, $2 = 'in', nullif($4, 0))`,
			f.school, fact.direction, fact.bytes, fact.stored)
	}
	f.clock("2026-03-02T12:00:00Z")
	f.run()
	got := f.text(`SELECT string_agg(concat_ws(' ', granularity,
		to_char(period_start AT TIME ZONE 'UTC', 'DD HH24:MI'), files_in, bytes_in, bytes_out,
		bytes_removed, stored_bytes, scans), '; ' ORDER BY granularity, period_start)
		FROM usage_metrics`)
	want := "1d 01 18:30 2 150 50 100 50 2; 1h 02 09:30 2 150 50 0 150 2; 1h 02 11:30 0 0 0 100 " +
		"50 0; 5m 02 10:00 2 150 0 0 150 2; 5m 02 10:05 0 0 50 0 0; 5m 02 11:30 0 0 0 100 50 0"
	if got != want {
		t.Errorf("usage is\n%s, want\n%s", got, want)
	}
	f.read(func(tx pgx.Tx) error {
		r, err := ReadUsage(t.Context(), tx, f.school, Range{
			From: at(t, "2026-03-02T09:30:00Z"), To: at(t, "2026-03-02T12:30:00Z"), Interval: Hour,
		})
		if err != nil {
			return err
		}
		if len(r.Periods) != 3 || r.Periods[1].Usage != nil || r.Total.BytesIn != 150 ||
			*r.Total.StoredBytes != 50 {
			t.Errorf("read %+v", r)
		}
		return nil
	})
}

// read is a transaction of the HTTP entry.
func (f *fixture) read(fn func(tx pgx.Tx) error) {
	f.t.Helper()
	if err := f.DB(f.t, "analytics-aggregation/http").InTenant(f.t.Context(), f.school,
		fn); err != nil {
		f.t.Fatal(err)
	}
}

// Percentiles of a range are of all its tasks. A changed zone has days merged anew.
func TestReadingAgents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i, at := range []string{"2026-02-28T19:00:00Z", "2026-03-01T10:00:00Z",
		"2026-03-01T23:30:00Z"} {
		f.ended(execution{agent: 1, ended: at, seconds: float64(1 + i)})
	}
	f.clock("2026-03-02T10:05:00Z")
	f.run()
	days := func() string {
		return f.text(`SELECT string_agg(to_char(period_start AT TIME ZONE 'UTC', 'DD HH24:MI')
			|| ' ' || total_tasks, '; ' ORDER BY period_start) FROM agent_metrics
			WHERE granularity = '1d'`)
	}
	if got := days(); got != "28 00:00 1; 01 00:00 2" {
		t.Errorf("days in UTC: %s", got)
	}
	query := Range{From: at(t, "2026-03-01T00:00:00Z"), To: at(t, "2026-03-02T00:00:00Z"),
		Interval: Day}
	f.read(func(tx pgx.Tx) error {
		utc, err := ReadAgents(t.Context(), tx, f.school, query, AgentFilter{Limit: 10})
		if err != nil || len(utc.Series) != 1 || utc.Series[0].Total.Total() != 2 ||
			*utc.Series[0].Total.Percentile(0.5) != 2 {
			t.Errorf("in UTC %+v, %v", utc, err)
		}
		elsewhere := query
		elsewhere.Timezone = "Asia/Kolkata"
		kolkata, err := ReadAgents(t.Context(), tx, f.school, elsewhere, AgentFilter{Limit: 10})
		if err != nil || len(kolkata.Series) != 1 || kolkata.Series[0].Total.Total() != 3 ||
			len(kolkata.Series[0].Periods) != 2 {
			t.Errorf("in Kolkata %+v, %v", kolkata, err)
		}
		for _, wrong := range []Range{{From: query.To, To: query.From, Interval: Day},
			{From: query.From, To: query.To.AddDate(0, 1, 0), Interval: FiveMinutes},
			{From: query.From, To: query.To, Interval: Day, Timezone: "Mars/Olympus"}} {
			if _, err := ReadAgents(t.Context(), tx, f.school, wrong,
				AgentFilter{Limit: 10}); err == nil {
				t.Errorf("%+v was answered", wrong)
			}
		}
		return nil
	})
	f.exec(`UPDATE organizations SET timezone = 'Asia/Kolkata'`)
	f.run()
	if got := days(); got != "28 18:30 2; 01 18:30 1" {
		t.Errorf("days in Kolkata: %s", got)
	}
	f.read(func(tx pgx.Tx) error {
		h, err := ReadHealth(t.Context(), tx, f.school)
		if err != nil || h.State != NoData || h.CompleteThrough == nil {
			t.Errorf("health %+v, %v", h, err)
		}
		_, _, err = ReadAnomalies(t.Context(), tx, f.school, query.From, query.To)
		return err
	})
}
