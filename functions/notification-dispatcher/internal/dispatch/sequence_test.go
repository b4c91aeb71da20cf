package dispatch

import (
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/channel"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

// One client that writes over several connections, each fact after it has seen the one before
// committed: they keep that order, whichever connection each came by.
func TestTheOrderOfOneClientOverSeveralConnections(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	connections := []*tenantdb.DB{f.facts, f.db.DB(t, "file-api/http"), f.db.DB(t, "file-api/http")}
	var want []uuid.UUID
	for n := range 12 {
		f.facts = connections[n%len(connections)]
		want = append(want, f.tell(f.school, "file.available", uuid.Nil, nil))
	}
	if _, err := f.Sequence(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got []uuid.UUID
	if err := f.db.Superuser.QueryRow(t.Context(), `SELECT array_agg(subject_id ORDER BY sequence)
		FROM notifications`).Scan(&got); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("numbered %v, want %v", got, want)
	}
}

// While another has an organization in hand, its inbox is left to that one.
func TestAnInboxIsInOneHandAtATime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.fill(f.school, 1)
	f.once()
	f.fill(f.school, 2)
	holder, err := f.db.Superuser.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := holder.Exec(t.Context(), `SELECT FROM notification_tenants FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	if n, err := f.Sequence(t.Context()); n != 0 || err != nil {
		t.Errorf("took %d, %v", n, err)
	}
	if err := holder.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := f.Sequence(t.Context()); n != 2 || err != nil {
		t.Errorf("then it took %d, %v", n, err)
	}
}

// A sequencer that came as another was at work, and gets the lock when that one is done, begins with
// what is there then: what it saw before it had the lock is another's. No number is given twice.
func TestASequencerLooksWhenItHasTheLock(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.fill(f.school, 1)
	f.once()
	// The first that locks waits between its snapshot and the lock.
	f.exec(`CREATE SEQUENCE entered`)
	f.exec(`CREATE FUNCTION first_waits() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
		BEGIN
			IF current_query() LIKE '%FOR UPDATE%' AND nextval('entered') = 1 THEN
				PERFORM pg_advisory_xact_lock_shared(6);
			END IF;
			RETURN true;
		END $$`)
	f.exec(`CREATE POLICY first_waits ON notification_tenants AS RESTRICTIVE FOR SELECT
		USING (first_waits())`)
	gate, err := f.db.Superuser.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gate.Exec(t.Context(), `SELECT pg_advisory_xact_lock(6)`); err != nil {
		t.Fatal(err)
	}
	f.fill(f.school, 3)
	took := make(chan int)
	go func() {
		n, err := f.another().Sequence(t.Context())
		if err != nil {
			t.Error(err)
		}
		took <- n
	}()
	f.await(t.Context(), `SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory'
		AND NOT granted AND database = (SELECT oid FROM pg_database
			WHERE datname = current_database()))`)
	if n, err := f.Sequence(t.Context()); n != 3 || err != nil {
		t.Fatalf("the one that was not held up took %d, %v", n, err)
	}
	f.fill(f.school, 2)
	if err := gate.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := <-took; n != 2 {
		t.Errorf("the other took %d, want the 2 that were left", n)
	}
	var numbers []int64
	if err := f.db.Superuser.QueryRow(t.Context(), `SELECT array_agg(sequence ORDER BY sequence)
		FROM notifications`).Scan(&numbers); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(numbers, []int64{1, 2, 3, 4, 5, 6}) {
		t.Errorf("numbered %v", numbers)
	}
}

// What is asked for again while a channel is being sent is no part of what was sent.
func TestSettlingTakesOnlyWhatWasSent(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.fill(f.school, 5)
	f.once()
	replay := func(sequences ...int) {
		f.exec(`INSERT INTO notification_deliveries (organization_id, channel, sequence, recorded_at,
				priority, replayed)
			SELECT organization_id, channel, sequence, recorded_at, priority, true
			FROM notifications WHERE sequence = ANY ($1::int[])`, sequences)
		f.exec(`UPDATE notification_channels SET next_at = now()`)
	}
	replay(2, 4)
	f.fill(f.school, 2)
	f.sender.fail = func([]channel.Event) ([]channel.Outcome, error) {
		f.sender.fail = nil
		replay(3)
		return nil, nil
	}
	if done := f.once(); done.Delivered != 5 {
		t.Errorf("did %+v", done)
	}
	var sequences []int64
	for _, e := range f.sender.got()[5:] {
		sequences = append(sequences, e.Sequence)
		if e.Replayed != (e.Sequence <= 5) || e.Data == nil {
			t.Errorf("sent %+v", e)
		}
	}
	if !slices.Equal(sequences, []int64{2, 4, 6, 7, 3}) {
		t.Errorf("sent %v", sequences)
	}
}
