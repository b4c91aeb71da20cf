package dispatch

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/toolboxai-solutions/satchel/shared/telemetry"
)

func (f *fixture) sweep(out *bytes.Buffer, ring func(context.Context) error) *Sweep {
	return &Sweep{
		DB: f.db.DB(
			f.t,
			"notification-dispatcher/sweep",
		), Ring: ring, Retention: 30 * 24 * time.Hour,
		Metrics: telemetry.Metrics{
			Out:       out,
			Namespace: "Satchel",
		}, Log: slog.New(slog.DiscardHandler),
	}
}

// How long the oldest has waited is told whichever it is: the head of a channel may have
// been queued again.
func TestTheOldestThatWaitsIsTold(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.backlog(f.school, 2, 3, "1 hour")
	f.exec(`UPDATE notification_deliveries SET queued_at = now() - interval '30 minutes'
		WHERE sequence = 5 AND channel LIKE '%-t1'`)
	var out bytes.Buffer
	if err := f.sweep(&out, nil).measure(t.Context()); err != nil {
		t.Fatal(err)
	}
	var told struct{ OldestWaiting float64 }
	if err := json.Unmarshal(out.Bytes(), &told); err != nil {
		t.Fatal(err)
	}
	if age := time.Duration(told.OldestWaiting) * time.Millisecond; age < 30*time.Minute {
		t.Errorf("the oldest waits for %v", age)
	}
}

func TestTheSweepRingsWhatALostRingLeft(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.fill(f.school, 3)
	f.exec(`UPDATE notification_inbox SET created_at = now() - interval '30 minutes'`)
	rung := 0
	var out bytes.Buffer
	s := f.sweep(&out, func(context.Context) error {
		rung++
		f.once()
		return nil
	})
	done, err := s.Run(t.Context())
	if err != nil || rung != 1 || done.Rung != 1 {
		t.Errorf("rang %d times: %+v, %v", rung, done, err)
	}
	if got := f.sender.got(); len(got) != 3 {
		t.Errorf("sent %d", len(got))
	}
	if done, err := s.Run(t.Context()); err != nil || done.Rung != 0 {
		t.Errorf("rang for nothing: %+v, %v", done, err)
	}
	var ages []float64
	for line := range strings.Lines(out.String()) {
		var told struct{ OldestWaiting *float64 }
		if err := json.Unmarshal([]byte(line), &told); err != nil {
			t.Fatal(err)
		}
		if told.OldestWaiting != nil {
			ages = append(ages, *told.OldestWaiting)
		}
	}
	if len(ages) != 2 || ages[0] < 1.8e6 || ages[0] > 3.6e6 || ages[1] != 0 {
		t.Errorf("told %v ms, want half an hour and then nothing", ages)
	}
}

func TestTheSweepEndsWhatHasHadItsTime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.fill(f.school, 1)
	f.once()
	f.exec(
		`CREATE TABLE notifications_20200106 PARTITION OF notifications FOR VALUES
			FROM ('2020-01-06 00:00Z') TO ('2020-01-13 00:00Z')`,
	)
	f.exec(`ALTER TABLE notifications_20200106 OWNER TO satchel_owner`)
	for _, age := range []string{"1 day", "40 days"} {
		f.exec(
			`INSERT INTO notification_dead (organization_id, channel, sequence, recorded_at, reason,
				attempts)
			SELECT organization_id, channel, extract(epoch FROM $1::text::interval),
				now() - $1::text::interval, 'x', 1 FROM notification_channels`,
			age,
		)
		f.exec(
			`INSERT INTO notification_acks (organization_id, user_id, channel, sequence, acked_at)
				SELECT $1, gen_random_uuid(), 'c', 1, now() - $2::text::interval`,
			f.school,
			age,
		)
		f.exec(
			`INSERT INTO notification_keys (organization_id, key, id, expires_at)
				SELECT $1, $2::text, gen_random_uuid(),
				now() + interval '2 days' - $2::text::interval`,
			f.school,
			age,
		)
		f.exec(
			`INSERT INTO notification_sockets (organization_id, socket_id, user_id,
				authenticated_at) SELECT $1, $2::text, gen_random_uuid(),
				now() - $2::text::interval`,
			f.school,
			age,
		)
		f.exec(
			`INSERT INTO notification_pace (organization_id, bucket, tat_minute, tat_hour)
				SELECT $1, $2::text, now() + interval '2 days' - $2::text::interval,
				now() + interval '2 days' - $2::text::interval`,
			f.school,
			age,
		)
	}
	f.exec(`DELETE FROM notification_pace WHERE bucket NOT IN ('1 day', '40 days')`)
	var out bytes.Buffer
	done, err := f.sweep(&out, nil).Run(t.Context())
	if err != nil || done.Dropped != 1 || done.Expired != 5 {
		t.Errorf("did %+v, %v", done, err)
	}
	for _, table := range []string{"dead", "acks", "keys", "sockets", "pace"} {
		if n := f.number(`SELECT count(*) FROM notification_` + table); n != 1 {
			t.Errorf("notification_%s has %d rows, want 1", table, n)
		}
	}
	if !strings.Contains(out.String(), `"DeadForgotten":1`) ||
		!strings.Contains(out.String(), `"NotificationsDeadNow":1`) {
		t.Errorf("told %s", out.String())
	}
}
