package dispatch

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/topic"
)

// What a pass costs does not grow with the channels that wait for their organization's budget: only
// what there is room for is claimed, and the dispatcher rests until there is more. Organizations
// that have none hide no other, and what is urgent has its reserve.
func TestAnExhaustedBudgetIsNotAskedAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Config.OrgMinute = 1 // a burst of 10, of which 8 are for what is not urgent
	f.backlog(f.school, 3000, 1, "-1 minute")
	f.exec(`UPDATE notification_deliveries d SET due_at = c.next_at FROM notification_channels c
		WHERE c.organization_id = d.organization_id AND c.channel = d.channel`)
	var closed []uuid.UUID
	for n := range perRound + 2 {
		closed = append(closed, f.db.Organization(t, fmt.Sprintf("closed-%d", n)))
	}
	slices.SortFunc(closed, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	closed, other := closed[:perRound+1], closed[perRound+1] // a round comes to that one last
	for _, organization := range closed {
		f.backlog(organization, 1, 1, "-1 minute")
	}
	f.exec(`INSERT INTO notification_pace (organization_id, bucket, tat_minute, tat_hour)
		SELECT o, 'organization', now() + interval '1 day', now() FROM unnest($1::uuid[]) o`, closed)
	if done := f.once(); done.Delivered < 8 {
		t.Errorf("%+v with room for 8", done)
	}
	claims := func() int {
		return f.number(`SELECT sum(fence) FROM notification_channels WHERE organization_id = $1`,
			f.school)
	}
	if n := claims(); n > 20*perPriority {
		t.Errorf("%d claims for 8 events", n)
	}
	wait, err := f.openIn(t.Context())
	if err != nil || wait <= 0 || wait > time.Minute {
		t.Errorf("there is room again in %v, %v", wait, err)
	}
	f.exec(`UPDATE notification_channels SET priority = 3 WHERE organization_id = $1
		AND channel LIKE '%-t3000'`, f.school)
	// All but the reserve is used up, for the next two minutes.
	f.exec(`UPDATE notification_pace SET tat_minute = now() + interval '9 minutes - 1 second'
		WHERE organization_id = $1 AND bucket = 'organization'`, f.school)
	before := claims()
	f.once()
	if n := claims() - before; n != 1 {
		t.Errorf("%d claims for what is urgent alone", n)
	}
	if n := f.number(`SELECT count(*) FROM notification_deliveries WHERE organization_id = $1
		AND channel LIKE '%-t3000'`, f.school); n != 0 {
		t.Error("what is urgent waits, with room in the reserve")
	}
	// The reserve has room again in a minute, for what is not urgent there is some in three.
	if wait, err = f.openIn(t.Context()); err != nil || wait <= time.Minute {
		t.Errorf("nothing urgent waits, and it comes again in %v, %v", wait, err)
	}
	f.oldestFirst()
	before = claims()
	delivered := 0
	for range 10 {
		f.later(2 * time.Minute)
		delivered += f.once().Delivered
	}
	if n := claims() - before; delivered < 18 || n > (delivered+20)*perPriority {
		t.Errorf("%d delivered in 20 minutes, with %d claims", delivered, n)
	}
	f.oldestFirst()
	if n := f.number(`SELECT sum(fence) FROM notification_channels WHERE organization_id = ANY ($1)`,
		closed); n != 0 {
		t.Errorf("%d claims of organizations that have no room", n)
	}
	f.backlog(other, 1, 1, "-1 minute")
	f.once()
	if n := f.number(`SELECT count(*) FROM notification_deliveries WHERE organization_id = $1`,
		other); n != 0 {
		t.Error("an organization that has room waits behind those that have none")
	}
}

// While one organization has no room for an hour, the others' channels are due when they are.
func TestAnExhaustedBudgetHidesNothingThatIsDueSooner(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.backlog(f.school, 1, 1, "-1 minute")
	f.exec(`INSERT INTO notification_pace (organization_id, bucket, tat_minute, tat_hour)
		VALUES ($1, 'organization', now() + interval '1 hour', now())`, f.school)
	f.backlog(f.db.Organization(t, "later"), 1, 1, "20 minutes")
	if wait, err := f.openIn(t.Context()); err != nil || wait > 21*time.Minute {
		t.Errorf("something is due in %v, %v", wait, err)
	}
}

