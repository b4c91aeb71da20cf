package httpapi_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/shared/httpapi"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

func (w *fixture) post1(token string, headers ...string) answer {
	w.t.Helper()
	return w.ask("POST", "/v1/things", `{"name":"a"}`,
		append(headers, "Authorization", "Bearer "+token)...)
}

func TestTheCallerIsWhoTheDatabaseSays(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	a := w.ask("GET", "/v1/things/"+uuid.NewString(), "", "Authorization", "bearer "+
		w.token(map[string]any{"role": "admin"}), "User-Agent", "phone\t"+strings.Repeat("é", 300))
	if a.status != 200 {
		t.Fatal(a.raw)
	}
	c := w.seen.Load()
	if c.Organization != w.member.Organization || c.User != w.member.User ||
		c.Role != tenant.Staff {
		t.Errorf("caller %+v, want %+v", c, w.member.Caller)
	}
	if c.RequestID == "" || c.RequestID != a.header.Get("X-Request-Id") || c.IP == nil ||
		!c.IP.IsLoopback() {
		t.Errorf("request %q, ip %v", c.RequestID, c.IP)
	}
	if n := len([]rune(c.UserAgent)); n != 256 || strings.Contains(c.UserAgent, "\t") {
		t.Errorf("user agent of %d characters: %q", n, c.UserAgent)
	}
}

func TestARemovedMemberIsOutAtOnceAndBurnsNothing(t *testing.T) {
	t.Parallel()
	for name, remove := range map[string]string{
		"deleted": `DELETE FROM memberships WHERE user_id = $1`,
		"ended":   `UPDATE memberships SET removed_at = now() WHERE user_id = $1`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			removedMember(t, remove)
		})
	}
}

func removedMember(t *testing.T, remove string) {
	t.Helper()
	w := newFixture(t)
	token := w.token(nil)
	if a := w.post1(token); a.status != 201 {
		t.Fatal(a.raw)
	}
	w.exec(remove, w.member.User)
	before := w.count(`SELECT extract(epoch FROM tat)::int FROM rate_limits`)
	expect(t, w.get(token), 403, "not-a-member")
	for range 5 {
		expect(t, w.post1(token), 403, "not-a-member")
	}
	if after := w.count(`SELECT extract(epoch FROM tat)::int FROM rate_limits`); after != before {
		t.Errorf("a removed member moved the limit by %d s", after-before)
	}
	if w.worked.Load() != 1 {
		t.Errorf("the handler ran %d times, want 1", w.worked.Load())
	}
}

func TestStrangersCannotTellOrganizationsApart(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	other := w.db.Organization(t, "other")
	exists := w.get(w.token(map[string]any{"organization_id": other.String()}))
	absent := w.get(w.token(map[string]any{"organization_id": uuid.NewString()}))
	for _, a := range []answer{exists, absent} {
		expect(t, a, 403, "not-a-member")
	}
	if exists.body["detail"] != absent.body["detail"] {
		t.Error("the answers differ")
	}
}

func TestASuspendedOrganizationCanReadAndNotWrite(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"active", "trial", "pending", "suspended", "cancelled"} {
		t.Run(status, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t)
			w.exec(`UPDATE organizations SET status = $1`, status)
			if a := w.get(w.token(nil)); a.status != 200 {
				t.Errorf("read was answered %d: %s", a.status, a.raw)
			}
			if a := w.post1(w.token(nil)); status == "suspended" || status == "cancelled" {
				expect(t, a, 403, "organization-suspended")
				if n := w.count(`SELECT count(*) FROM rate_limits`); n != 0 ||
					w.worked.Load() != 0 {
					t.Errorf("%d limits counted, handler ran %d times", n, w.worked.Load())
				}
			} else if a.status != 201 {
				t.Errorf("write was answered %d: %s", a.status, a.raw)
			}
		})
	}
}

func TestJustInTimeMembership(t *testing.T) {
	t.Parallel()
	on := func(c *httpapi.Config) { c.Auth.JITMembership = true }
	stranger := map[string]any{"sub": "new-user", "email": "new@example.test"}

	t.Run("off", func(t *testing.T) {
		t.Parallel()
		w := newFixture(t)
		expect(t, w.get(w.token(stranger)), 403, "not-a-member")
		if n := w.count(`SELECT count(*) FROM users`); n != 1 {
			t.Errorf("%d users, want 1", n)
		}
	})
	t.Run("on, sixteen first requests at once", func(t *testing.T) {
		t.Parallel()
		w := newFixture(t, on)
		var all sync.WaitGroup
		for i := range 16 {
			all.Go(func() {
				method, path, body := "GET", "/v1/things/"+uuid.NewString(), ""
				if i%2 == 0 {
					method, path, body = "POST", "/v1/things", `{"name":"a"}`
				}
				a, err := w.try(method, path, body, "Authorization", "Bearer "+w.token(stranger))
				if err != nil || a.status >= 300 {
					t.Errorf("%s was answered %d %s, %v", method, a.status, a.raw, err)
				}
			})
		}
		all.Wait()
		n := w.count(
			`SELECT count(*) FROM memberships m JOIN users u ON u.id = m.user_id
				WHERE u.subject = 'new-user' AND u.email = 'new@example.test' AND role = 'member'`)
		if n != 1 {
			t.Errorf("%d memberships, want 1", n)
		}
	})
	t.Run("on, and removed before", func(t *testing.T) {
		t.Parallel()
		w := newFixture(t, on)
		token := w.token(stranger)
		if a := w.get(token); a.status != 200 {
			t.Fatal(a.raw)
		}
		w.exec(`UPDATE memberships SET removed_at = now()`)
		expect(t, w.get(token), 403, "not-a-member")
		expect(t, w.post1(token), 403, "not-a-member")
		if w.worked.Load() != 0 {
			t.Error("a removed member wrote")
		}
	})
	t.Run("on, and no such organization", func(t *testing.T) {
		t.Parallel()
		w := newFixture(t, on)
		expect(t,
			w.get(w.token(map[string]any{"sub": "new-user", "organization_id": uuid.NewString()})),
			403, "not-a-member")
	})
	t.Run("on, and suspended", func(t *testing.T) {
		t.Parallel()
		w := newFixture(t, on)
		w.exec(`UPDATE organizations SET status = 'suspended'`)
		expect(t, w.get(w.token(stranger)), 403, "not-a-member")
		expect(t, w.post1(w.token(stranger)), 403, "not-a-member")
	})
}
