package demo

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/jackc/pgx/v5"
)

// fleet makes up agents for the organizations that have none, and what they did in the last twelve
// hours. In the last one the planners fail more often than not, so that there is something to tell.
const fleet = `WITH without AS (
	SELECT o.id FROM organizations o
	WHERE NOT EXISTS (SELECT FROM agent_instances i WHERE i.organization_id = o.id)
), agents AS (
	INSERT INTO agent_instances (organization_id, agent_id, agent_type, status)
	SELECT w.id, kind || '-' || n, kind, 'idle'
	FROM without w, unnest(ARRAY['tutor', 'grader', 'planner']) kind, generate_series(1, 2) n
	RETURNING organization_id, id, agent_type
)
INSERT INTO agent_executions (organization_id, task_id, agent_instance_id, agent_type, task_type,
	status, created_at, started_at, completed_at, memory_usage_mb, cpu_usage_percent,
	quality_score, user_rating)
SELECT a.organization_id, 'made-up-' || n, a.id, a.agent_type, 'lesson',
	CASE WHEN random() < CASE WHEN a.agent_type = 'planner' AND n < 60 THEN 0.9 ELSE 0.03 END
		THEN 'failed' ELSE 'completed' END,
	began, began, began + (1 + 4 * random()) * interval '1 second', 200 + 100 * random(),
	80 * random(), 0.7 + 0.3 * random(), 3 + floor(3 * random())
FROM agents a, generate_series(1, 720) n,
	LATERAL (SELECT now() - n * interval '1 minute' - random() * interval '30 seconds' AS began) t`

// Health is what the API tells of an organization's agents.
type Health struct {
	Status  string
	Score   *float64
	Reasons []string
	Parts   []struct {
		Name, Unit   string
		Value, Score *float64
	}
}

// Agents makes up a fleet through the database at an address, has its metrics computed, and prints
// the organization's health.
func Agents(ctx context.Context, o Options, database string) error {
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return fmt.Errorf("make up a fleet: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, fleet); err != nil {
		return fmt.Errorf("make up a fleet: %w", err)
	}
	c, err := signIn(ctx, o.API, o.Organization, o.User)
	if err != nil {
		return err
	}
	var done struct{}
	if err := c.call(ctx, "POST", "/local/schedules/analytics-aggregation", nil,
		&done); err != nil {
		return err
	}
	var health Health
	if err := c.call(ctx, "GET", "/v1/analytics/health", nil, &health); err != nil {
		return err
	}
	return tellHealth(o.Out, health)
}

func tellHealth(out io.Writer, h Health) error {
	score := ""
	if h.Score != nil {
		score = fmt.Sprintf(", %.0f of 100", *h.Score)
	}
	fmt.Fprintf(out, "\nA made-up fleet of agents is %s%s:\n", h.Status, score)
	aligned := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, p := range h.Parts {
		if p.Value != nil && p.Score != nil {
			fmt.Fprintf(aligned, "  %s\t%.1f %s\tscores %.0f\n", p.Name, *p.Value, p.Unit,
				*p.Score)
		}
	}
	if err := aligned.Flush(); err != nil {
		return err
	}
	for _, reason := range h.Reasons {
		fmt.Fprintf(out, "  because %s\n", reason)
	}
	return nil
}
