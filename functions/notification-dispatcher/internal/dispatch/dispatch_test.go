package dispatch

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/channel"
	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/topic"
)

func TestAFactReachesItsChannels(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	user, file := uuid.New(), uuid.New()
	f.tell(
		f.school,
		"file.available",
		user,
		map[string]any{
			"schema":  1,
			"file_id": file,
			"status":  "available",
			"title":   "Zoë's drawing",
			"width":   640,
		},
	)
	done := f.once()
	if done.Sequenced+done.Delivered != 2 {
		t.Errorf("did %+v", done)
	}
	own := topic.Of(topic.Private, f.school).To(user).String()
	got := f.sender.got()
	if len(got) != 2 || got[0].ID != got[1].ID || got[0].Name != "file.available" {
		t.Fatalf("sent %+v", got)
	}
	channels := []string{got[0].Channel, got[1].Channel}
	slices.Sort(channels)
	want := []string{files(f.school), own}
	if slices.Sort(want); !slices.Equal(channels, want) {
		t.Errorf("sent to %v, want %v", channels, want)
	}
	for _, e := range got {
		if string(e.Data) != `{"file_id":"`+file.String()+
			`","schema":1,"status":"available","width":640}` ||
			e.Sequence != 1 {
			t.Errorf("sent %+v %s", e, e.Data)
		}
	}
	if n := f.number(`SELECT count(*) FROM notification_attempts
		WHERE outcome = 'delivered'`); n != 2 {
		t.Errorf("%d deliveries on record", n)
	}
	if n := f.number(`SELECT count(*) FROM notification_deliveries`) +
		f.number(`SELECT count(*) FROM notification_inbox`) +
		f.number(`SELECT count(*) FROM notification_channels WHERE next_at IS NOT NULL`); n != 0 {
		t.Errorf("%d rows still wait", n)
	}
}

func TestWhatHasNoTemplateIsDeadWithThatReason(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.tell(f.school, "weather.changed", uuid.Nil, nil)
	f.tell(f.school, "file.available", uuid.Nil, nil)
	f.once()
	if got := f.sender.got(); len(got) != 1 || got[0].Channel != files(f.school) {
		t.Errorf("sent %+v", got)
	}
	if n := f.number(`SELECT count(*) FROM notification_dead
		WHERE channel = 'unroutable'
		AND reason = 'topic weather.changed has no template'`); n != 1 {
		t.Errorf("%d are dead", n)
	}
}

func TestMutesKeepAUsersOwnChannelQuiet(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	user := uuid.New()
	f.exec(
		`INSERT INTO notification_mutes (organization_id, user_id, topic)
			VALUES ($1, $2, 'file.deleted')`,
		f.school,
		user,
	)
	f.tell(f.school, "file.deleted", user, nil)
	f.tell(f.school, "file.available", user, nil)
	f.once()
	own := topic.Of(topic.Private, f.school).To(user).String()
	counts := map[string]int{}
	for _, e := range f.sender.got() {
		counts[e.Channel]++
	}
	if counts[own] != 1 || counts[files(f.school)] != 2 {
		t.Errorf("sent %v", counts)
	}
}

func TestExcessWaitsAndNothingIsDropped(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.fill(f.school, 40)
	if done := f.once(); done.Delivered != burst {
		t.Fatalf("sent %d at once, want the burst of %d", done.Delivered, burst)
	}
	wait, err := dueIn(t.Context(), f.DB)
	if err != nil || wait <= 0 || wait > time.Second {
		t.Errorf("the next is due in %v, %v", wait, err)
	}
	// A minute is worth sixty more, of which a burst may pass at once.
	f.exec(
		`UPDATE notification_pace SET tat_minute = tat_minute - interval '1 minute',
			tat_hour = tat_hour - interval '1 minute'`,
	)
	f.exec(`UPDATE notification_channels SET next_at = now()`)
	if done := f.once(); done.Delivered != burst {
		t.Errorf("sent %d after a minute, want %d", done.Delivered, burst)
	}
	f.Config.Paced = false
	f.exec(`UPDATE notification_channels SET next_at = now()`)
	if done := f.once(); done.Delivered != 20 {
		t.Errorf("sent %d without a pace, want the other 20", done.Delivered)
	}
	for i, e := range f.sender.got() {
		if e.Sequence != int64(i+1) {
			t.Fatalf("event %d has sequence %d", i, e.Sequence)
		}
	}
}

