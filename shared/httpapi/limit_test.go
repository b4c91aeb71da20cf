package httpapi_test

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/toolboxai-solutions/satchel/infra/pgtest"
	"github.com/toolboxai-solutions/satchel/shared/httpapi"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// instances are Lambdas: each has its own pool.
func (w *fixture) instances(n int) []string {
	urls := []string{w.url}
	for range n - 1 {
		config := httpapi.Config{
			DB: w.db.DB(w.t, "file-api/http"), Log: slog.New(slog.DiscardHandler),
			Auth: httpapi.AuthConfig{
				Issuer: pgtest.Issuer, JWKSURL: w.issuer.URL, Audience: []string{audience},
				OrganizationClaim: "organization_id", KeysMaxAge: time.Hour,
			},
		}
		api := httpapi.New(config)
		w.routes(api)
		server := httptest.NewServer(api)
		w.t.Cleanup(server.Close)
		urls = append(urls, server.URL)
	}
	return urls
}

func TestTheLimitIsExactUnderSixteenClients(t *testing.T) {
	t.Parallel()
	for _, perMinute := range []int{1, 7, 40} { // 7 does not divide a minute
		t.Run(fmt.Sprint(perMinute), func(t *testing.T) {
			t.Parallel()
			w := newFixture(t)
			w.exec(`UPDATE organizations SET rate_limit_per_minute = $1`, perMinute)
			urls := w.instances(4)
			w.exec(`UPDATE memberships SET role = 'admin'`)
			// admins have half each, and no reserve above
			second := w.db.Member(t, w.org, tenant.Admin)
			tokens := []string{w.token(nil), w.token(map[string]any{"sub": second.Subject})}
			var admitted, refused atomic.Int64
			var all sync.WaitGroup
			started := time.Now()
			for i := range 16 {
				all.Go(func() {
					mine := &fixture{t: t, url: urls[i%len(urls)]}
					for range 6 {
						a, err := mine.try("POST", "/v1/things", `{"name":"a"}`, "Authorization",
							"Bearer "+tokens[i%2])
						switch {
						case err == nil && a.status == 201:
							admitted.Add(1)
						case err == nil && a.status == 429 && a.code() == "rate-limited":
							refused.Add(1)
							if wait, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil ||
								wait < 1 || wait > 61 {
								t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
							}
						default:
							t.Errorf("answered %d %s, %v", a.status, a.raw, err)
						}
					}
				})
			}
			all.Wait()
			most := int64(perMinute) +
				int64(time.Since(started)/(time.Minute/time.Duration(perMinute)))
			if n := admitted.Load(); n < int64(perMinute) || n > most {
				t.Errorf("%d admitted of %d, want %d to %d", n, n+refused.Load(), perMinute, most)
			}
		})
	}
}

func TestTheLimitFillsUpAgain(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.exec(`UPDATE organizations SET rate_limit_per_minute = 4`) // and a teacher's share is half
	for range 2 {
		if a := w.post1(w.token(nil)); a.status != 201 {
			t.Fatal(a.raw)
		}
	}
	a := w.post1(w.token(nil))
	expect(t, a, 429, "rate-limited")
	got, err := strconv.Atoi(a.header.Get("Retry-After"))
	if err != nil || got > 30 || got < 15 { // less by as much as the requests took
		t.Errorf("Retry-After is %d, want 30: half a minute for one of two", got)
	}
	w.exec(`UPDATE rate_limits SET tat = tat - interval '30 seconds'`) // the same as waiting
	if a := w.post1(w.token(nil)); a.status != 201 {
		t.Errorf("after the wait: %d %s", a.status, a.raw)
	}
	expect(t, w.post1(w.token(nil)), 429, "rate-limited")
	if a := w.get(w.token(nil)); a.status != 200 {
		t.Errorf("a read was limited: %d %s", a.status, a.raw)
	}
}

func TestOrganizationsHaveLimitsOfTheirOwn(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.exec(`UPDATE organizations SET rate_limit_per_minute = 1`)
	other := w.db.Member(t, w.db.Organization(t, "other"), "member")
	for range 2 {
		w.post1(w.token(nil))
	}
	if a := w.post1(w.token(map[string]any{"sub": other.Subject,
		"organization_id": other.Organization.String()})); a.status != 201 {
		t.Errorf("another organization was answered %d: %s", a.status, a.raw)
	}
}

// Six threads with a pupil's token may not stop a school: whatever one member does, the others and
// the admins write on.
func TestOneMemberCannotUseUpTheOrganizationsWrites(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.exec(`UPDATE organizations SET rate_limit_per_minute = 40`)
	token := func(role tenant.Role) string {
		return w.token(map[string]any{"sub": w.db.Member(t, w.org, role).Subject})
	}
	// As if no time passed between two requests, however slow the machine is: what the limits gained
	// meanwhile is taken from them.
	last := time.Now()
	stopClock := func() {
		err := w.db.Superuser.QueryRow(t.Context(), `WITH clock AS (SELECT clock_timestamp() AS now),
			taken AS (UPDATE rate_limits
				SET tat = tat + ((SELECT now FROM clock) - $1::timestamptz))
			SELECT now FROM clock`, last).Scan(&last)
		if err != nil {
			t.Fatal(err)
		}
	}
	storm := func(token string) (admitted int) {
		for range 30 {
			stopClock()
			a := w.post1(token)
			if a.status == 201 {
				admitted++
			} else {
				expect(t, a, 429, "rate-limited")
			}
		}
		return admitted
	}
	// One more or less is the time between two looks at the clock.
	pupil, teacher := storm(token(tenant.Member)), storm(token(tenant.Staff))
	if pupil < 9 || pupil > 11 {
		t.Errorf("a pupil wrote %d times of 40, want a quarter", pupil)
	}
	if teacher < 19 || teacher > 21 {
		t.Errorf("a teacher wrote %d times of 40 after that, want half", teacher)
	}
	if n := pupil + teacher + storm(token(tenant.Member)); n < 35 || n > 37 {
		t.Errorf("with another pupil, members wrote %d times of 40: the last tenth is the admins'",
			n)
	}
	if n := storm(token(tenant.Admin)); n < 3 {
		t.Errorf("an admin wrote %d times of a full organization, want 4", n)
	}
}
