package dispatch

import (
	"slices"
	"time"
)

// rate is a limit by the generic cell rate algorithm (ITU-T I.371, annex A): tat, the theoretical
// arrival time, moves on by step with each event and may be ahead of the clock by at most step
// times burst. In any time t it admits at most burst + t/step.
type rate struct {
	step  time.Duration
	burst int
}

// room is how many events may pass at now, and what tat is after n of them.
func (r rate) room(tat, now time.Time) int {
	ahead := max(tat.Sub(now), 0)
	return max(int((r.step*time.Duration(r.burst)-ahead)/r.step), 0)
}

func (r rate) take(tat, now time.Time, n int) time.Time {
	if tat.Before(now) {
		tat = now
	}
	return tat.Add(r.step * time.Duration(n))
}

// opens is when there is room for one.
func (r rate) opens(
	tat time.Time,
) time.Time {
	return tat.Add(r.step - r.step*time.Duration(r.burst))
}

const (
	burst = 10
	// hourly is how much of sixty minutes' rate an hour takes: 1,000 where a minute takes 60. It
	// can be used up in a quarter of an hour.
	hourly = 1000.0 / 60
)

// pace is a bucket's limits. A window that is not limited has no step.
type pace struct{ minute, hour rate }

func (c Config) paceOf(b bucket) pace {
	if b.organization {
		return pace{
			minute: rate{time.Minute / time.Duration(c.OrgMinute), max(c.OrgMinute/6, burst)},
		}
	}
	perHour := max(int(float64(c.PerMinute)*hourly), 1)
	return pace{
		minute: rate{time.Minute / time.Duration(c.PerMinute), burst},
		hour:   rate{time.Hour / time.Duration(perHour), max(perHour/4, burst)},
	}
}

// reserved is the part of an organization's burst that only what is high or urgent may use.
const reserved = 5

func (p pace) withReserve() pace {
	p.minute.burst = max(p.minute.burst-p.minute.burst/reserved, 1)
	return p
}

// ahead is how far an organization's level may be ahead of the clock with room for one event left.
func (c Config) ahead(high bool) time.Duration {
	if !c.Paced {
		return never
	}
	p := c.paceOf(bucket{organization: true})
	if !high {
		p = p.withReserve()
	}
	return p.minute.step * time.Duration(p.minute.burst-1)
}

// bucket is what is paced: a recipient, a channel, an organization.
type bucket struct {
	key
	organization bool
}

// level is how far a bucket is used.
type level struct{ minute, hour time.Time }

func (p pace) room(l level, now time.Time) int {
	n := p.minute.room(l.minute, now)
	if p.hour.step > 0 {
		n = min(n, p.hour.room(l.hour, now))
	}
	return n
}

func (p pace) opens(l level) time.Time {
	at := p.minute.opens(l.minute)
	if p.hour.step > 0 && p.hour.opens(l.hour).After(at) {
		at = p.hour.opens(l.hour)
	}
	return at
}

func (p pace) take(l level, now time.Time, n int) level {
	l.minute = p.minute.take(l.minute, now, n)
	if p.hour.step > 0 {
		l.hour = p.hour.take(l.hour, now, n)
	}
	return l
}

// admit cuts each claim to what all of its buckets have room for, the more urgent ones first and
// the others one event in turn, and moves the levels on. A claim that is cut learns when its next
// event may pass; the zero time: as soon as the organization has room.
func (c Config) admit(claims []*claim, levels map[key]level, now time.Time) {
	order := slices.Clone(claims)
	slices.SortStableFunc(order, func(a, b *claim) int { return int(b.priority) - int(a.priority) })
	granted := map[*claim]int{}
	for open := order; len(open) > 0; {
		var still []*claim
		for _, cl := range open {
			if granted[cl] == len(cl.jobs) {
				continue
			}
			if at, ok := c.pass(cl, levels, now); !ok {
				cl.held = at
				continue
			}
			granted[cl]++
			still = append(still, cl)
		}
		open = still
	}
	for _, cl := range claims {
		cl.jobs = cl.jobs[:granted[cl]]
	}
}

// pass takes one event of a claim from all of its buckets, or from none.
func (c Config) pass(cl *claim, levels map[key]level, now time.Time) (time.Time, bool) {
	var opens time.Time
	full := false
	for _, b := range cl.buckets() {
		p := c.paceOf(b)
		if b.organization && cl.priority < highPriority {
			p = p.withReserve()
		}
		if p.room(levels[b.key], now) < 1 {
			full = true
			// For its organization's budget it keeps its place among the others that wait.
			if at := p.opens(levels[b.key]); !b.organization && at.After(opens) {
				opens = at
			}
		}
	}
	if full {
		return opens, false
	}
	for _, b := range cl.buckets() {
		levels[b.key] = c.paceOf(b).take(levels[b.key], now, 1)
	}
	return time.Time{}, true
}
