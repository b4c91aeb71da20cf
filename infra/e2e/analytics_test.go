package e2e

import (
	"testing"
	"time"

	"github.com/google/uuid"
)

// What agents did becomes numbers that are asked for through the gateway, by the shipped binaries
// with the rights of their roles.
func TestWhatAgentsDidIsTold(t *testing.T) {
	s := newSchool(t)
	agent, now := uuid.NewString(), time.Now().UTC()
	ended := now.Add(-20 * time.Minute).Truncate(time.Second)
	s.change(`INSERT INTO agent_instances (organization_id, id, agent_id, agent_type, status)
		VALUES ($1, $2, 'tutor-1', 'tutor', 'idle')`, s.id, agent)
	for _, status := range []string{"completed", "completed", "completed", "failed"} {
		s.change(`INSERT INTO agent_executions (organization_id, task_id, agent_instance_id,
			agent_type, task_type, status, completed_at, execution_time_seconds)
			VALUES ($1, 'task', $2, 'tutor', 'quiz', $3, $4, 2)`, s.id, agent, status, ended)
	}
	s.send("POST", "/local/schedules/analytics-aggregation", "", nil).want(200)
	staff := s.user("staff")
	period := "?from=" + now.Add(-time.Hour).Format(time.RFC3339) + "&to=" +
		now.Format(time.RFC3339)
	for _, path := range []string{"/v1/analytics/agents", "/v1/analytics/agents/" + agent} {
		a := staff.call("GET", path+period, nil).want(200)
		if a.at("agents.0.agent_instance_id") != agent ||
			a.at("agents.0.totals.total_tasks") != 4.0 ||
			a.at("agents.0.totals.success_rate") != 75.0 ||
			a.at("agents.0.totals.p95_execution_time") != 2.0 || a.at("complete_through") == nil {
			t.Errorf("%s tells %s", path, a.raw)
		}
	}
	if a := staff.call("GET", "/v1/analytics/usage"+period, nil).want(200); a.at(
		"totals.executions") != 4.0 {
		t.Errorf("usage is %s", a.raw)
	}
	staff.call("GET", "/v1/analytics/anomalies"+period, nil).want(200)
	if a := staff.call("GET", "/v1/analytics/health", nil).want(200); a.at("status") == nil {
		t.Errorf("health is %s", a.raw)
	}
	s.user("member").call("GET", "/v1/analytics/health", nil).problem(403, "not-allowed")
}