// oldestFirst checks that no channel was passed over: who was cut off keeps its place.
func (f *fixture) oldestFirst() {
	f.t.Helper()
	if n := f.number(`
SELECT count(*) FROM notification_channels c WHERE c.organization_id = $1 AND c.next_at IS NOT NULL
AND substring(c.channel FROM '-t(\d+)$')::int < (
	SELECT max(substring(s.channel FROM '-t(\d+)$')::int) FROM notification_channels s
	WHERE s.organization_id = $1 AND s.next_at IS NULL AND s.priority < 3)`, f.school); n != 0 {
		f.t.Errorf("%d channels were passed over by such as wait for less long", n)
	}
}

// However much waits for a budget that is used up, what waited for too long is folded a channel at a
// time, without being read: all of it is gone when there was room for one event of each channel, and
// for one more of a channel whenever it had more than its part of what is folded at once.
func TestWhatWaitsForAUsedUpBudgetIsFolded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Config.OrgMinute = 60
	const channels, each, part = 60, 200, foldsAtOnce / perPriority
	const long = 4*part + 1
	f.backlog(f.school, channels, each, "-20 minutes")
	f.exec(`INSERT INTO notification_deliveries (organization_id, channel, sequence, recorded_at,
			priority)
		SELECT organization_id, channel, 2 * $1::int + s, now(), 1
		FROM notification_channels, generate_series(1, $2::int) s WHERE channel LIKE '%-t30'`,
		each, long)
	f.exec(`UPDATE notification_deliveries d SET queued_at = c.next_at, due_at = c.next_at
		FROM notification_channels c WHERE c.channel = d.channel`)
	f.exec(`INSERT INTO notification_pace (organization_id, bucket, tat_minute, tat_hour)
		VALUES ($1, 'organization', now() + interval '10 seconds', now())`, f.school)
	const events = channels + long/part
	step, at := 5*time.Second, time.Duration(0)
	for {
		waiting := f.number(`SELECT count(*) FROM notification_deliveries`)
		if waiting == 0 {
			break
		}
		if at += step; at > events*time.Second+2*step {
			t.Fatalf("%d wait yet after %v", waiting, at)
		}
		f.exec(`UPDATE notification_pace SET tat_minute = tat_minute - $1::interval`, step)
		f.once()
	}
	sent, told := f.sender.got(), map[string]int64{}
	for _, e := range sent {
		if e.Name != topic.CatchUp || e.From != max(told[e.Channel], each)+1 {
			t.Errorf("%s %d–%d of %s", e.Name, e.From, e.To, e.Channel)
		}
		told[e.Channel] = e.To
	}
	if len(told) != channels || len(sent) > events {
		t.Errorf("%d events to %d channels, want %d to %d", len(sent), len(told), events, channels)
	}
	t.Logf("%d events stand for %d, after %v", len(sent), channels*each+long, at)
}

// What one claim folds is bounded over all of its channels: it has to be settled in time.
func TestAClaimFoldsNoMoreThanItCanSettle(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Config.Paced = false
	const channels, each = 4 * perPriority, foldsAtOnce / 10
	f.backlog(f.school, channels, each, "-20 minutes")
	f.exec(`UPDATE notification_channels SET
		priority = substring(channel FROM '-t(\d+)$')::int % 4`)
	f.exec(`UPDATE notification_deliveries SET queued_at = now() - interval '20 minutes',
		priority = substring(channel FROM '-t(\d+)$')::int % 4`)
	cursor, before, rounds := uuid.Nil, channels*each, 0
	for before > 0 {
		claims, err := f.claim(t.Context(), &cursor, false)
		if err != nil || len(claims) == 0 {
			t.Fatalf("%d claims, %v", len(claims), err)
		}
		if _, err := f.send(t.Context(), claims); err != nil {
			t.Fatal(err)
		}
		if err := f.settle(t.Context(), claims, &Summary{}); err != nil { // in a time without a bound
			t.Fatal(err)
		}
		now := f.number(`SELECT count(*) FROM notification_deliveries`)
		if n := before - now; n > foldsAtOnce {
			t.Errorf("%d were folded at once", n)
		}
		before, rounds = now, rounds+1
	}
	if rounds != 2 {
		t.Errorf("it took %d rounds", rounds)
	}
}
