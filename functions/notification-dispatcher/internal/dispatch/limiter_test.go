package dispatch

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/topic"
)

// asks has one dispatcher admit as much of the claims as the pace allows.
func (f *fixture) asks(d *Dispatcher, claims []*claim) {
	f.t.Helper()
	err := d.DB.AcrossTenants(f.t.Context(), func(tx pgx.Tx) error {
		return d.admitted(f.t.Context(), tx, claims)
	})
	if err != nil {
		f.t.Error(err)
	}
}

func full(organization uuid.UUID, name string) *claim {
	return &claim{key: key{organization, topic.Of(topic.Private, organization).About(name).String()},
		jobs: slices.Repeat([]*job{{}}, perClaim)}
}

// clock is the database's.
func (f *fixture) clock() (now time.Time) {
	f.t.Helper()
	if err := f.db.Superuser.QueryRow(f.t.Context(), readClock).Scan(&now); err != nil {
		f.t.Fatal(err)
	}
	return now
}

// Eight dispatchers that want the same channel at once get no more between them than one would.
func TestOneHotKeyIsNeverOverItsPace(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var dispatchers []*Dispatcher
	for range 8 {
		dispatchers = append(dispatchers, f.another())
		dispatchers[len(dispatchers)-1].Config.OrgMinute = 1_000_000
	}
	p := f.Config.paceOf(bucket{})
	for round := range 20 {
		began := f.clock()
		claims := make([]*claim, 3*len(dispatchers))
		var workers sync.WaitGroup
		for i, d := range dispatchers {
			workers.Go(func() {
				for ask := range 3 {
					claims[3*i+ask] = full(f.school, fmt.Sprintf("hot%d", round))
					f.asks(d, claims[3*i+ask:][:1])
				}
			})
		}
		workers.Wait()
		passed, most := 0, p.minute.burst+int(f.clock().Sub(began)/p.minute.step)
		for _, cl := range claims {
			passed += len(cl.jobs)
		}
		if passed > most || passed < p.minute.burst {
			t.Errorf("round %d: %d of %d passed, at most %d may", round, passed,
				len(claims)*perClaim, most)
		}
	}
}

// Of ten thousand channels each keeps to its own pace, whoever asks for it in whatever company.
func TestTenThousandKeysAreNeverOverTheirPace(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const keys, together = 10_000, 200
	organizations := make([]uuid.UUID, keys)
	for i := range organizations {
		organizations[i] = uuid.New()
	}
	began := f.clock()
	var workers sync.WaitGroup
	var mu sync.Mutex
	passed := make([]int, keys)
	for n := range uint64(8) {
		d := f.another()
		d.Config.OrgMinute = 1_000_000
		workers.Go(func() {
			random := rand.New(rand.NewPCG(n, 6))
			for range 12 {
				var claims []*claim
				chosen := random.Perm(keys)[:together]
				for _, i := range chosen {
					claims = append(claims, full(organizations[i], "files"))
				}
				f.asks(d, claims)
				mu.Lock()
				for at, i := range chosen {
					passed[i] += len(claims[at].jobs)
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	p := f.Config.paceOf(bucket{})
	most := p.minute.burst + int(f.clock().Sub(began)/p.minute.step)
	total := 0
	for i, n := range passed {
		if n > most {
			t.Errorf("%d passed of key %d, at most %d may", n, i, most)
		}
		total += n
	}
	if total < keys {
		t.Errorf("only %d passed", total)
	}
	t.Logf("%d of %d passed, at most %d a key", total, 8*12*together*perClaim, most)
}

// The clock is read when the lock is held: who read it before the wait would write a level that is
// older than the wait, and let the same burst pass once more.
func TestTheLimitersClockIsReadUnderTheLock(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Config.PerMinute, f.Config.OrgMinute = 6000, 1_000_000
	first := full(f.school, "files")
	f.asks(f.Dispatcher, []*claim{first})
	holder, err := f.db.Superuser.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = holder.Rollback(t.Context()) }()
	if _, err := holder.Exec(t.Context(), `SELECT FROM notification_pace FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	second := full(f.school, "files")
	var asking sync.WaitGroup
	asking.Go(func() { f.asks(f.Dispatcher, []*claim{second}) })
	f.await(t.Context(), `SELECT EXISTS (SELECT FROM pg_stat_activity
		WHERE datname = current_database() AND wait_event_type = 'Lock')`)
	var released time.Time
	if err := holder.QueryRow(t.Context(),
		`SELECT clock_timestamp() FROM pg_sleep(0.5)`).Scan(&released); err != nil {
		t.Fatal(err)
	}
	if err := holder.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	asking.Wait()
	var level time.Time
	if err := f.db.Superuser.QueryRow(t.Context(), fmt.Sprintf(`SELECT tat_minute
		FROM notification_pace WHERE bucket = 'channel:%s'`, second.name)).Scan(&level); err != nil {
		t.Fatal(err)
	}
	step := f.Config.paceOf(bucket{}).minute.step
	if least := released.Add(time.Duration(len(second.jobs)) * step); len(second.jobs) != burst ||
		level.Before(least) {
		t.Errorf("%d passed, and the level is %v before where they put it", len(second.jobs),
			least.Sub(level))
	}
}
