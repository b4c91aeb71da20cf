package main

import (
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/functions/analytics-aggregation/internal/rollup"
	"github.com/toolboxai-solutions/satchel/shared/httpapi"
)

// SeriesHead is what every answer about a range begins with.
type SeriesHead struct {
	Interval        rollup.Interval `json:"interval" enum:"5m,1h,1d"`
	Timezone        string          `json:"timezone"`
	CompleteThrough *time.Time      `json:"complete_through" doc:"What happened before this is in the figures, except for what is told later. Null: nothing was computed yet."`
}

func headOf(r Range, zone *time.Location, through *time.Time) SeriesHead {
	return SeriesHead{Interval: r.Interval, Timezone: zone.String(), CompleteThrough: utc(through)}
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

type seriesBody struct {
	AgentInstanceID uuid.UUID    `json:"agent_instance_id" format:"uuid"`
	AgentType       string       `json:"agent_type" doc:"An agent that changed its type is listed under each."`
	Totals          figuresBody  `json:"totals" doc:"Of the whole range; percentiles are of all its tasks, not averages of the periods'."`
	Periods         []periodBody `json:"periods" nullable:"false"`
}

type periodBody struct {
	Start   time.Time    `json:"start"`
	End     time.Time    `json:"end"`
	Metrics *figuresBody `json:"metrics" doc:"Null: nothing is known of this period."`
}

// TransformSchema lets metrics be null.
func (periodBody) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return httpapi.NullableObjects(s, "metrics")
}

type figuresBody struct {
	TotalTasks             int64    `json:"total_tasks" doc:"That ended."`
	TasksCompleted         int64    `json:"tasks_completed"`
	TasksFailed            int64    `json:"tasks_failed"`
	TasksCancelled         int64    `json:"tasks_cancelled"`
	SuccessRate            *float64 `json:"success_rate" doc:"Per cent of the tasks that completed or failed."`
	ErrorRate              *float64 `json:"error_rate" doc:"Per cent of the tasks that completed or failed."`
	AverageExecutionTime   *float64 `json:"average_execution_time" doc:"Seconds."`
	MedianExecutionTime    *float64 `json:"median_execution_time" doc:"Seconds: exact for up to 256 tasks, otherwise within 1 %."`
	P95ExecutionTime       *float64 `json:"p95_execution_time" doc:"Seconds, as the median."`
	P99ExecutionTime       *float64 `json:"p99_execution_time" doc:"Seconds, as the median."`
	AverageQualityScore    *float64 `json:"average_quality_score" doc:"0–1."`
	AverageConfidenceScore *float64 `json:"average_confidence_score" doc:"0–1."`
	AverageUserRating      *float64 `json:"average_user_rating" doc:"1–5."`
	AverageMemoryMB        *float64 `json:"average_memory_usage_mb"`
	PeakMemoryMB           *float64 `json:"peak_memory_usage_mb"`
	AverageCPU             *float64 `json:"average_cpu_usage_percent"`
	PeakCPU                *float64 `json:"peak_cpu_usage_percent"`
	Uptime                 *float64 `json:"uptime_percentage" doc:"Of the time that the agent was known, that it was heard of."`
	Availability           *float64 `json:"availability_percentage" doc:"Of its time in service, that it could take work."`
}

func bodyOf(f rollup.Figures) figuresBody {
	body := figuresBody{
		TotalTasks: f.Total(), TasksCompleted: f.Completed, TasksFailed: f.Failed,
		TasksCancelled: f.Cancelled,
		SuccessRate:    f.SuccessRate(), ErrorRate: f.ErrorRate(),
		AverageExecutionTime: f.Execution.Average(),
		MedianExecutionTime:  f.Percentile(0.5), P95ExecutionTime: f.Percentile(0.95),
		P99ExecutionTime:    f.Percentile(0.99),
		AverageQualityScore: f.Quality.Average(), AverageConfidenceScore: f.Confidence.Average(),
		AverageUserRating: f.Rating.Average(),
		AverageMemoryMB:   f.Memory.Average(), AverageCPU: f.CPU.Average(), Uptime: f.Uptime(),
		Availability: f.Availability(),
	}
	if f.Memory.Count > 0 {
		peak := f.Memory.Peak.Float()
		body.PeakMemoryMB = &peak
	}
	if f.CPU.Count > 0 {
		peak := f.CPU.Peak.Float()
		body.PeakCPU = &peak
	}
	return body
}

func seriesOf(all []rollup.Series) []seriesBody {
	bodies := make([]seriesBody, len(all))
	for i, s := range all {
		bodies[i] = seriesBody{AgentInstanceID: s.Agent, AgentType: s.Type, Totals: bodyOf(s.Total),
			Periods: make([]periodBody, len(s.Periods))}
		for j, p := range s.Periods {
			bodies[i].Periods[j] = periodBody{Start: p.Start.UTC(), End: p.End.UTC()}
			if p.Figures != nil {
				metrics := bodyOf(*p.Figures)
				bodies[i].Periods[j].Metrics = &metrics
			}
		}
	}
	return bodies
}
