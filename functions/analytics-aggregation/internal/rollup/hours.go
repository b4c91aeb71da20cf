package rollup

import (
	"context"
	"math"
	"time"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/functions/analytics-aggregation/internal/rollup/db"
)

// measure is a figure of an hour that is compared with the same hour of other weeks.
type measure struct {
	name  string
	value func(hourOfOrganization) *float64
	floor func(expected float64) float64 // the deviation that is always usual
}

// hourOfOrganization is all that is known of an organization's hour.
type hourOfOrganization struct {
	Vitals
	bytesIn, bytesOut int64
}

func measures() []measure {
	share := func(part, least float64) func(float64) float64 {
		return func(expected float64) float64 { return max(least, part*math.Abs(expected)) }
	}
	return []measure{
		{"success_rate", func(h hourOfOrganization) *float64 { return h.SuccessRate() },
			share(0, 2)},
		{"p95_execution_time", func(h hourOfOrganization) *float64 { return h.Percentile(0.95) },
			share(0.05, 0.1)},
		{"throughput", func(h hourOfOrganization) *float64 { return number(h.Total()) },
			share(0.1, 5)},
		{"queue_length", func(h hourOfOrganization) *float64 { return number(h.Queue) },
			share(0.1, 5)},
		{"bytes_in", func(h hourOfOrganization) *float64 { return number(h.bytesIn) },
			share(0.1, 1<<20)},
		{"bytes_out", func(h hourOfOrganization) *float64 { return number(h.bytesOut) },
			share(0.1, 1<<20)},
	}
}

func number(n int64) *float64 {
	f := float64(n)
	return &f
}

// hours are an organization's hours by their start. An hour without anything is not among them, and
// is one of zero tasks and bytes all the same, as long as anything is known from before it.
type hours struct {
	known map[time.Time]hourOfOrganization
	first time.Time // of any that is known
}

// loadHours loads the hours of a period and the same hours of the weeks before.
func loadHours(ctx context.Context, q *db.Queries, organization uuid.UUID, p Period,
	zone *time.Location) (hours, error) {
	from := p.Start.In(zone).AddDate(0, 0, -7*mostWeeks).Add(-time.Hour)
	all := hours{known: map[time.Time]hourOfOrganization{}, first: p.End}
	rows, err := vitalsIn(ctx, q, organization, Hour, Period{from, p.End})
	if err != nil {
		return all, err
	}
	usage, err := q.UsageRows(ctx, db.UsageRowsParams{
		OrganizationID: organization, Granularity: string(Hour), PeriodFrom: from, PeriodTo: p.End,
	})
	if err != nil {
		return all, err
	}
	for _, row := range rows {
		all.known[row.start] = hourOfOrganization{Vitals: row.Vitals}
		all.first = earlier(all.first, row.start)
	}
	for _, row := range usage {
		start := row.PeriodStart.UTC()
		h := all.known[start]
		h.bytesIn, h.bytesOut = row.BytesIn, row.BytesOut
		all.known[start] = h
		all.first = earlier(all.first, start)
	}
	return all, nil
}

// compare compares an hour with the same hour of earlier weeks; false when too little is known.
func (h hours) compare(m measure, hour time.Time, zone *time.Location) (Comparison, bool) {
	seen := m.value(h.known[hour.UTC()])
	if seen == nil || hour.Before(h.first) {
		return Comparison{}, false
	}
	var samples []float64
	for _, then := range sameHours(hour, zone) {
		if then.Before(h.first) {
			break
		}
		if v := m.value(h.known[then]); v != nil {
			samples = append(samples, *v)
		}
	}
	if len(samples) < leastSamples {
		return Comparison{}, false
	}
	return compare(*seen, samples, m.floor(median(samples)))
}
