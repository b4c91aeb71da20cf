package lambdaevent

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Kind is the shape of an event.
type Kind string

// The shapes that an Handler knows.
const (
	HTTP     Kind = "HTTP API"
	SQS      Kind = "SQS"
	Schedule Kind = "schedule"
	Command  Kind = "command"
)

// ScheduleEvent is what a schedule sends: the Input of an EventBridge schedule, with
// <aws.scheduler.scheduled-time> as its time.
type ScheduleEvent struct {
	Schedule string    `json:"schedule"`
	Time     time.Time `json:"time"`
}

// CommandEvent is what somebody who operates the deployment invokes a function with, beside the
// arguments of that command.
type CommandEvent struct {
	Command string `json:"command"`
}

// Shape tells an event's shape by the members that only this shape has. Its error means that the
// function got a trigger it was not built for.
func Shape(raw json.RawMessage) (Kind, error) {
	var probe struct {
		Version        string `json:"version"`
		RequestContext struct {
			HTTP struct {
				Method string `json:"method"`
			} `json:"http"`
		} `json:"requestContext"`
		Records []struct {
			EventSource string `json:"eventSource"`
		} `json:"Records"`
		Schedule string `json:"schedule"`
		Command  string `json:"command"`
	}
	if err := json.Unmarshal(raw, &probe); err != nil {
		return "", fmt.Errorf("event is of no shape that is known: %w", err)
	}
	switch {
	case probe.Version == "2.0" && probe.RequestContext.HTTP.Method != "":
		return HTTP, nil
	case len(probe.Records) > 0:
		for _, record := range probe.Records {
			if record.EventSource != "aws:sqs" {
				return "", fmt.Errorf("event holds a record of %q, and only aws:sqs is taken",
					record.EventSource)
			}
		}
		return SQS, nil
	case probe.Schedule != "":
		return Schedule, nil
	case probe.Command != "":
		return Command, nil
	default:
		return "", errors.New(
			"event is of no shape that is known: want HTTP API 2.0, SQS, a schedule or a command")
	}
}
