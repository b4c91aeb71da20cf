package dispatch

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

var shared = regexp.MustCompile(`Buffers: shared(?: hit=(\d+))?(?: read=(\d+))?`)

// buffers runs a statement as an entry does, undoes it, and returns how many pages it touched.
func (f *fixture) buffers(in func(context.Context, func(pgx.Tx) error) error, sql string,
	arguments ...any) (n int, plan string) {
	f.t.Helper()
	undo := errors.New("undo")
	err := in(f.t.Context(), func(tx pgx.Tx) error {
		rows, err := tx.Query(f.t.Context(), "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) "+sql,
			arguments...)
		if err != nil {
			return err
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		for _, line := range lines {
			if found := shared.FindStringSubmatch(line); found != nil && n == 0 {
				hit, _ := strconv.Atoi(found[1])
				read, _ := strconv.Atoi(found[2])
				n = hit + read // of the top node, which has all of it
			}
			plan += line + "\n"
		}
		return errors.Join(err, undo)
	})
	if !errors.Is(err, undo) {
		f.t.Fatalf("%s: %v", sql, err)
	}
	return n, plan
}

// backlog fills channels of an organization with what waits, and as much that was delivered.
func (f *fixture) backlog(organization uuid.UUID, channels, each int, due string) {
	f.exec(`INSERT INTO notification_tenants VALUES ($1::uuid) ON CONFLICT DO NOTHING`, organization)
	f.exec(`INSERT INTO notification_channels (organization_id, channel, last_sequence, next_at)
		SELECT $1::uuid, 'private-org-' || $1::uuid || '-topic-t' || c, 2 * $3::bigint,
			now() + $4::interval + c * interval '1 ms'
		FROM generate_series(1, $2::int) c`, organization, channels, each, due)
	f.exec(`INSERT INTO notifications (organization_id, channel, sequence, id, topic, payload,
			priority, occurred_at)
		SELECT organization_id, channel, s, gen_random_uuid(), 'file.available', '{}', 1, now()
		FROM notification_channels, generate_series(1, 2 * $2::int) s
		WHERE organization_id = $1`, organization, each)
	f.exec(`INSERT INTO notification_deliveries (organization_id, channel, sequence, recorded_at,
			priority)
		SELECT organization_id, channel, sequence, recorded_at, 1 FROM notifications
		WHERE organization_id = $1 AND sequence > $2::int`, organization, each)
}

// What a page of work costs does not depend on how much there is: not its pages of the database
// when ten times as much waits.
func TestABacklogDoesNotSlowItsOwnEnd(t *testing.T) {
	t.Parallel()
	few, many := newFixture(t), newFixture(t)
	for f, n := range map[*fixture]int{few: 5, many: 50} {
		f.backlog(f.school, 20, 15*n, "-1 hour")
		f.exec(`INSERT INTO notification_inbox (organization_id, topic, subject_id, user_id)
			SELECT $1, 'file.available', gen_random_uuid(), gen_random_uuid()
			FROM generate_series(1, 1000 * $2::int)`, f.school, n)
		other := f.db.Organization(t, "other")
		f.exec(`INSERT INTO notification_schedule (organization_id, not_before, topic, channel,
				payload, priority)
			SELECT CASE WHEN n % 1000 = 1 THEN $2::uuid ELSE $1::uuid END, now() - n * interval '1 ms',
				'message.posted', 'private-org-x', '{}', 1
			FROM generate_series(1, 1000 * $3::int) n`, f.school, other, n)
		for _, age := range []int{40, 20} {
			f.exec(`INSERT INTO notification_dead (organization_id, channel, sequence, recorded_at,
					reason, attempts)
				SELECT c.organization_id, c.channel, $1 * 10000000 + s,
					now() - $1 * interval '1 day' - s * interval '1 ms', 'x', 1
				FROM (SELECT * FROM notification_channels LIMIT 1) c,
					generate_series(1, 1000 * $2::int) s`, age, n)
		}
		f.exec(`VACUUM ANALYZE`)
	}
	for _, statement := range []struct {
		name, sql string
		in        func(f *fixture) func(context.Context, func(pgx.Tx) error) error
		arguments func(f *fixture) []any
	}{
		{"find inboxes", findInboxes, across, nil},
		{"find due schedules", findDueSchedules, across, nil},
		{"promote", promote, inSchool, schoolAnd(50)},
		{"read an inbox", readInbox, inSchool, schoolAnd(50)},
		{"read mutes", readMutes, inSchool, schoolAnd(50)},
		{"claim", claimChannels, across, func(*fixture) []any {
			return []any{uuid.Nil, time.Minute, time.Minute, perRound, perPriority,
				time.Minute}
		}},
		{"read heads", readHeads, across, claimed(perClaim, longestRead)},
		{"read folds", readFolds, across, claimed(foldsAtOnce, 10*time.Minute, fewestToFold)},
		{"when is the next due", nextDue, sweeps, nil},
		{"measure what waits", measureWaiting, sweeps, func(*fixture) []any {
			return []any{1000}
		}},
		{"count what is forgotten", countForgotten, sweeps, func(*fixture) []any {
			return []any{30 * 24 * time.Hour, 50}
		}},
		{"forget the dead", forgetDead, sweeps, func(*fixture) []any {
			return []any{30 * 24 * time.Hour, 50}
		}},
	} {
		var pages [2]int
		var plan string
		for i, f := range []*fixture{few, many} {
			var arguments []any
			if statement.arguments != nil {
				arguments = statement.arguments(f)
			}
			pages[i], plan = f.buffers(statement.in(f), statement.sql, arguments...)
		}
		// A tree may be a level higher.
		if pages[0] == 0 || pages[1] > pages[0]+pages[0]/2+10 {
			t.Errorf("%s: %d pages, and %d where ten times as much waits\n%s", statement.name,
				pages[0], pages[1], plan)
		}
		t.Logf("%s: %d and %d pages", statement.name, pages[0], pages[1])
	}
}

type door = func(context.Context, func(pgx.Tx) error) error

func across(f *fixture) door { return f.DB.AcrossTenants }

func inSchool(f *fixture) door {
	return func(ctx context.Context, do func(pgx.Tx) error) error {
		return f.DB.InTenant(ctx, f.school, do)
	}
}

func sweeps(f *fixture) door {
	return f.db.DB(f.t, "notification-dispatcher/sweep").AcrossTenants
}

func schoolAnd(more ...any) func(*fixture) []any {
	return func(f *fixture) []any { return append([]any{f.school}, more...) }
}

// claimed are four channels of the school's.
func claimed(more ...any) func(*fixture) []any {
	return func(f *fixture) []any {
		var organizations []uuid.UUID
		var names []string
		for c := range perPriority {
			organizations = append(organizations, f.school)
			names = append(names, fmt.Sprintf("private-org-%s-topic-t%d", f.school, c+1))
		}
		return append([]any{organizations, names}, more...)
	}
}

// Of many channels that wait for their turn, the one that is due is found, and the time of the next,
// and the oldest.
func TestManyChannelsThatWait(t *testing.T) {
	t.Parallel()
	few, many := newFixture(t), newFixture(t)
	for f, n := range map[*fixture]int{few: 50, many: 10_000} {
		f.backlog(f.school, n, 1, "1 hour")
		f.exec(`VACUUM ANALYZE`)
	}
	for _, f := range []*fixture{few, many} {
		if wait, err := dueIn(t.Context(), f.DB); err != nil || wait < 50*time.Minute {
			t.Errorf("due in %v, %v", wait, err)
		}
	}
	for name, ask := range map[string][]any{
		"when the next is due": {nextDue}, "how long the oldest waits": {measureWaiting, 1000},
	} {
		var pages [2]int
		var plan string
		for i, f := range []*fixture{few, many} {
			pages[i], plan = f.buffers(sweeps(f), ask[0].(string), ask[1:]...)
		}
		if pages[0] == 0 || pages[1] > pages[0]+10 {
			t.Errorf("%s takes %d pages for 50 channels, %d for 10,000\n%s", name, pages[0],
				pages[1], plan)
		}
		t.Logf("%s: %d and %d pages", name, pages[0], pages[1])
	}
	n, _ := many.buffers(across(many), claimChannels, uuid.Nil, time.Minute, time.Minute,
		perRound, perPriority, time.Minute)
	t.Logf("a claim that finds nothing: %d pages", n)
}

// While the database takes no writes nothing is sent, because nobody could note that it was; and
// then everything goes on by itself.
func TestAReadOnlyDatabaseSendsNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.fill(f.school, 3)
	f.once()
	f.fill(f.school, 3)
	before := f.sender.calls
	f.readOnly(true)
	d := f.another()
	if _, err := d.Run(t.Context()); err == nil {
		t.Error("a run on a database that takes no writes did not fail")
	}
	if f.sender.calls != before {
		t.Errorf("%d calls were made", f.sender.calls-before)
	}
	f.readOnly(false)
	if done, err := f.another().Run(t.Context()); err != nil || done.Delivered != 3 {
		t.Errorf("after that it did %+v, %v", done, err)
	}
}

// readOnly holds for the connections that are opened from then on.
func (f *fixture) readOnly(on bool) {
	f.t.Helper()
	f.exec(fmt.Sprintf(`DO $$ BEGIN EXECUTE format(
		'ALTER ROLE satchel_notification_dispatcher_delivery IN DATABASE %%I
			SET default_transaction_read_only = %t', current_database()); END $$`, on))
}
