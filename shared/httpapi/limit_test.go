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
			token := w.token(nil)
			var admitted, refused atomic.Int64
			var all sync.WaitGroup
			started := time.Now()
			for i := range 16 {
				all.Go(func() {
					mine := &fixture{t: t, url: urls[i%len(urls)]}
					for range 6 {
						a, err := mine.try("POST", "/v1/things", `{"name":"a"}`, "Authorization",
							"Bearer "+token)
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
	w.exec(`UPDATE organizations SET rate_limit_per_minute = 2`)
	for range 2 {
		if a := w.post1(w.token(nil)); a.status != 201 {
			t.Fatal(a.raw)
		}
	}
	a := w.post1(w.token(nil))
	expect(t, a, 429, "rate-limited")
	if got := a.header.Get("Retry-After"); got != "30" {
		t.Errorf("Retry-After is %q, want 30: half a minute for one of two", got)
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