func TestWhatWaitedTooLongIsFolded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.fill(f.school, 200)
	f.once()
	f.exec(
		`UPDATE notification_deliveries SET queued_at = now() - interval '11 minutes'
			WHERE sequence <= 150`,
	)
	f.exec(`UPDATE notification_pace SET tat_minute = '-infinity', tat_hour = '-infinity'`)
	f.exec(`UPDATE notification_channels SET next_at = now()`)
	f.once()
	got := f.sender.got()[burst:]
	if got[0].Name != topic.CatchUp || got[0].From != 11 || got[0].To != 150 ||
		got[0].Sequence != 150 ||
		got[0].ID == uuid.Nil ||
		!strings.Contains(got[0].Link, "after=10") {
		t.Errorf("the first is %+v", got[0])
	}
	if len(got) < 2 || got[1].Sequence != 151 || got[1].Name != "file.available" {
		t.Errorf("then come %+v", got[1:])
	}
	if n := f.number(`SELECT count(*) FROM notification_attempts
		WHERE outcome = 'folded'`); n != 140 {
		t.Errorf("%d are folded, want 140", n)
	}
	if n := f.number(`SELECT count(*) FROM notification_deliveries WHERE sequence <= 150`); n != 0 {
		t.Errorf("%d still wait", n)
	}
}

// A refused event is tried again, holds its channel and no other, and ends as dead with the reason.
func TestARetryHoldsItsChannelAndNoOther(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Config.MaxAttempts = 3
	other := f.db.Organization(t, "other")
	bad := f.tell(f.school, "file.available", uuid.Nil, map[string]any{"file_id": "bad"})
	f.tell(f.school, "file.available", uuid.Nil, nil)
	f.tell(other, "file.available", uuid.Nil, nil)
	f.sender.fail = func(events []channel.Event) ([]channel.Outcome, error) {
		outcomes := make([]channel.Outcome, len(events))
		held := map[string]bool{}
		for i, e := range events {
			switch {
			case held[e.Channel]:
			case strings.Contains(string(e.Data), `"bad"`):
				outcomes[i], held[e.Channel] = channel.Outcome{
					State:  channel.Refused,
					Reason: channel.Rejected,
					Status: 400,
					Detail: "no",
				}, true
			default:
				outcomes[i].State = channel.Delivered
			}
		}
		return outcomes, nil
	}
	for attempt := range 3 {
		done := f.once()
		if attempt < 2 && done.Retried != 1 || attempt == 2 && done.Dead != 1 {
			t.Errorf("attempt %d: %+v", attempt, done)
		}
		if attempt < 2 {
			if got := f.sender.got(); len(got) != 1 || got[0].Channel != files(other) {
				t.Errorf("attempt %d: sent %+v", attempt, got)
			}
			if n := f.number(`SELECT count(*) FROM notification_channels
				WHERE organization_id = $1 AND next_at > now()`, f.school); n != 1 {
				t.Error("the channel is not held until the retry")
			}
			f.exec(
				`UPDATE notification_deliveries SET due_at = now() WHERE organization_id = $1`,
				f.school,
			)
			f.exec(
				`UPDATE notification_channels SET next_at = now() WHERE organization_id = $1`,
				f.school,
			)
		}
	}
	if got := f.sender.got(); len(got) != 2 || got[1].Sequence != 2 {
		t.Errorf("sent %+v", got)
	}
	if n := f.number(`SELECT count(*) FROM notification_dead d JOIN notifications n
		USING (organization_id, channel, sequence)
		WHERE n.subject_id = $1 AND d.reason LIKE 'refused by Pusher: rejected: no'
			AND d.attempts = 3`, bad); n != 1 {
		t.Errorf("%d are dead", n)
	}
	if n := f.number(`SELECT count(*) FROM notification_attempts WHERE status = 400`); n != 3 {
		t.Errorf("%d attempts on record", n)
	}
}

