package e2e

import (
	"slices"
	"strings"
	"sync"
	"testing"
)

// Sixteen clients take from one quota at once, upload, cancel and delete: at no moment is it passed
// by a byte, and in the end it is exact.
func TestQuotaRace(t *testing.T) {
	s := newSchool(t)
	const clients, size, fits = 16, 1000, 10
	const total = fits*size + size - 1 // a byte less than eleven files
	s.change(
		`INSERT INTO storage_quotas (organization_id, total_bytes) VALUES ($1, $2)
			ON CONFLICT (organization_id) DO UPDATE SET total_bytes = $2`,
		s.id, total)
	users := make([]user, clients)
	for i := range users {
		users[i] = s.user("member")
	}
	f := text(string(make([]byte, size)))
	for i := range f.content {
		f.content[i] = 'x'
	}
	done := make(chan struct{})
	var watch sync.WaitGroup
	var most int64
	watch.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			var held int64
			if err := s.rows.QueryRow(t.Context(),
				`SELECT used_bytes + reserved_bytes FROM storage_quotas WHERE organization_id = $1`,
				s.id).Scan(&held); err != nil {
				t.Error(err)
				return
			}
			most = max(most, held)
		}
	})
	var mu sync.Mutex
	var granted []reply
	var owners []user
	var race sync.WaitGroup
	for _, u := range users {
		race.Go(func() {
			for range 3 {
				a, err := s.try("POST", "/v1/files", u.token, f.body())
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				switch {
				case a.status == 201:
					granted, owners = append(granted, a), append(owners, u)
				case a.at("code") != "quota-exceeded" && a.at("code") != "upload-share-exceeded":
					t.Errorf("answer %d %s", a.status, a.raw)
				}
				mu.Unlock()
			}
		})
	}
	race.Wait()
	if len(granted) != fits {
		t.Errorf("%d reservations, want %d", len(granted), fits)
	}
	s.wantQuota(0, int64(len(granted))*size, int64(len(granted)))
	for i, a := range granted {
		if id := a.str("file.id"); i%2 == 0 {
			if status, body := a.post(f.content); status != 204 {
				t.Errorf("the form answers %d %s", status, body)
			}
		} else {
			// cancelled: it gives back at once
			owners[i].call("DELETE", "/v1/files/"+id, nil).want(200)
		}
	}
	for i := 0; i < len(granted); i += 2 {
		owners[i].settled(granted[i].str("file.id"))
	}
	close(done)
	watch.Wait()
	if most > total {
		t.Errorf("%d of %d bytes were held at a time", most, total)
	}
	s.wantQuota(fits/2*size, 0, fits/2)
	for i := 0; i < len(granted); i += 2 {
		owners[i].call("DELETE", "/v1/files/"+granted[i].str("file.id")+"?permanent=true",
			nil).want(204)
	}
	s.wantQuota(0, 0, 0)
}

// A folder of photos that is dropped at once goes through, and only far beyond it is the cap.
func TestAHundredOpenUploadsAtATime(t *testing.T) {
	s := newSchool(t)
	u := s.user("member")
	files := slices.Repeat([]any{text("12345").body()}, 100)
	first := u.call("POST", "/v1/files/batch", map[string]any{"files": files}).want(200)
	if n := strings.Count(first.raw, `"status":201`); n != 100 {
		t.Fatalf("%d of 100 uploads opened", n)
	}
	refusal := u.call("POST", "/v1/files", text("12345").body()).problem(429, "too-many-uploads")
	if refusal.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q", refusal.header.Get("Retry-After"))
	}
	s.user("member").reserve(text("12345")) // the cap is each user's own
	s.wantQuota(0, 505, 101)
	u.call("DELETE", "/v1/files/"+first.str("results.0.file.id"), nil).want(200)
	s.wantQuota(0, 500, 100)
	u.reserve(text("12345"))
}

func TestAQuarterOfTheFreeQuota(t *testing.T) {
	s := newSchool(t)
	s.change(
		`INSERT INTO storage_quotas (organization_id, total_bytes) VALUES ($1, 100)
			ON CONFLICT (organization_id) DO UPDATE SET total_bytes = 100`,
		s.id)
	u := s.user("member")
	u.reserve(text("0123456789012345678901234")) // 25 bytes
	u.call("POST", "/v1/files", text("x").body()).problem(429, "upload-share-exceeded")
	u.call("POST", "/v1/files", text(string(make([]byte, 76))).body()).problem(413,
		"quota-exceeded")
	s.wantQuota(0, 25, 1)
}
