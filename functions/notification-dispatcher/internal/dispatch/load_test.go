package dispatch

import (
	"testing"
	"time"
)

// later moves everything that waits into the past, as if that much time went by.
func (f *fixture) later(by time.Duration) {
	f.t.Helper()
	for _, sql := range []string{
		`UPDATE notification_deliveries SET queued_at = queued_at - $1::interval,
			due_at = due_at - $1::interval`,
		`UPDATE notification_channels SET next_at = next_at - $1::interval
			WHERE next_at IS NOT NULL`,
		`UPDATE notification_pace SET tat_minute = tat_minute - $1::interval,
			tat_hour = tat_hour - $1::interval`,
	} {
		f.exec(sql, by)
	}
}

// 120,000 events an hour on a topic that may be sent 1,000: what is over the pace is folded, so that
// nothing waits for longer than the longest delay, and each sequence is told or stood for.
func TestASteadyOverloadIsFoldedInTime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Config.MaxDelay = time.Minute
	const perSecond = 120_000.0 / 3600
	f.fill(f.school, 1)
	f.once()
	// The hour's burst is used up: what may be sent from now on is what an hour adds.
	f.exec(`UPDATE notification_pace SET tat_hour = now() + interval '15 minutes'
		WHERE bucket LIKE 'channel:%'`)
	sent, owed, now := 1, 0.0, f.clock()
	for at := time.Duration(0); at < 4*time.Minute; {
		wait, err := dueIn(t.Context(), f.DB)
		if err != nil {
			t.Fatal(err)
		}
		step := bellIn(min(wait, time.Minute))
		at += step
		before := now
		now = f.clock()
		f.later(step - now.Sub(before)) // the time that the test itself took does not count
		// Before the dispatcher comes, and so the longest that anything waits.
		if n := f.number(`SELECT count(*) FROM notification_deliveries WHERE queued_at < $1`,
			now.Add(-f.Config.MaxDelay)); n != 0 {
			t.Fatalf("after %v %d wait for longer than %v", at, n, f.Config.MaxDelay)
		}
		owed += step.Seconds() * perSecond
		f.fill(f.school, int(owed)+1-sent)
		sent = int(owed) + 1
		f.once()
	}
	told, folds := int64(0), 0
	for _, e := range f.sender.got() {
		from := e.Sequence
		if e.From > 0 {
			from, folds = e.From, folds+1
		}
		if from != told+1 {
			t.Fatalf("%s %d–%d comes after %d", e.Name, from, e.Sequence, told)
		}
		told = e.Sequence
	}
	waiting := f.number(`SELECT count(*) FROM notification_deliveries`)
	if told+int64(waiting) != int64(sent) || folds == 0 {
		t.Errorf("%d told by %d events of which %d are folds, %d wait, of %d", told,
			len(f.sender.got()), folds, waiting, sent)
	}
	t.Logf("%d events stand for %d, %d wait", len(f.sender.got()), told, waiting)
}
