package dispatch

import (
	"fmt"
	"testing"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/topic"
)

// payload gives all that waits one of so many bytes, as Postgres writes it.
func (f *fixture) payload(bytes int) {
	f.exec(`UPDATE notifications SET topic = 'message.posted',
		payload = jsonb_build_object('text', repeat('x', $1 - length('{"text": ""}')))`, bytes)
}

// What a claim reads is bounded in bytes, however many channels wait and however long the payloads
// are. That is counted on the connection.
func TestAClaimReadsFewBytes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Config.Paced = false // else the pace would bound it
	for n := range perRound {
		organization := f.db.Organization(t, fmt.Sprintf("full-%d", n))
		f.backlog(organization, 4*perPriority, 3, "-1 minute")
	}
	f.exec(`UPDATE notification_channels SET
		priority = substring(channel FROM '-t(\d+)$')::int % 4`)
	db, wire := f.db.Listen(t, "notification-dispatcher/delivery")
	f.DB = db
	const most = perRead*(longestRead+300) + 64<<10
	read := func() (bytes int, jobs []*job) {
		cursor := uuid.Nil
		wire.Of(func() {
			claims, err := f.claim(t.Context(), &cursor, false)
			if err != nil || len(claims) != perRound*4*perPriority {
				t.Fatalf("%d claims, %v", len(claims), err)
			}
			for _, c := range claims {
				jobs = append(jobs, c.jobs...)
			}
		})
		f.exec(`UPDATE notification_channels SET next_at = now() - interval '1 minute'`)
		return wire.Received(), jobs
	}
	f.payload(longestRead)
	bytes, jobs := read()
	if bytes > most || bytes < perRead*longestRead || len(jobs) < perRead {
		t.Errorf("%d events of the longest that are read: %d bytes, want at most %d", len(jobs),
			bytes, most)
	}
	t.Logf("%d events: %d bytes", len(jobs), bytes)
	f.payload(longestRead + 1)
	if bytes, jobs = read(); bytes > most/10 || len(jobs) < perRead {
		t.Errorf("%d events that are too long: %d bytes", len(jobs), bytes)
	}
	t.Logf("%d events: %d bytes", len(jobs), bytes)
}

// How long a payload is in Postgres is not how long it is in an event: one that fits there is read.
func TestWhatFitsIsRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, numbers := range []int{3500, 6000} { // [1, 1, 1] in Postgres, and [1,1,1] in an event
		f.exec(`INSERT INTO notification_inbox (organization_id, topic, channel, payload)
			SELECT $1, 'message.posted', $2, jsonb_build_object('all', array_agg(1))
			FROM generate_series(1, $3::int)`,
			f.school, topic.Of(topic.Encrypted, f.school).String(), numbers)
	}
	f.once()
	got := f.sender.got()
	if len(got) != 2 || len(got[0].Data) < 7000 || got[1].Data != nil || got[1].Link == "" {
		t.Errorf("sent %+v", got)
	}
}
