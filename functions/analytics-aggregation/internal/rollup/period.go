// Package rollup turns what agents and files did into metrics that can be computed again and come
// out the same: five-minute buckets from the raw rows, hours and days merged from them, and what
// they tell of an organization's health.
package rollup

import (
	"slices"
	"time"
)

// BucketLength is the length of a bucket. Buckets are half-open, [start, end), and aligned in UTC.
const BucketLength = 5 * time.Minute

// bucketOf is the start of the bucket that t is in.
func bucketOf(t time.Time) time.Time { return t.UTC().Truncate(BucketLength) }

// Interval is the length of the periods of a series. Hours and days are those of a time zone.
type Interval string

// The intervals that there are.
const (
	FiveMinutes Interval = "5m"
	Hour        Interval = "1h"
	Day         Interval = "1d"
)

// Period is half-open: [Start, End).
type Period struct{ Start, End time.Time }

// Minutes is how long the period is: a day has 23 or 25 hours when the clocks change.
func (p Period) Minutes() int { return int(p.End.Sub(p.Start) / time.Minute) }

// periodOf is the period that t is in.
func periodOf(t time.Time, interval Interval, zone *time.Location) Period {
	switch interval {
	case Hour:
		return hourOf(t, zone)
	case Day:
		return dayOf(t, zone)
	default:
		start := bucketOf(t)
		return Period{start, start.Add(BucketLength)}
	}
}

// periodsIn lists the periods that overlap [from, to), oldest first; more than limit end the list
// at limit+1.
func periodsIn(from, to time.Time, interval Interval, zone *time.Location, limit int) []Period {
	var all []Period
	for at := from; at.Before(to) && len(all) <= limit; {
		p := periodOf(at, interval, zone)
		all = append(all, p)
		at = p.End
	}
	return all
}

// hourOf is the hour of the clock on the wall, cut where the clock is changed: a zone that changes
// by half an hour then has a short one.
func hourOf(t time.Time, zone *time.Location) Period {
	local := t.In(zone)
	into := time.Duration(
		local.Minute(),
	)*time.Minute + time.Duration(
		local.Second(),
	)*time.Second + time.Duration(
		local.Nanosecond(),
	)
	p := Period{local.Add(-into), local.Add(-into + time.Hour)}
	began, ends := local.ZoneBounds()
	if began.After(p.Start) {
		p.Start = began
	}
	if !ends.IsZero() && ends.Before(p.End) {
		p.End = ends
	}
	return Period{p.Start.UTC(), p.End.UTC()}
}

// dayOf is the calendar day that t is in.
func dayOf(t time.Time, zone *time.Location) Period {
	year, month, day := t.In(zone).Date()
	return Period{dayStart(year, month, day, zone), dayStart(year, month, day+1, zone)}
}

// dayStart is the first instant of a calendar day. Where the clock skips midnight that is the
// change itself, and where midnight comes twice it is the first one: time.Date promises neither.
func dayStart(year int, month time.Month, day int, zone *time.Location) time.Time {
	wall := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	near := time.Date(year, month, day, 0, 0, 0, 0, zone)
	began, ends := near.ZoneBounds()
	var found []time.Time
	for _, at := range []time.Time{near, began.Add(-1), ends} {
		_, offset := at.In(zone).Zone()
		candidate := wall.Add(-time.Duration(offset) * time.Second)
		if sameClock(candidate.In(zone), wall) {
			found = append(found, candidate)
		}
	}
	switch {
	case len(found) > 0:
		return slices.MinFunc(found, time.Time.Compare)
	case clockAsUTC(near).Before(wall):
		return ends.UTC()
	default:
		return began.UTC()
	}
}

func sameClock(local, wall time.Time) bool { return clockAsUTC(local).Equal(wall) }

// clockAsUTC is what the clock on the wall shows, as if that were UTC.
func clockAsUTC(local time.Time) time.Time {
	_, offset := local.Zone()
	return local.UTC().Add(time.Duration(offset) * time.Second)
}
