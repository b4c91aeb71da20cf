package rollup

import (
	"testing"
	"time"
	_ "time/tzdata"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func at(t testing.TB, text string) time.Time {
	t.Helper()
	parsed, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestABucketIsHalfOpen(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"2026-03-01T10:00:00Z":        "2026-03-01T10:00:00Z",
		"2026-03-01T10:04:59.999999Z": "2026-03-01T10:00:00Z",
		"2026-03-01T10:05:00Z":        "2026-03-01T10:05:00Z",
		"2026-03-01T10:05:00+05:30":   "2026-03-01T04:35:00Z",
		"0001-01-01T00:07:00Z":        "0001-01-01T00:05:00Z",
	} {
		if got := bucketOf(at(t, in)); !got.Equal(at(t, want)) {
			t.Errorf("%s is in %s, want %s", in, got, want)
		}
	}
}

// The days on which clocks change, in zones that do it at 2 in the night, at midnight, by half an
// hour, and by a whole day.
func TestDaysOfAZone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		zone, in, start string
		hours           float64
	}{
		{"Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", 23},
		{"Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", 25},
		{"America/New_York", "2026-03-08T12:00:00Z", "2026-03-08T05:00:00Z", 23},
		// 00:00 becomes 01:00
		{"Asia/Beirut", "2026-03-29T12:00:00Z", "2026-03-28T22:00:00Z", 23},
		// 00:00 becomes 01:00
		{"America/Santiago", "2026-09-06T12:00:00Z", "2026-09-06T04:00:00Z", 23},
		// 24:00 becomes 23:00
		{"America/Santiago", "2026-04-04T12:00:00Z", "2026-04-04T03:00:00Z", 25},
		// 01:00 becomes 00:00: midnight comes twice
		{"America/Havana", "2026-11-01T12:00:00Z", "2026-11-01T04:00:00Z", 25},
		{"Australia/Lord_Howe", "2026-04-05T03:00:00Z", "2026-04-04T13:00:00Z", 24.5},
		{"Australia/Lord_Howe", "2026-10-04T03:00:00Z", "2026-10-03T13:30:00Z", 23.5},
		{"Asia/Kolkata", "2026-03-01T12:00:00Z", "2026-02-28T18:30:00Z", 24},
		// the 29th, before the 30th that was left out
		{"Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29T10:00:00Z", 24},
		{"Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z", 24}, // the 31st
		{"UTC", "2026-03-29T12:00:00Z", "2026-03-29T00:00:00Z", 24},
	} {
		got := dayOf(at(t, c.in), zone(t, c.zone))
		if !got.Start.Equal(at(t, c.start)) || got.End.Sub(got.Start).Hours() != c.hours {
			t.Errorf(
				"%s, %s: day is %s, %v hours; want %s, %v",
				c.zone,
				c.in,
				got.Start.UTC(),
				got.End.Sub(got.Start).Hours(),
				c.start,
				c.hours,
			)
		}
	}
}

// Whatever the zone, days and hours follow one another without a gap or an overlap, and hold the
// instants that they are asked for.
func TestPeriodsTileTime(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"UTC", "Europe/Berlin", "America/Santiago", "America/Havana",
		"Asia/Beirut", "Africa/Cairo", "Asia/Kathmandu",
		"Australia/Lord_Howe", "America/St_Johns", "Pacific/Apia", "Antarctica/Troll"} {
		z := zone(t, name)
		for _, interval := range []Interval{FiveMinutes, Hour, Day} {
			to := at(t, "2027-01-02T00:00:00Z")
			if interval == FiveMinutes {
				to = at(t, "2026-01-03T00:00:00Z")
			}
			end := time.Time{}
			for _, p := range periodsIn(at(t, "2026-01-01T00:00:00Z"), to, interval, z, 1_000_000) {
				if !end.IsZero() && !p.Start.Equal(end) {
					t.Fatalf(
						"%s %s: one period ends %s, the next begins %s",
						name,
						interval,
						end,
						p.Start,
					)
				}
				if !p.End.After(p.Start) || p.Minutes()%5 != 0 {
					t.Fatalf("%s %s: %v", name, interval, p)
				}
				for _, inside := range []time.Time{p.Start, p.Start.Add(p.End.Sub(p.Start) / 2),
					p.End.Add(-1)} {
					if got := periodOf(inside, interval, z); !got.Start.Equal(p.Start) ||
						!got.End.Equal(p.End) {
						t.Fatalf("%s %s: %s is in %v and in %v", name, interval, inside, p, got)
					}
				}
				end = p.End
			}
		}
	}
}

func TestPeriodsAreBounded(t *testing.T) {
	t.Parallel()
	if got := periodsIn(at(t, "0001-01-01T00:00:00Z"), at(t, "9999-01-01T00:00:00Z"), FiveMinutes,
		time.UTC, 100); len(
		got,
	) != 101 {
		t.Errorf("%d periods", len(got))
	}
}
