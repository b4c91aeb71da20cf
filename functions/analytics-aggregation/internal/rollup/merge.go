package rollup

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/functions/analytics-aggregation/internal/rollup/db"
)

// mergeChanged merges the hours and days around five-minute periods that changed, and judges health
// anew where they have a say in it.
func mergeChanged(ctx context.Context, q *db.Queries, t tenant, changed []time.Time) error {
	if len(changed) == 0 {
		return nil
	}
	days := map[time.Time]Period{}
	for _, hour := range periodsAround(changed, Hour, t.zone) {
		if err := mergeHour(ctx, q, t, hour, changed); err != nil {
			return err
		}
		day := dayOf(hour.Start, t.zone)
		days[day.Start] = day
	}
	for _, day := range days {
		parts, err := agentFigures(ctx, q, t.id, Hour, day)
		if err != nil {
			return err
		}
		if err := writeAgents(ctx, q, t.id, Day, day, parts.byAgent); err != nil {
			return err
		}
	}
	return judge(ctx, q, t, changed)
}

// periodsAround are the periods that hold the moments, oldest first, each once.
func periodsAround(moments []time.Time, interval Interval, zone *time.Location) []Period {
	var all []Period
	for _, moment := range slices.SortedFunc(slices.Values(moments), time.Time.Compare) {
		p := periodOf(moment, interval, zone)
		if len(all) == 0 || !all[len(all)-1].Start.Equal(p.Start) {
			all = append(all, p)
		}
	}
	return all
}

// mergeHour merges an hour from its five-minute rows: of each agent, and of the organization.
func mergeHour(ctx context.Context, q *db.Queries, t tenant, hour Period,
	changed []time.Time) error {
	parts, err := agentFigures(ctx, q, t.id, FiveMinutes, hour)
	if err != nil {
		return err
	}
	if err := writeAgents(ctx, q, t.id, Hour, hour, parts.byAgent); err != nil {
		return err
	}
	var rows []db.WriteHealthRowParams
	for _, start := range changed {
		if start.Before(hour.Start) || !start.Before(hour.End) {
			continue
		}
		bucket := Period{start, start.Add(BucketLength)}
		rows = append(rows, healthRow(t.id, FiveMinutes, bucket,
			Vitals{Figures: parts.byTime[start]}))
	}
	if err := writeHealth(ctx, q, t.id, FiveMinutes, rows); err != nil {
		return err
	}
	whole, err := vitalsIn(ctx, q, t.id, FiveMinutes, hour)
	if err != nil {
		return err
	}
	var sum Vitals
	for _, v := range whole {
		sum.Figures, sum.Queue = sum.Add(v.Figures), max(sum.Queue, v.Queue)
	}
	return writeHealth(ctx, q, t.id, Hour,
		[]db.WriteHealthRowParams{healthRow(t.id, Hour, hour, sum)})
}

// parts are the figures of a period's parts, added up by agent and by part.
type parts struct {
	byAgent map[agentKey]Figures
	byTime  map[time.Time]Figures
}

func agentFigures(ctx context.Context, q *db.Queries, organization uuid.UUID, of Interval,
	p Period) (parts, error) {
	rows, err := q.AgentRows(ctx, db.AgentRowsParams{
		OrganizationID: organization, Granularity: string(of), PeriodFrom: p.Start, PeriodTo: p.End,
	})
	found := parts{map[agentKey]Figures{}, map[time.Time]Figures{}}
	if err != nil {
		return found, err
	}
	for _, row := range rows {
		figures, err := figuresOf(row)
		if err != nil {
			return found, err
		}
		key, at := agentKey{row.AgentInstanceID, row.AgentType}, row.PeriodStart.UTC()
		found.byAgent[key] = found.byAgent[key].Add(figures)
		found.byTime[at] = found.byTime[at].Add(figures)
	}
	return found, nil
}

// writeAgents writes the rows of a period and deletes those that are not among them any more.
func writeAgents(ctx context.Context, q *db.Queries, organization uuid.UUID, interval Interval,
	p Period, figures map[agentKey]Figures,
) error {
	rows, keys := []db.WriteAgentRowParams{}, []string{}
	for key, f := range figures {
		rows = append(rows, agentRow(organization, key, interval, p, f))
		keys = append(keys, key.String())
	}
	if err := execAll(q.WriteAgentRow(ctx, rows).Exec); err != nil {
		return err
	}
	return q.DropStaleAgentRows(ctx, db.DropStaleAgentRowsParams{
		OrganizationID: organization, Granularity: string(interval), PeriodStart: p.Start,
		Keys: keys,
	})
}

