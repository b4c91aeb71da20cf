package rollup

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/analytics-aggregation/internal/rollup/db"
)

// HealthReport is an organization's health at the end of the last bucket that is complete, and
// where its figures are heading.
type HealthReport struct {
	Health
	Trends          []NamedTrend
	CompleteThrough *time.Time
}

// NamedTrend is the trend of one figure over the last so many hours.
type NamedTrend struct {
	Metric string
	Hours  int
	Trend
}

// ReadHealth judges the last hour, from figures and not from what was judged before.
func ReadHealth(ctx context.Context, tx pgx.Tx, organization uuid.UUID) (HealthReport, error) {
	q := db.New(tx)
	own, err := q.OrganizationZone(ctx, organization)
	if err != nil {
		return HealthReport{}, fmt.Errorf("read how far the metrics are: %w", err)
	}
	out := HealthReport{CompleteThrough: own.CompleteThrough}
	if own.CompleteThrough == nil {
		out.Health = healthOf(time.Time{}, nil)
		return out, nil
	}
	through := own.CompleteThrough.UTC()
	rows, err := vitalsIn(ctx, q, organization, FiveMinutes,
		Period{through.Add(-healthBuckets * BucketLength), through})
	if err != nil {
		return out, fmt.Errorf("read the last hour: %w", err)
	}
	vitals := map[time.Time]Vitals{}
	for _, row := range rows {
		vitals[row.start] = row.Vitals
	}
	out.Health = healthAt(through, vitals)
	hours, err := vitalsIn(ctx, q, organization, Hour, Period{through.Add(-7 * day), through})
	if err != nil {
		return out, fmt.Errorf("read the last week: %w", err)
	}
	out.Trends = trendsOf(hours, through)
	return out, nil
}

// trendsOf are the trends of a day and of a week, of the hours that are over.
func trendsOf(rows []vitalsRow, through time.Time) []NamedTrend {
	trends := []NamedTrend{}
	for _, m := range measures()[:4] {
		series := make([]*float64, int(7*day/time.Hour))
		for _, row := range rows {
			if i := len(series) - int(math.Ceil(through.Sub(row.start).Hours())); i >= 0 &&
				!row.start.Add(time.Hour).After(through) {
				series[i] = m.value(hourOfOrganization{Vitals: row.Vitals})
			}
		}
		for _, length := range []int{24, len(series)} {
			if trend, ok := trendOf(series[len(series)-length:]); ok {
				trends = append(trends, NamedTrend{m.name, length, trend})
			}
		}
	}
	return trends
}

// Anomaly is a stretch of hours in which a figure was far from what it is at these hours of the
// week.
type Anomaly struct {
	Metric     string
	Period          // from since when to the end of the last such hour
	Comparison      // of the hour that was furthest off
	Ongoing    bool // it reaches to the last complete hour
}

// MostAnomalyDays bounds the range that is looked at for anomalies.
const MostAnomalyDays = 31

// ReadAnomalies compares every hour of a range.
func ReadAnomalies(ctx context.Context, tx pgx.Tx, organization uuid.UUID, from,
	to time.Time) ([]Anomaly, *time.Time, error) {
	q := db.New(tx)
	own, err := q.OrganizationZone(ctx, organization)
	if err != nil {
		return nil, nil, fmt.Errorf("read how far the metrics are: %w", err)
	}
	if !from.Before(to) || to.Sub(from) > MostAnomalyDays*day {
		return nil, nil, invalid("from must be before to, by %d days at most.", MostAnomalyDays)
	}
	found := []Anomaly{}
	if own.CompleteThrough == nil {
		return found, nil, nil
	}
	zone, err := time.LoadLocation(*own.MergedIn)
	if err != nil {
		zone = time.UTC
	}
	whole := periodsIn(from, earlier(to, *own.CompleteThrough), Hour, zone, MostAnomalyDays*25)
	for len(whole) > 0 && whole[len(whole)-1].End.After(*own.CompleteThrough) {
		whole = whole[:len(whole)-1]
	}
	if len(whole) == 0 {
		return found, own.CompleteThrough, nil
	}
	known, err := loadHours(ctx, q, organization, Period{whole[0].Start, whole[len(whole)-1].End},
		zone)
	if err != nil {
		return nil, nil, fmt.Errorf("read hours: %w", err)
	}
	for _, m := range measures() {
		found = append(found, known.stretches(m, whole, zone)...)
	}
	return found, own.CompleteThrough, nil
}

