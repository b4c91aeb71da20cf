package rollup

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/functions/analytics-aggregation/internal/rollup/db"
)

// agentKey names a row of a period: an agent that changes its type has one for each.
type agentKey struct {
	agent uuid.UUID
	kind  string
}

func (k agentKey) String() string { return k.agent.String() + " " + k.kind }

func figuresOf(r db.AgentRowsRow) (Figures, error) {
	times, err := HistogramOf(r.ExecutionValues, r.ExecutionBins, r.ExecutionCounts)
	if err != nil {
		return Figures{}, fmt.Errorf("read agent %s at %s: %w", r.AgentInstanceID, r.PeriodStart,
			err)
	}
	return Figures{
		Completed: r.TasksCompleted, Failed: r.TasksFailed, Cancelled: r.TasksCancelled,
		Execution:  Sum{Millionths(r.ExecutionUs), r.ExecutionCount},
		Quality:    Sum{Millionths(r.QualitySum), r.QualityCount},
		Confidence: Sum{Millionths(r.ConfidenceSum), r.ConfidenceCount},
		Rating:     Sum{Millionths(r.RatingSum), r.RatingCount},
		Memory:     gauge(r.MemorySum, r.MemoryCount, r.MemoryPeak),
		CPU:        gauge(r.CpuSum, r.CpuCount, r.CpuPeak),
		Registered: Millionths(r.RegisteredUs), InService: Millionths(r.InServiceUs),
		Up: Millionths(r.UpUs), Available: Millionths(r.AvailableUs), Times: times,
	}, nil
}

func gauge(sum, count, peak int64) Gauge {
	return Gauge{Sum{Millionths(sum), count}, Millionths(peak)}
}

func agentRow(organization uuid.UUID, k agentKey, interval Interval, p Period, f Figures,
) db.WriteAgentRowParams {
	return db.WriteAgentRowParams{
		OrganizationID: organization, AgentInstanceID: k.agent, AgentType: k.kind,
		Granularity: string(interval), PeriodStart: p.Start, PeriodEnd: p.End,
		TasksCompleted: f.Completed, TasksFailed: f.Failed, TasksCancelled: f.Cancelled,
		ExecutionUs: int64(f.Execution.Total), ExecutionCount: f.Execution.Count,
		MedianUs: f.Times.stored(0.5), P95Us: f.Times.stored(0.95), P99Us: f.Times.stored(0.99),
		ExecutionValues: f.Times.values, ExecutionBins: f.Times.bins,
		ExecutionCounts: f.Times.counts,
		QualitySum:      int64(f.Quality.Total), QualityCount: f.Quality.Count,
		ConfidenceSum: int64(f.Confidence.Total), ConfidenceCount: f.Confidence.Count,
		RatingSum: int64(f.Rating.Total), RatingCount: f.Rating.Count,
		MemorySum: int64(f.Memory.Total), MemoryCount: f.Memory.Count,
		MemoryPeak: int64(f.Memory.Peak),
		CpuSum:     int64(f.CPU.Total), CpuCount: f.CPU.Count, CpuPeak: int64(f.CPU.Peak),
		RegisteredUs: int64(f.Registered), InServiceUs: int64(f.InService),
		UpUs: int64(f.Up), AvailableUs: int64(f.Available),
	}
}

// stored is a percentile as its column has it.
func (h Histogram) stored(p float64) *int64 {
	v, ok := h.Percentile(p)
	if !ok {
		return nil
	}
	return &v
}

// vitalsRow is a row of system_health: an organization's figures and its queue.
type vitalsRow struct {
	start time.Time
	Vitals
}

func vitalsOf(r db.HealthRowsRow) (vitalsRow, error) {
	times, err := HistogramOf(r.ExecutionValues, r.ExecutionBins, r.ExecutionCounts)
	if err != nil {
		return vitalsRow{}, fmt.Errorf("read health at %s: %w", r.PeriodStart, err)
	}
	return vitalsRow{start: r.PeriodStart, Vitals: Vitals{Queue: r.QueueLength, Figures: Figures{
		Completed: r.TasksCompleted, Failed: r.TasksFailed, Cancelled: r.TasksCancelled,
		Execution:  Sum{Millionths(r.ExecutionUs), r.ExecutionCount},
		Registered: Millionths(r.RegisteredUs), InService: Millionths(r.InServiceUs),
		Up: Millionths(r.UpUs), Available: Millionths(r.AvailableUs), Times: times,
	}}}, nil
}

func healthRow(organization uuid.UUID, interval Interval, p Period,
	v Vitals) db.WriteHealthRowParams {
	return db.WriteHealthRowParams{
		OrganizationID: organization, Granularity: string(interval),
		PeriodStart: p.Start, PeriodEnd: p.End,
		TasksCompleted: v.Completed, TasksFailed: v.Failed, TasksCancelled: v.Cancelled,
		ExecutionUs: int64(v.Execution.Total), ExecutionCount: v.Execution.Count,
		ExecutionValues: v.Times.values, ExecutionBins: v.Times.bins,
		ExecutionCounts: v.Times.counts, P95Us: v.Times.stored(0.95),
		RegisteredUs: int64(v.Registered), InServiceUs: int64(v.InService),
		UpUs: int64(v.Up), AvailableUs: int64(v.Available), QueueLength: v.Queue,
	}
}