func TestAnOutagePausesAllAndBlamesNobody(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.fill(f.school, 3)
	down := &channel.Outage{Cause: channel.Unavailable, Status: 503, RetryAfter: 7 * time.Second}
	f.sender.fail = func([]channel.Event) ([]channel.Outcome, error) { return nil, down }
	if done := f.once(); !done.Paused || done.Retried+done.Dead != 0 {
		t.Errorf("did %+v", done)
	}
	if n := f.number(`SELECT sum(attempts) FROM notification_deliveries`); n != 0 {
		t.Errorf("an outage cost %d attempts", n)
	}
	// Nobody sends, and what is told meanwhile can be fetched.
	calls := f.sender.calls
	f.fill(f.school, 2)
	if done := f.once(); !done.Paused || f.sender.calls != calls {
		t.Errorf("another dispatcher sends: %+v", done)
	}
	if n := f.number(`SELECT count(*) FROM notifications`); n != 5 {
		t.Errorf("%d can be fetched, want 5", n)
	}
	if wait, err := dueIn(t.Context(), f.DB); err != nil || wait < 5*time.Second ||
		wait > 8*time.Second {
		t.Errorf("the next look is in %v, %v, want the 7 s that were asked for", wait, err)
	}
	// When the pause is over, one looks.
	f.exec(`UPDATE notification_senders SET paused_until = now()`)
	probe, open, err := f.ask(t.Context())
	if !probe || !open || err != nil {
		t.Fatalf("the first to ask gets %v %v %v", probe, open, err)
	}
	if _, open, err := f.ask(t.Context()); open || err != nil {
		t.Fatalf("the second to ask gets %v %v", open, err)
	}
	f.exec(`UPDATE notification_senders SET probing_until = now()`)
	f.sender.fail = nil
	if done := f.once(); done.Delivered != 5 || done.Paused {
		t.Errorf("after the outage: %+v", done)
	}
}

func TestWhatIsTooLargeIsSentSmall(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Config.BaseURL = "https://api.example.test"
	for _, size := range []int{5000, 12_000} {
		f.exec(
			`INSERT INTO notification_inbox (organization_id, topic, channel, payload)
				VALUES ($1, 'message.posted', $2, jsonb_build_object('text', repeat('x', $3)))`,
			f.school,
			topic.Of(topic.Encrypted, f.school).String(),
			size,
		)
	}
	first := true
	f.sender.fail = func(events []channel.Event) ([]channel.Outcome, error) {
		if !first {
			return nil, nil
		}
		first = false // the service's limit is lower than we think
		return []channel.Outcome{
			{State: channel.Refused, Reason: channel.TooLarge, Status: 413},
			{},
		}, nil
	}
	f.once()
	got := f.sender.got()
	if len(got) != 2 || got[0].Sequence != 1 || got[1].Sequence != 2 {
		t.Fatalf("sent %+v", got)
	}
	for _, e := range got {
		if e.Data != nil || e.Link != "https://api.example.test/v1/notifications/"+e.ID.String() {
			t.Errorf("sent %+v", e)
		}
	}
}

func TestALostLeaseSettlesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.fill(f.school, 2)
	if _, err := f.Sequence(t.Context()); err != nil {
		t.Fatal(err)
	}
	cursor := uuid.Nil
	claims, err := f.claim(t.Context(), &cursor, false)
	if err != nil || len(claims) != 1 {
		t.Fatal(claims, err)
	}
	f.exec(`UPDATE notification_channels SET next_at = now()`) // the lease ends
	cursor = uuid.Nil
	again, err := f.claim(t.Context(), &cursor, false)
	if err != nil || len(again) != 1 || again[0].fence != claims[0].fence+1 {
		t.Fatal(again, err)
	}
	for _, c := range claims {
		for _, j := range c.jobs {
			j.outcome.State = channel.Delivered
		}
	}
	var done Summary
	if err := f.settle(t.Context(), claims, &done); err != nil || done.Delivered != 0 {
		t.Errorf("a lost lease settled %+v, %v", done, err)
	}
	if n := f.number(`SELECT count(*) FROM notification_deliveries`); n != 2 {
		t.Errorf("%d wait, want 2", n)
	}
}

func TestRemovedMembersAreDisconnected(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stays, goes := f.db.Member(t, f.school, "member"), f.db.Member(t, f.school, "member")
	f.exec(
		`INSERT INTO notification_sockets (organization_id, socket_id, user_id)
			VALUES ($1, '1.1', $2), ($1, '1.2', $3)`,
		f.school,
		stays.User,
		goes.User,
	)
	f.exec(`UPDATE memberships SET removed_at = now() WHERE user_id = $1`, goes.User)
	if _, err := f.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(f.sender.terminated, []string{goes.User.String()}) {
		t.Errorf("ended the connections of %v", f.sender.terminated)
	}
	if n := f.number(`SELECT count(*) FROM notification_sockets`); n != 1 {
		t.Errorf("%d connections are on record", n)
	}
}
