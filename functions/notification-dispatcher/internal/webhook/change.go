package webhook

import (
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/topic"
	"github.com/toolboxai-solutions/satchel/shared/fault"
)

// change is what Supabase's database webhooks send.
// https://supabase.com/docs/guides/database/webhooks
type change struct {
	Type      string         `json:"type"`
	Table     string         `json:"table"`
	Schema    string         `json:"schema"`
	Record    map[string]any `json:"record"`
	OldRecord map[string]any `json:"old_record"`
}

// Fact is what a change comes to.
type Fact struct {
	Organization uuid.UUID
	Topic        string
	Subject      uuid.UUID
	Priority     topic.Priority
	Payload      map[string]any
}

// told are the columns of a run that its notification carries, as those of the trigger of
// agent_executions are.
var told = []string{
	"task_id",
	"agent_type",
	"task_type",
	"status",
	"priority",
	"created_at",
	"started_at",
	"completed_at",
}

// Read says what a body tells, or why it tells nothing. An error is a body that no database sends.
func Read(body []byte) (f Fact, ignored string, err error) {
	var c change
	if err := json.Unmarshal(body, &c); err != nil {
		return Fact{}, "", fault.New(
			fault.Invalid,
			"invalid-webhook",
			"The body is not a database webhook: an object with type, table, schema, record and "+
				"old_record.",
		)
	}
	switch {
	case c.Table != "agent_executions":
		return Fact{}, "table has no notifications", nil
	case c.Type != "UPDATE":
		return Fact{}, "only an update notifies", nil
	case text(c.Record, "status") == text(c.OldRecord, "status"):
		return Fact{}, "status did not change", nil
	}
	name, ok := topics[text(c.Record, "status")]
	if !ok {
		return Fact{}, "status has no notification", nil
	}
	f = Fact{
		Topic:    name,
		Priority: priority(name, text(c.Record, "priority")),
		Payload:  map[string]any{},
	}
	if f.Organization, err = id(c.Record, "organization_id"); err != nil {
		return Fact{}, "", err
	}
	if f.Subject, err = id(c.Record, "id"); err != nil {
		return Fact{}, "", err
	}
	for _, column := range told {
		switch v := c.Record[column].(type) {
		case string:
			if len(v) <= 200 {
				f.Payload[column] = v
			}
		case nil, map[string]any, []any:
		default:
			f.Payload[column] = v
		}
	}
	return f, "", nil
}

// topics by the status that a run changed to.
var topics = map[string]string{
	"queued": "task.queued", "running": "task.started", "completed": "task.completed",
	"failed": "task.failed", "cancelled": "task.cancelled",
}

func priority(name, of string) topic.Priority {
	switch {
	case name == "task.queued":
		return topic.Low
	case name == "task.failed", name == "task.completed" && (of == "urgent" || of == "critical"):
		return topic.High
	}
	return topic.Normal
}

func text(record map[string]any, column string) string {
	s, _ := record[column].(string)
	return s
}

func id(record map[string]any, column string) (uuid.UUID, error) {
	parsed, err := uuid.Parse(text(record, column))
	if err != nil || parsed == uuid.Nil {
		return uuid.Nil, fault.New(
			fault.Invalid,
			"invalid-webhook",
			fmt.Sprintf("The record's %s is no UUID.", column),
		)
	}
	return parsed, nil
}
