package telemetry

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// Unit is one of CloudWatch's units.
type Unit string

// The units in use; CloudWatch has more.
const (
	Count        Unit = "Count"
	Milliseconds Unit = "Milliseconds"
	Bytes        Unit = "Bytes"
)

// Metric is one figure of a moment.
type Metric struct {
	Name  string
	Unit  Unit
	Value float64
}

// Metrics writes figures as CloudWatch's embedded metric format: one JSON line each call, which
// Lambda's log turns into metrics with no call to an API. Format:
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
type Metrics struct {
	Out       io.Writer
	Namespace string
	Now       func() time.Time // nil: time.Now
}

// Emit writes metrics under the one set of dimensions. Every combination of dimension values is
// billed as a metric of its own, so a dimension has a handful of values: an outcome, a kind; never
// a tenant, a user or a file. Out's errors are dropped: a figure is not worth a request.
func (m Metrics) Emit(dimensions map[string]string, metrics ...Metric) {
	now := time.Now
	if m.Now != nil {
		now = m.Now
	}
	type definition struct {
		Name string
		Unit Unit
	}
	line := make(map[string]any, len(dimensions)+len(metrics)+1)
	definitions := make([]definition, len(metrics))
	for name, value := range dimensions {
		line[name] = value
	}
	for i, metric := range metrics {
		definitions[i] = definition{metric.Name, metric.Unit}
		line[metric.Name] = metric.Value
	}
	line["_aws"] = map[string]any{
		"Timestamp": now().UnixMilli(),
		"CloudWatchMetrics": []any{map[string]any{
			"Namespace":  m.Namespace,
			"Dimensions": [][]string{slices.Sorted(maps.Keys(dimensions))},
			"Metrics":    definitions,
		}},
	}
	encoded, err := json.Marshal(line)
	if err != nil {
		return // a value that is not a number, such as NaN
	}
	fmt.Fprintf(m.Out, "%s\n", encoded)
}
