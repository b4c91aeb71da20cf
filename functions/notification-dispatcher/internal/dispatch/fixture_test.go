package dispatch

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/channel"
	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/topic"
	"github.com/toolboxai-solutions/satchel/infra/pgtest"
	"github.com/toolboxai-solutions/satchel/shared/outbox"
	"github.com/toolboxai-solutions/satchel/shared/telemetry"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

// memory is a channel that keeps the promises of package channel, in memory. fail is asked before
// each call, and after it whether its answer gets lost.
type memory struct {
	mu         sync.Mutex
	fail       func(events []channel.Event) ([]channel.Outcome, error)
	accepted   []told
	terminated []string
	calls      int
}

// told is an event as it arrived.
type told struct {
	Name     string          `json:"-"`
	ID       uuid.UUID       `json:"id"`
	Channel  string          `json:"channel"`
	Sequence int64           `json:"sequence"`
	Data     json.RawMessage `json:"data"`
	Link     string          `json:"link"`
	Replayed bool            `json:"replayed"`
	From     int64           `json:"from"`
	To       int64           `json:"to"`
}

func (m *memory) Send(ctx context.Context, events []channel.Event) ([]channel.Outcome, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	outcomes := make([]channel.Outcome, len(events))
	if ctx.Err() != nil {
		return outcomes, context.Cause(ctx)
	}
	if m.fail != nil {
		if o, err := m.fail(events); o != nil || err != nil {
			m.take(events, o)
			if o == nil {
				o = outcomes
			}
			return o, err
		}
	}
	for i := range outcomes {
		outcomes[i].State = channel.Delivered
	}
	m.take(events, outcomes)
	return outcomes, nil
}

func (m *memory) take(events []channel.Event, outcomes []channel.Outcome) {
	for i, o := range outcomes {
		if o.State == channel.Delivered || o.State == channel.Unknown {
			t := told{Name: events[i].Name}
			if err := json.Unmarshal(events[i].Data, &t); err != nil {
				panic(err)
			}
			m.accepted = append(m.accepted, t)
		}
	}
}

func (m *memory) TerminateConnections(_ context.Context, user string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.terminated = append(m.terminated, user)
	return nil
}

func (m *memory) got() []told {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.accepted)
}

// fixture is a database with an organization, and a dispatcher of its own pool.
type fixture struct {
	*Dispatcher
	t      *testing.T
	db     *pgtest.Database
	school uuid.UUID
	sender *memory
	facts  *tenantdb.DB // of a function that tells
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	d := pgtest.New(t)
	f := &fixture{
		t:      t,
		db:     d,
		school: d.Organization(t, "school"),
		sender: &memory{},
		facts:  d.DB(t, "file-api/http"),
	}
	f.Dispatcher = f.another()
	return f
}

func (f *fixture) another() *Dispatcher {
	return &Dispatcher{
		Config: Config{
			Paced:       true,
			PerMinute:   60,
			OrgMinute:   600,
			MaxAttempts: 12,
			MaxDelay:    10 * time.Minute,
		},
		DB: f.db.DB(f.t, "notification-dispatcher/delivery"), Sender: f.sender,
		Metrics: telemetry.Metrics{
			Out: io.Discard,
		}, Log: slog.New(slog.DiscardHandler), Now: time.Now,
	}
}

// tell writes a fact's notification as a function does, and returns its subject.
func (f *fixture) tell(organization uuid.UUID, name string, user uuid.UUID, payload any) uuid.UUID {
	f.t.Helper()
	subject := uuid.New()
	err := f.facts.InTenant(f.t.Context(), organization, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		if err := outbox.Queue(batch, organization,
			outbox.Notification{Topic: name, Subject: subject, User: user,
				Payload: payload}); err != nil {
			return err
		}
		return tx.SendBatch(f.t.Context(), batch).Close()
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return subject
}

// fill puts n facts of the files topic into an organization's inbox.
func (f *fixture) fill(organization uuid.UUID, n int) {
	f.exec(`INSERT INTO notification_inbox (organization_id, topic, subject_id, payload)
		SELECT $1, 'file.available', gen_random_uuid(), jsonb_build_object('version', n)
			FROM generate_series(1, $2::int) n`, organization, n)
}

func (f *fixture) exec(sql string, arguments ...any) {
	f.t.Helper()
	if _, err := f.db.Superuser.Exec(f.t.Context(), sql, arguments...); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) number(sql string, arguments ...any) (n int) {
	f.t.Helper()
	if err := f.db.Superuser.QueryRow(f.t.Context(), sql, arguments...).Scan(&n); err != nil {
		f.t.Fatal(err)
	}
	return n
}

// once runs one pass: numbers what is there, then sends rounds until nothing is due.
func (f *fixture) once() Summary {
	f.t.Helper()
	var done Summary
	for {
		if n, err := f.Sequence(f.t.Context()); err != nil {
			f.t.Fatal(err)
		} else if n == 0 {
			break
		}
	}
	cursor := uuid.Nil
	for {
		n, err := f.round(f.t.Context(), time.Now().Add(time.Minute), &cursor, &done)
		if err != nil {
			f.t.Fatal(err)
		}
		if n == 0 || done.Paused {
			return done
		}
	}
}

func files(organization uuid.UUID) string {
	return topic.Of(topic.Private, organization).About("files").String()
}
