package dispatch

import (
	"slices"
	"testing"

	"github.com/google/uuid"

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
