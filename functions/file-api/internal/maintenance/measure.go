package maintenance

import (
	"context"
	"time"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/maintenance/db"
	"github.com/toolboxai-solutions/satchel/shared/telemetry"
)

// measure tells the age of the oldest upload that has no verdict. One that never arrives is ended
// within half an hour; what is older waits for something that processing needs.
func (m *Runner) measure(ctx context.Context, _ slice) (Summary, bool, error) {
	now := m.now()
	began, err := across(ctx, m, "find the oldest upload",
		func(q *db.Queries) (time.Time, error) { return q.OldestUpload(ctx, now) })
	if err != nil {
		return Summary{}, false, err
	}
	m.Metrics.Emit(nil, telemetry.Metric{Name: "OldestUpload", Unit: telemetry.Milliseconds,
		Value: float64(now.Sub(began).Milliseconds())})
	return Summary{}, false, nil
}
