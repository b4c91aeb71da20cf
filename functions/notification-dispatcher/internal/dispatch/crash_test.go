package dispatch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/channel"
	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/topic"
	"github.com/toolboxai-solutions/satchel/infra/local/channels"
	"github.com/toolboxai-solutions/satchel/shared/outbox"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

// rest spares the processor between two looks. No result depends on how long it is.
func rest(ctx context.Context, pause time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(pause):
	}
}

// kill ends backends of the dispatchers and writers at random until the test says stop.
func (f *fixture) kill(ctx context.Context) {
	for ctx.Err() == nil {
		_, _ = f.db.Superuser.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND usename LIKE 'satchel%' ORDER BY random()
				LIMIT 1`)
		rest(ctx, 60*time.Millisecond)
	}
}

// client writes facts one after another, each after it has seen the one before committed. Some it
// rolls back, some it commits late, and some it never learns the fate of.
func (f *fixture) client(
	ctx context.Context,
	db *tenantdb.DB,
	organization uuid.UUID,
	number, facts int,
	certain, doubtful *sync.Map,
) {
	for n := range facts {
		key := fmt.Sprintf("%d/%d", number, n)
		undo := rand.IntN(5) == 0
		failed := errors.New("undone")
		err := db.InTenant(ctx, organization, func(tx pgx.Tx) error {
			batch := &pgx.Batch{}
			err := outbox.Queue(
				batch,
				organization,
				outbox.Notification{
					Topic:   "file.available",
					Payload: map[string]any{"version": number, "size": n},
				},
			)
			if err == nil {
				err = tx.SendBatch(ctx, batch).Close()
			}
			if rand.IntN(8) == 0 {
				_, _ = tx.Exec(ctx, `SELECT pg_sleep(0.05)`)
			}
			if err == nil && undo {
				return failed
			}
			return err
		})
		switch {
		case err == nil:
			certain.Store(key, organization)
		case !errors.Is(err, failed):
			doubtful.Store(key, organization)
		}
	}
}

// Whatever dies: no number is given twice or left out, nothing that was committed is skipped, and
// what one client saw committed before it began the next comes first.
func TestSequencersUnderCrashes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	organizations := []uuid.UUID{f.school, f.db.Organization(t, "b")}
	var certain, doubtful sync.Map
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var writers, workers sync.WaitGroup
	for n := range 8 {
		db := f.db.DB(t, "file-api/http")
		writers.Go(
			func() { f.client(t.Context(), db, organizations[n%2], n, 60, &certain, &doubtful) },
		)
	}
	for range 4 {
		d := f.another()
		workers.Go(func() {
			for ctx.Err() == nil {
				if n, err := d.Sequence(ctx); err != nil || n == 0 {
					rest(ctx, 5*time.Millisecond)
				}
			}
		})
	}
	workers.Go(func() { f.kill(ctx) })
	writers.Wait()
	stop()
	workers.Wait()
	// A worker that was cut off may hold its organization's lock for a moment yet: what shows that
	// nothing is left is the inbox, not a sequencer that found nothing to do.
	for end := time.Now().Add(2 * time.Minute); f.number(
		`SELECT count(*) FROM notification_inbox`) > 0; {
		if _, err := f.Sequence(t.Context()); err != nil && time.Now().After(end) {
			t.Fatal(err)
		}
	}
	total := 0
	for _, organization := range organizations {
		total += f.checkHistory(organization, &certain, &doubtful)
	}
	count := 0
	certain.Range(func(any, any) bool { count++; return true })
	if total < count || count == 0 {
		t.Errorf("%d are in the histories, %d were committed", total, count)
	}
	t.Logf("%d in the histories, %d surely committed", total, count)
}

func (f *fixture) checkHistory(organization uuid.UUID, certain, doubtful *sync.Map) int {
	f.t.Helper()
	rows, err := f.db.Superuser.Query(
		f.t.Context(),
		`SELECT sequence, (payload->>'version')::int, (payload->>'size')::int FROM notifications
		WHERE organization_id = $1 ORDER BY sequence`,
		organization,
	)
	if err != nil {
		f.t.Fatal(err)
	}
	seen, last, expected := map[string]bool{}, map[int]int{}, int64(1)
	var sequence int64
	var number, n int
	_, err = pgx.ForEachRow(rows, []any{&sequence, &number, &n}, func() error {
		key := fmt.Sprintf("%d/%d", number, n)
		_, sure := certain.Load(key)
		if _, maybe := doubtful.Load(key); !sure && !maybe || seen[key] {
			f.t.Errorf("%s was told and never happened, or twice", key)
		}
		if before, ok := last[number]; ok && before > n {
			f.t.Errorf("client %d: %d comes before %d", number, before, n)
		}
		if sequence != expected {
			f.t.Errorf("sequence %d, want %d", sequence, expected)
		}
		seen[key], last[number], expected = true, n, sequence+1
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
	certain.Range(func(key, of any) bool {
		if of == organization && !seen[key.(string)] {
			f.t.Errorf("%s was committed and never told", key)
		}
		return true
	})
	return len(seen)
}

// weather makes Pusher behave as on a bad day: each request goes wrong in its own way.
type weather struct {
	mu   sync.Mutex
	rand *rand.Rand
	away bool
}

func (w *weather) fault(r *http.Request) channels.Fault {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.away:
		return channels.Fault{Status: 503}
	case bytes.Contains(body, []byte("poison")):
		return channels.Fault{Status: 400}
	}
	switch w.rand.IntN(20) {
	case 0:
		return channels.Fault{Status: 429, RetryAfter: "1"}
	case 1:
		return channels.Fault{Status: 500}
	case 2:
		return channels.Fault{Cut: true}
	case 3:
		return channels.Fault{Cut: true, Handle: true} // accepts, and the answer is lost
	case 4:
		return channels.Fault{Torn: true}
	case 5:
		return channels.Fault{Trickle: 100 * time.Millisecond}
	case 6:
		return channels.Fault{Hang: true}
	case 7:
		return channels.Fault{Delay: 50 * time.Millisecond}
	}
	return channels.Fault{}
}

// mortal is a sender whose process may die after a send.
type mortal struct {
	*channel.Pusher
	dies func() bool
}

type death struct{}

func (m mortal) Send(ctx context.Context, events []channel.Event) ([]channel.Outcome, error) {
	o, err := m.Pusher.Send(ctx, events)
	if m.dies() {
		panic(death{})
	}
	return o, err
}

// Four dispatchers, some of which die in the middle of a batch, and a Pusher on a bad day that is
// away for two days in between: at the end each notification is delivered, folded or dead with a
// reason, and each channel's came in order.
func TestDispatchersUnderFaults(t *testing.T) {
	t.Parallel()
	// They wait for leases most of the time: more of them at a time than there are processors.
	turns := make(chan struct{}, 5)
	var seeds sync.WaitGroup
	for seed := range uint64(10) {
		seeds.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			t.Run(fmt.Sprint(seed), func(t *testing.T) { newFixture(t).underFaults(seed) })
		})
	}
	seeds.Wait()
}

func (f *fixture) underFaults(seed uint64) {
	t := f.t
	random := rand.New(rand.NewPCG(seed, 1))
	var mu sync.Mutex
	var arrived []told
	server, err := channels.Start(channels.Options{OnEvent: func(e channels.Event) {
		mu.Lock()
		defer mu.Unlock()
		one := told{Name: e.Name}
		if err := json.Unmarshal([]byte(e.Data), &one); err != nil {
			t.Error(err)
		}
		arrived = append(arrived, one)
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Stop() }()
	sky := &weather{rand: random}
	server.Disturb(sky.fault)
	organizations := []uuid.UUID{f.school, f.db.Organization(t, "b"), f.db.Organization(t, "c")}
	const facts = 180
	tell := func(from, to int) {
		for n := from; n < to; n++ {
			payload := map[string]any{"size": n}
			if n%45 == 7 {
				payload["status"] = "poison"
			}
			f.tell(
				organizations[n%3],
				[]string{"file.available", "task.started"}[n%2],
				uuid.Nil,
				payload,
			)
		}
	}
	ctx, stop := context.WithTimeout(t.Context(), 8*time.Minute)
	defer stop()
	var workers sync.WaitGroup
	defer func() { stop(); workers.Wait() }()
	var deaths atomic.Int32
	for range 4 {
		workers.Go(func() { f.mortalDispatcher(ctx, server, &deaths) })
	}
	workers.Go(func() { f.hurry(ctx) })
	tell(0, facts/2)
	f.await(ctx, `SELECT count(*) < 40 FROM notification_deliveries`)
	sky.mu.Lock()
	sky.away = true
	sky.mu.Unlock()
	tell(facts/2, facts)
	f.await(ctx, `SELECT count(*) = 0 FROM notification_inbox`)
	f.exec(
		`UPDATE notification_deliveries SET queued_at = now() - interval '2 days'
			WHERE sequence % 2 = 0 OR sequence < 20`,
	)
	sky.mu.Lock()
	sky.away = false
	sky.mu.Unlock()
	f.await(
		ctx,
		`SELECT NOT EXISTS (SELECT FROM notification_deliveries)
			AND NOT EXISTS (SELECT FROM notification_inbox)`,
	)
	stop()
	workers.Wait()
	if ctx.Err() != context.Canceled {
		t.Fatal("not done in time")
	}
	mu.Lock()
	defer mu.Unlock()
	f.checkArrivals(arrived)
	t.Logf(
		"%d arrivals, %d deaths, %d dead, %d folded",
		len(arrived),
		deaths.Load(),
		f.number(`SELECT count(*) FROM notification_dead`),
		f.number(`SELECT count(*) FROM notification_attempts WHERE outcome = 'folded'`),
	)
}

// mortalDispatcher runs dispatchers, each until it dies.
func (f *fixture) mortalDispatcher(
	ctx context.Context,
	server *channels.Server,
	deaths *atomic.Int32,
) {
	pusher, err := channel.New(
		channel.Config{
			AppID:   server.AppID,
			Key:     server.Key,
			Secret:  server.Secret,
			Host:    "http://" + server.Host,
			Timeout: 400 * time.Millisecond,
		},
	)
	if err != nil {
		f.t.Error(err)
		return
	}
	d := f.another()
	d.Config.Paced, d.Config.MaxAttempts, d.Lease = false, 3, 4*time.Second
	d.Sender = mortal{pusher, func() bool { return rand.IntN(5) == 0 }}
	for ctx.Err() == nil {
		func() {
			defer func() {
				if cause := recover(); cause != nil {
					if _, ok := cause.(death); !ok {
						panic(cause)
					}
					deaths.Add(1)
				}
			}()
			run, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			_, _ = d.Run(run)
			rest(ctx, 5*time.Millisecond)
		}()
	}
}

// hurry lets pauses and retries pass sooner, and never a lease.
func (f *fixture) hurry(ctx context.Context) {
	for ctx.Err() == nil {
		_, _ = f.db.Superuser.Exec(
			ctx,
			`UPDATE notification_senders
				SET paused_until = least(paused_until, now() + interval '30 ms')`,
		)
		_, _ = f.db.Superuser.Exec(
			ctx,
			`UPDATE notification_senders
				SET probing_until = least(probing_until, now() + interval '3 s')`,
		)
		_, _ = f.db.Superuser.Exec(
			ctx,
			`UPDATE notification_deliveries SET due_at = now() WHERE due_at > now()`,
		)
		_, _ = f.db.Superuser.Exec(
			ctx,
			`UPDATE notification_channels SET next_at = least(next_at, now() + interval '4 s')
				WHERE next_at > now() + interval '4 s'`,
		)
		rest(ctx, 30*time.Millisecond)
	}
}

func (f *fixture) await(ctx context.Context, sql string) {
	f.t.Helper()
	for done := false; !done; {
		if err := f.db.Superuser.QueryRow(ctx, sql).Scan(&done); err != nil {
			f.t.Fatalf("%s: %v", sql, err)
		}
		rest(ctx, 10*time.Millisecond)
	}
}

// checkArrivals: what came first of each channel came in order, a repeat is the same event, and
// what never came is folded or dead.
func (f *fixture) checkArrivals(arrived []told) {
	f.t.Helper()
	came, newest, ids := map[string]map[int64]bool{}, map[string]int64{}, map[string]uuid.UUID{}
	for _, e := range arrived {
		if came[e.Channel] == nil {
			came[e.Channel] = map[int64]bool{}
		}
		from := e.Sequence
		if e.Name == topic.CatchUp {
			from = e.From
		} else {
			key := fmt.Sprint(e.Channel, e.Sequence)
			if id, again := ids[key]; again && id != e.ID {
				f.t.Errorf("sequence %d of %s came as %s and as %s", e.Sequence, e.Channel, id,
					e.ID)
			}
			ids[key] = e.ID
		}
		if !came[e.Channel][e.Sequence] && e.Sequence < newest[e.Channel] {
			f.t.Errorf("%s: %d came after %d", e.Channel, e.Sequence, newest[e.Channel])
		}
		for n := from; n <= e.Sequence; n++ {
			came[e.Channel][n] = true
		}
		newest[e.Channel] = max(newest[e.Channel], e.Sequence)
	}
	rows, err := f.db.Superuser.Query(
		f.t.Context(),
		`SELECT n.channel, n.sequence, coalesce(d.reason, '') FROM notifications n
		LEFT JOIN notification_dead d USING (organization_id, channel, sequence)`,
	)
	if err != nil {
		f.t.Fatal(err)
	}
	var name, reason string
	var sequence int64
	counted := 0
	_, err = pgx.ForEachRow(rows, []any{&name, &sequence, &reason}, func() error {
		counted++
		if !came[name][sequence] && reason == "" {
			f.t.Errorf("%s %d neither came nor is dead", name, sequence)
		}
		return nil
	})
	if err != nil || counted != 180 {
		f.t.Errorf("%d are in the histories, %v", counted, err)
	}
	if n := f.number(`SELECT count(*) FROM notification_dead`); n == 0 &&
		!slices.ContainsFunc(arrived, func(e told) bool { return e.Name == topic.CatchUp }) {
		f.t.Error("nothing was refused and nothing folded: the test tried nothing")
	}
}
