package main

import (
	"context"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/analytics-aggregation/internal/rollup"
	"github.com/toolboxai-solutions/satchel/shared/httpapi"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

type healthBody struct {
	Status          rollup.State `json:"status" enum:"healthy,degraded,critical,no_data" doc:"Critical once three of four buckets score below 50, until six in a row do not."`
	Since           time.Time    `json:"since" doc:"Since when, looking back an hour at most."`
	Score           *float64     `json:"score" doc:"0–100 of the last five minutes; null without data."`
	Reasons         []string     `json:"reasons" nullable:"false" doc:"What is not as it should be."`
	Parts           []partBody   `json:"parts" nullable:"false"`
	Trends          []trendBody  `json:"trends" nullable:"false"`
	CompleteThrough *time.Time   `json:"complete_through" doc:"The end of the last five minutes. Null: nothing was computed yet."`
}

type partBody struct {
	Name   string   `json:"name" enum:"success_rate,availability,response_time,queue,error_rate"`
	Weight float64  `json:"weight" doc:"Of parts without data the others take over the weight."`
	Value  *float64 `json:"value" doc:"Null without data."`
	Unit   string   `json:"unit" enum:"percent,seconds,tasks" doc:"Of the value."`
	Score  *float64 `json:"score" doc:"0–100."`
	Reason string   `json:"reason,omitempty"`
}

type trendBody struct {
	Metric    string  `json:"metric"`
	Hours     int     `json:"hours" doc:"How many hours it looks back."`
	Direction string  `json:"direction" enum:"rising,falling,flat" doc:"Flat: the interval does not exclude it."`
	PerHour   float64 `json:"per_hour" doc:"Slope (Theil–Sen)."`
	Low       float64 `json:"low" doc:"Lower bound of the slope with 95 % confidence."`
	High      float64 `json:"high" doc:"Upper bound."`
	Samples   int     `json:"samples"`
}

func getHealth(ctx context.Context, tx pgx.Tx, c tenant.Caller,
	in *Conditional) (*answer[healthBody], error) {
	if err := forStaff(c); err != nil {
		return nil, err
	}
	h, err := rollup.ReadHealth(ctx, tx, c.Organization)
	if err != nil {
		return nil, err
	}
	body := healthBody{
		Status: h.State, Since: h.Since.UTC(), Score: h.Score, Reasons: h.Reasons,
		CompleteThrough: utc(h.CompleteThrough),
		Parts:           make([]partBody, len(h.Parts)), Trends: make([]trendBody, len(h.Trends)),
	}
	for i, p := range h.Parts {
		body.Parts[i] = partBody(p)
	}
	for i, t := range h.Trends {
		body.Trends[i] = trendBody{t.Metric, t.Hours, t.Direction(), t.PerHour, t.Low, t.High,
			t.Samples}
	}
	return tell(*in, body)
}

type anomaliesIn struct {
	Conditional
	Format
	From time.Time `query:"from" required:"true" example:"2026-03-02T00:00:00Z"`
	To   time.Time `query:"to" required:"true" doc:"At most 31 days after from." example:"2026-03-09T00:00:00Z"`
}

type anomaliesBody struct {
	Anomalies       []anomalyBody `json:"anomalies" nullable:"false"`
	CompleteThrough *time.Time    `json:"complete_through"`
}

type anomalyBody struct {
	Metric   string    `json:"metric" enum:"success_rate,p95_execution_time,throughput,queue_length,bytes_in,bytes_out"`
	Since    time.Time `json:"since"`
	Until    time.Time `json:"until" doc:"The end of the last hour of it."`
	Ongoing  bool      `json:"ongoing"`
	Expected float64   `json:"expected" doc:"Median of the same hour of the week in the weeks before."`
	Seen     float64   `json:"seen" doc:"In the hour that was furthest off."`
	Score    float64   `json:"score" doc:"Modified z-score: 3.5 or more is an anomaly, below zero where less was seen than expected."`
	Samples  int       `json:"samples" doc:"Weeks that it was compared with."`
}

func listAnomalies(ctx context.Context, tx pgx.Tx, c tenant.Caller,
	in *anomaliesIn) (*tableAnswer[anomaliesBody], error) {
	if err := forStaff(c); err != nil {
		return nil, err
	}
	found, through, err := rollup.ReadAnomalies(ctx, tx, c.Organization, in.From.UTC(), in.To.UTC())
	if err != nil {
		return nil, err
	}
	body := anomaliesBody{Anomalies: make([]anomalyBody, len(found)), CompleteThrough: utc(through)}
	for i, a := range found {
		body.Anomalies[i] = anomalyBody{
			Metric: a.Metric, Since: a.Start, Until: a.End, Ongoing: a.Ongoing,
			Expected: a.Expected, Seen: a.Seen, Score: a.Score, Samples: a.Samples,
		}
	}
	return table(in.Conditional, in.Format, body, through, nil)
}

type usageIn struct {
	Conditional
	Range
	Format
}

type usageReport struct {
	SeriesHead
	Totals  usageBody         `json:"totals"`
	Periods []usagePeriodBody `json:"periods" nullable:"false"`
}

type usagePeriodBody struct {
	Start time.Time  `json:"start"`
	End   time.Time  `json:"end"`
	Usage *usageBody `json:"usage" doc:"Null: nothing was used."`
}

// TransformSchema lets usage be null.
func (usagePeriodBody) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return httpapi.NullableObjects(s, "usage")
}

type usageBody struct {
	FilesIn      int64  `json:"files_in" doc:"Accepted or quarantined."`
	BytesIn      int64  `json:"bytes_in"`
	FilesOut     int64  `json:"files_out" doc:"Links that were handed out."`
	BytesOut     int64  `json:"bytes_out" doc:"Of what they lead to."`
	FilesRemoved int64  `json:"files_removed" doc:"For good."`
	BytesRemoved int64  `json:"bytes_removed"`
	StoredFiles  *int64 `json:"stored_files" doc:"After the last change; null: none changed it."`
	StoredBytes  *int64 `json:"stored_bytes"`
	Scans        int64  `json:"scans"`
	Quarantined  int64  `json:"quarantined"`
	Delivered    int64  `json:"notifications_delivered"`
	Deferred     int64  `json:"notifications_deferred" doc:"Attempts that were put off: to be tried again, or folded into a catch-up."`
	Dead         int64  `json:"notifications_dead"`
	Executions   int64  `json:"executions" doc:"Tasks that ended."`
}

func getUsage(ctx context.Context, tx pgx.Tx, c tenant.Caller,
	in *usageIn) (*tableAnswer[usageReport], error) {
	if err := forStaff(c); err != nil {
		return nil, err
	}
	u, err := rollup.ReadUsage(ctx, tx, c.Organization, in.asked())
	if err != nil {
		return nil, err
	}
	body := usageReport{
		SeriesHead: headOf(in.Range, u.Zone, u.CompleteThrough), Totals: usageBody(u.Total),
		Periods: make([]usagePeriodBody, len(u.Periods)),
	}
	for i, p := range u.Periods {
		body.Periods[i] = usagePeriodBody{Start: p.Start.UTC(), End: p.End.UTC()}
		if p.Usage != nil {
			used := usageBody(*p.Usage)
			body.Periods[i].Usage = &used
		}
	}
	return table(in.Conditional, in.Format, body, u.CompleteThrough, nil)
}
