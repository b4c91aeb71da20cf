package lambdaevent

import (
	"encoding/json"
	"fmt"
	"io"
)

// DescribeFlag makes a binary print the events that it takes instead of running.
const DescribeFlag = "-describe-events"

// Description is what DescribeFlag prints, as JSON.
type Description struct {
	HTTP      bool              `json:"http"`
	SQS       bool              `json:"sqs"`
	Schedules map[string]string `json:"schedules"` // the expression of each, by its name
}

// Describe prints, when args (os.Args) asks for it, which events h takes, and reports whether it
// did. It calls nothing of h.
func Describe(args []string, out io.Writer, h Handler) (bool, error) {
	if len(args) < 2 || args[1] != DescribeFlag {
		return false, nil
	}
	d := Description{HTTP: h.HTTP != nil, SQS: h.SQS != nil, Schedules: map[string]string{}}
	for name, task := range h.Schedules {
		d.Schedules[name] = task.Expression
	}
	encoded, err := json.Marshal(d)
	if err != nil {
		return true, fmt.Errorf("describe events: %w", err)
	}
	_, err = fmt.Fprintf(out, "%s\n", encoded)
	return true, err
}
