package dispatch

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/topic"
)

// Whatever comes when: no stretch of time has more events than the burst and what the rate adds.
func TestNoStretchOfTimeHasMoreThanThePace(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 1))
		c := Config{PerMinute: 1 + random.IntN(600), OrgMinute: 1 + random.IntN(6000)}
		for _, ofOrganization := range []bool{false, true} {
			p := c.paceOf(bucket{organization: ofOrganization})
			now, l := time.Unix(1_800_000_000, 0), level{}
			var passed []time.Time
			for range 400 {
				now = now.Add(time.Duration(random.ExpFloat64() * float64(2*p.minute.step)))
				n := min(p.room(l, now), 1+random.IntN(12))
				if n < 1 && !p.opens(l).After(now) {
					t.Fatalf("seed %d: no room at %v, and it opens at %v", seed, now, p.opens(l))
				}
				l = p.take(l, now, n)
				for range n {
					passed = append(passed, now)
				}
			}
			within(t, fmt.Sprintf("seed %d, minute", seed), passed, p.minute)
			if p.hour.step > 0 {
				within(t, fmt.Sprintf("seed %d, hour", seed), passed, p.hour)
			}
			if len(passed) < p.minute.burst && len(passed) < 100 {
				t.Errorf("seed %d: only %d passed", seed, len(passed))
			}
		}
	}
}

func within(t *testing.T, what string, passed []time.Time, r rate) {
	t.Helper()
	for i := range passed {
		for j := i; j < len(passed); j++ {
			most := r.burst + int(passed[j].Sub(passed[i])/r.step)
			if n := j - i + 1; n > most {
				t.Fatalf("%s: %d passed in %v, at most %d may", what, n,
					passed[j].Sub(passed[i]), most)
			}
		}
	}
}

// Of several claims that share buckets, each gets the beginning of what it asks for, no bucket is
// overdrawn, and what is cut knows when to come again.
func TestAdmitOverdrawsNoBucket(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 2))
		c := Config{PerMinute: 1 + random.IntN(100), OrgMinute: 1 + random.IntN(300)}
		now, levels := time.Unix(1_800_000_000, 0), map[key]level{}
		organizations := []uuid.UUID{uuid.New(), uuid.New()}
		user := uuid.New()
		for range 30 {
			now = now.Add(time.Duration(random.Int64N(int64(2 * time.Second))))
			before := map[key]level{}
			for k, l := range levels {
				before[k] = l
			}
			var claims []*claim
			asked := map[*claim][]*job{}
			for i := range 1 + random.IntN(6) {
				own := topic.Of(topic.Private, organizations[random.IntN(2)])
				name := own.About(fmt.Sprintf("t%d", i)).String()
				if random.IntN(2) == 0 {
					name = topic.Channel{Kind: []topic.Kind{topic.Private, topic.Encrypted}[i%2],
						Organization: own.Organization, User: user}.String()
				}
				cl := &claim{key: key{own.Organization, name},
					priority: topic.Priority(random.IntN(4))}
				for range random.IntN(perClaim + 1) {
					cl.jobs = append(cl.jobs, &job{})
				}
				if slices.ContainsFunc(claims, func(o *claim) bool { return o.key == cl.key }) {
					continue // a channel is claimed once
				}
				claims = append(claims, cl)
				asked[cl] = slices.Clone(cl.jobs)
			}
			c.admit(claims, levels, now)
			used := map[bucket]int{}
			for _, cl := range claims {
				n := len(cl.jobs)
				if !slices.Equal(cl.jobs, asked[cl][:n]) {
					t.Fatalf("seed %d: not the beginning of what was asked for", seed)
				}
				budget := bucket{key{cl.organization, "organization"}, true}
				p := c.paceOf(budget)
				if cl.priority < highPriority {
					p = p.withReserve()
				}
				cut, waits := n < len(asked[cl]), p.room(levels[budget.key], now) < 1
				if held := cl.held.After(now); held && !cut || cut && !held && !waits {
					t.Fatalf("seed %d: %d of %d pass, held until %v at %v", seed, n,
						len(asked[cl]), cl.held, now)
				}
				for _, b := range cl.buckets() {
					used[b] += n
				}
			}
			for b, n := range used {
				if room := c.paceOf(b).room(before[b.key], now); n > room {
					t.Fatalf("seed %d: %d pass through %s, which has room for %d", seed, n,
						b.name, room)
				}
			}
		}
	}
}

// The last part of an organization's burst is for what is high or urgent.
func TestTheReserveIsForWhatIsHigh(t *testing.T) {
	t.Parallel()
	c := Config{PerMinute: 60, OrgMinute: 600}
	now, organization := time.Unix(1_800_000_000, 0), uuid.New()
	claims := func(priority topic.Priority, from, n int) (all []*claim) {
		for i := range n {
			name := topic.Of(topic.Private, organization).About(fmt.Sprintf("t%d", from+i))
			all = append(all, &claim{key: key{organization, name.String()}, priority: priority,
				jobs: slices.Repeat([]*job{{}}, perClaim)})
		}
		return all
	}
	passed := func(all []*claim) (n int) {
		for _, cl := range all {
			n += len(cl.jobs)
		}
		return n
	}
	levels := map[key]level{}
	normal, urgent := claims(topic.Normal, 0, 20), claims(topic.Urgent, 20, 20)
	c.admit(normal, levels, now)
	c.admit(urgent, levels, now)
	if n, u := passed(normal), passed(urgent); n != 80 || u != 20 {
		t.Errorf("%d normal and %d urgent ones pass, want 80 and 20 of a burst of 100", n, u)
	}
}