func writeHealth(ctx context.Context, q *db.Queries, organization uuid.UUID, interval Interval,
	rows []db.WriteHealthRowParams,
) error {
	if err := execAll(q.WriteHealthRow(ctx, rows).Exec); err != nil {
		return err
	}
	periods := make([]time.Time, len(rows))
	for i, row := range rows {
		periods[i] = row.PeriodStart
	}
	return q.DropEmptyHealthRows(ctx, db.DropEmptyHealthRowsParams{
		OrganizationID: organization, Granularity: string(interval), Periods: periods,
	})
}

// execAll runs a batch and joins what went wrong in it.
func execAll(exec func(func(int, error))) (all error) {
	exec(func(_ int, err error) { all = errors.Join(all, err) })
	return all
}

func vitalsIn(ctx context.Context, q *db.Queries, organization uuid.UUID, of Interval,
	p Period) ([]vitalsRow, error) {
	rows, err := q.HealthRows(ctx, db.HealthRowsParams{
		OrganizationID: organization, Granularity: string(of), PeriodFrom: p.Start, PeriodTo: p.End,
	})
	if err != nil {
		return nil, err
	}
	all := make([]vitalsRow, len(rows))
	for i, row := range rows {
		if all[i], err = vitalsOf(row); err != nil {
			return nil, err
		}
		all[i].start = all[i].start.UTC()
	}
	return all, nil
}

// judge sets the health of every bucket within an hour after one that changed.
func judge(ctx context.Context, q *db.Queries, t tenant, changed []time.Time) error {
	affected := map[time.Time]bool{}
	for _, start := range changed {
		for i := range time.Duration(healthBuckets) {
			affected[start.Add(i*BucketLength)] = true
		}
	}
	var verdicts []db.SetHealthParams
	for _, span := range spansOf(affected) {
		before := span.Start.Add(-(healthBuckets - 1) * BucketLength)
		rows, err := vitalsIn(ctx, q, t.id, FiveMinutes, Period{before, span.End})
		if err != nil {
			return err
		}
		vitals := map[time.Time]Vitals{}
		for _, row := range rows {
			vitals[row.start] = row.Vitals
		}
		for _, row := range rows {
			if row.start.Before(span.Start) {
				continue
			}
			h := healthAt(row.start.Add(BucketLength), vitals)
			state := string(h.State)
			verdicts = append(verdicts, db.SetHealthParams{
				OrganizationID: t.id, PeriodStart: row.start, HealthScore: h.Score, Status: &state,
				Reasons: h.Reasons,
			})
		}
	}
	return execAll(q.SetHealth(ctx, verdicts).Exec)
}

// healthAt is the health at the end of a bucket.
func healthAt(end time.Time, vitals map[time.Time]Vitals) Health {
	start := end.Add(-healthBuckets * BucketLength)
	buckets := make([]Vitals, healthBuckets)
	for i := range buckets {
		buckets[i] = vitals[start.Add(time.Duration(i)*BucketLength)]
	}
	return healthOf(start, buckets)
}

// spansOf joins buckets that follow one another.
func spansOf(buckets map[time.Time]bool) []Period {
	var spans []Period
	for start := range buckets {
		if buckets[start.Add(-BucketLength)] {
			continue
		}
		end := start
		for buckets[end] {
			end = end.Add(BucketLength)
		}
		spans = append(spans, Period{start, end})
	}
	return spans
}

// mergeUsage computes usage of five-minute periods, and merges the hours and days around those that
// changed.
func mergeUsage(ctx context.Context, q *db.Queries, t tenant, buckets []time.Time) error {
	if len(buckets) == 0 {
		return nil
	}
	slices.SortFunc(buckets, time.Time.Compare)
	buckets = slices.CompactFunc(buckets, time.Time.Equal)
	changed, err := q.ComputeUsage(ctx, db.ComputeUsageParams{OrganizationID: t.id,
		Buckets: buckets})
	if err != nil || len(changed) == 0 {
		return err
	}
	hours, days := periodsAround(changed, Hour, t.zone), periodsAround(changed, Day, t.zone)
	var merges []db.MergeUsageParams
	for _, step := range []struct {
		interval, part Interval
		periods        []Period
	}{{Hour, FiveMinutes, hours}, {Day, Hour, days}} {
		for _, p := range step.periods {
			merges = append(merges, db.MergeUsageParams{
				OrganizationID: t.id, Granularity: string(step.interval), Part: string(step.part),
				PeriodStart: p.Start, PeriodEnd: p.End,
			})
		}
	}
	return execAll(q.MergeUsage(ctx, merges).Exec)
}
