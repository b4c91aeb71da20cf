package main

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// Each round trip is a millisecond where the database is in another zone, and between the first
// lock and the commit it is one for the whole school. They are counted on the wire, on a connection
// that is in use: the first request of each kind also has its statements prepared.
func TestRoundTrips(t *testing.T) {
	w := newFixture(t)
	db, wire := w.db.Listen(t, "file-api/http")
	api := w.apiOn(db)
	u := w.user(tenant.Staff)
	id := u.available()
	path := "/v1/files/" + id
	for _, c := range []struct {
		name, method, path string
		body               map[string]any
		key                bool
		status, most       int
	}{
		{"reserve", "POST", "/v1/files", newFile(), false, 201, 6},
		{"reserve with a key", "POST", "/v1/files", newFile(), true, 201, 6},
		{"change", "PATCH", path, map[string]any{"title": "t"}, false, 200, 5},
		{"read", "GET", path, nil, false, 200, 2},
		{"list", "GET", "/v1/files", nil, false, 200, 2},
		{"usage", "GET", "/v1/usage", nil, false, 200, 2},
		{"access log", "GET", path + "/access-log", nil, false, 200, 3},
		{"download", "GET", path + "/download", nil, false, 200, 6},
		{"trash", "DELETE", path, nil, false, 200, 8},
	} {
		var trips int
		var statements []string
		for time := range 2 {
			if c.name == "trash" && time == 1 { // what is in the trash already is another thing
				c.path = "/v1/files/" + u.available()
			}
			trips, statements = wire.Of(func() {
				var headers []string
				if c.key {
					headers = []string{"Idempotency-Key", uuid.NewString()}
				}
				u.callOn(api, c.method, c.path, c.body, headers...).want(c.status)
			})
		}
		t.Logf("%s: %d round trips, %d statements", c.name, trips, len(statements))
		if trips > c.most {
			t.Errorf("%s took %d round trips, at most %d are its due: %s", c.name, trips, c.most,
				strings.Join(statements, "\n"))
		}
		if c.name == "reserve" {
			lastLock(t, statements)
		}
	}
}

// lastLock checks that the row through which all uploads of a school go is the last to be locked.
func lastLock(t *testing.T, statements []string) {
	t.Helper()
	quota := -1
	for i, sql := range statements {
		sql = strings.ToLower(sql)
		switch {
		case strings.Contains(sql, "update storage_quotas"):
			quota = i
		case quota >= 0 && (strings.Contains(sql, "insert into") || strings.Contains(sql, "update ")):
			t.Errorf("after the quota comes %s", sql)
		}
	}
	if quota < 0 {
		t.Errorf("no statement takes from the quota: %q", statements)
	}
}

// A quota is exact, however many take from it at once.
func TestQuotaIsExact(t *testing.T) {
	w := newFixture(t)
	const clients, each, size, room = 16, 4, 1000, 37
	w.exec(`INSERT INTO storage_quotas (organization_id, total_bytes) VALUES ($1, $2)`,
		w.organization, size*room)
	apis := []http.Handler{w.api(), w.api()}
	var lock sync.Mutex
	made := 0
	var all sync.WaitGroup
	for n := range clients {
		u := w.user(tenant.Staff)
		all.Go(func() {
			for range each {
				a := u.callOn(apis[n%len(apis)], "POST", "/v1/files", newFile("size", size))
				lock.Lock()
				switch {
				case a.status == 201:
					made++
				case a.at("code") != "quota-exceeded":
					t.Errorf("answer %d %s", a.status, a.raw)
				}
				lock.Unlock()
			}
		})
	}
	all.Wait()
	if made != room {
		t.Errorf("%d files of 1000 bytes fit into %d", made, size*room)
	}
	if n := w.number(`SELECT count(*) FROM storage_quotas
		WHERE reserved_bytes = $1 AND file_count = $2 AND used_bytes = 0`, size*room,
		room); n != 1 {
		t.Error("the quota's row says something else")
	}
}