// stretches joins anomalous hours that follow one another and are off in the same direction.
func (h hours) stretches(m measure, whole []Period, zone *time.Location) []Anomaly {
	var all []Anomaly
	var open *Anomaly
	for i, p := range whole {
		c, ok := h.compare(m, p.Start, zone)
		if !ok || !c.Anomalous() {
			open = nil
			continue
		}
		if open == nil || math.Signbit(open.Score) != math.Signbit(c.Score) {
			all = append(all, Anomaly{Metric: m.name, Period: p, Comparison: c})
			open = &all[len(all)-1]
		}
		open.End, open.Ongoing = p.End, i == len(whole)-1
		if math.Abs(c.Score) > math.Abs(open.Score) {
			open.Comparison = c
		}
	}
	return all
}

// Usage is what an organization used in a period; nil Stored: nothing changed what it stores.
type Usage struct {
	FilesIn, BytesIn, FilesOut, BytesOut, FilesRemoved, BytesRemoved int64
	StoredFiles, StoredBytes                                         *int64
	Scans, Quarantined, Delivered, Deferred, Dead, Executions        int64
}

// UsagePeriod is a period of usage; nil is a gap: nothing was used.
type UsagePeriod struct {
	Period
	Usage *Usage
}

// UsageReport is usage by period, and together.
type UsageReport struct {
	Periods         []UsagePeriod
	Total           Usage
	CompleteThrough *time.Time
	Zone            *time.Location
}

// ReadUsage reads usage of a range.
func ReadUsage(ctx context.Context, tx pgx.Tx, organization uuid.UUID,
	r Range) (UsageReport, error) {
	q := db.New(tx)
	s, err := resolve(ctx, q, organization, r)
	if err != nil {
		return UsageReport{}, err
	}
	out := UsageReport{CompleteThrough: s.CompleteThrough, Zone: s.zone,
		Periods: make([]UsagePeriod, len(s.periods))}
	for i, p := range s.periods {
		out.Periods[i].Period = p
	}
	rows, err := q.UsageRows(ctx, db.UsageRowsParams{
		OrganizationID: organization, Granularity: string(s.source), PeriodFrom: s.whole().Start,
		PeriodTo: s.whole().End,
	})
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return out, fmt.Errorf("read usage: %w", err)
	}
	for _, row := range rows { // oldest first, so that what is stored is the last that is known
		u := Usage{
			FilesIn: row.FilesIn, BytesIn: row.BytesIn, FilesOut: row.FilesOut,
			BytesOut:     row.BytesOut,
			FilesRemoved: row.FilesRemoved, BytesRemoved: row.BytesRemoved,
			StoredFiles: row.StoredFiles, StoredBytes: row.StoredBytes,
			Scans: row.Scans, Quarantined: row.Quarantined, Delivered: row.NotificationsDelivered,
			Deferred: row.NotificationsDeferred, Dead: row.NotificationsDead,
			Executions: row.Executions,
		}
		out.Total = out.Total.then(u)
		period := &out.Periods[s.at(row.PeriodStart)]
		if period.Usage != nil {
			u = period.Usage.then(u)
		}
		period.Usage = &u
	}
	return out, nil
}

// then is the usage of both, of which next is the later one.
func (u Usage) then(next Usage) Usage {
	sum := Usage{
		FilesIn: u.FilesIn + next.FilesIn, BytesIn: u.BytesIn + next.BytesIn,
		FilesOut: u.FilesOut + next.FilesOut, BytesOut: u.BytesOut + next.BytesOut,
		FilesRemoved: u.FilesRemoved + next.FilesRemoved,
		BytesRemoved: u.BytesRemoved + next.BytesRemoved,
		StoredFiles:  next.StoredFiles, StoredBytes: next.StoredBytes,
		Scans: u.Scans + next.Scans, Quarantined: u.Quarantined + next.Quarantined,
		Delivered: u.Delivered + next.Delivered, Deferred: u.Deferred + next.Deferred,
		Dead:       u.Dead + next.Dead,
		Executions: u.Executions + next.Executions,
	}
	if next.StoredBytes == nil {
		sum.StoredFiles, sum.StoredBytes = u.StoredFiles, u.StoredBytes
	}
	return sum
}
