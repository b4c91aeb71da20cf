package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/toolboxai-solutions/satchel/infra/local/runtime"
)

const (
	coldRuns = 24
	warmRuns = 400
	warmUp   = 20
)

// request is one event for one function.
type request struct {
	what, function string
	event          any
}

func latency(ctx context.Context, w *fixture) (section, error) {
	reader, err := w.signIn(ctx, listedSlug, "reader@example.org")
	if err != nil {
		return section{}, err
	}
	requests := []request{
		{"GET /v1/openapi.json (no database)", fileAPI, get("/v1/openapi.json", "")},
		{"GET /v1/files (signed in, 50 of 1000)", fileAPI, get("/v1/files", reader.token)},
		{"schedule file-maintenance (nothing due)", fileMaintenance,
			map[string]string{"schedule": "file-maintenance",
				"time": time.Now().UTC().Format(time.RFC3339)}},
		{"s3:TestEvent", fileProcessing, testEvent()},
	}
	s := section{
		title: "Cold start and warm latency",
		method: fmt.Sprintf(`The shipped binaries under the Lambda Runtime API. Cold: the sandbox was killed (%d times each, in turn); init is from
starting the process to its first poll, first is its first invocation: opening the database, fetching the issuer's keys. Warm: %d invocations
in a row after %d that do not count. Milliseconds, measured outside the process. Fetching the binary and starting
a machine for it, which AWS adds, are not in it.`, coldRuns, warmRuns, warmUp),
	}
	cold := table{head: []string{"cold", "function", "init p50", "p95", "first p50", "p95",
		"together p50", "p95", "peak MB"}}
	warm := table{head: []string{"warm", "function", "p50", "p95", "p99", "CPU ms",
		"cold ÷ warm, p50"}}
	starts, err := w.colds(ctx, requests)
	if err != nil {
		return s, err
	}
	for i, r := range requests {
		init := figures(starts[i], func(r runtime.Report) float64 { return milliseconds(r.Init) })
		first := figures(starts[i],
			func(r runtime.Report) float64 { return milliseconds(r.Duration) })
		together := figures(starts[i], wallOf)
		cold.add(r.what, r.function, ms(median(init)), ms(percentile(init, 95)), ms(median(first)),
			ms(percentile(first, 95)),
			ms(median(together)), ms(percentile(together, 95)),
			mb(median(figures(starts[i], memoryOf))))

		reports, err := w.warms(ctx, r)
		if err != nil {
			return s, err
		}
		took := figures(reports, func(r runtime.Report) float64 { return milliseconds(r.Duration) })
		warm.add(r.what, r.function, ms(median(took)), ms(percentile(took, 95)),
			ms(percentile(took, 99)),
			ms(sum(figures(reports, cpuOf))/float64(len(reports))),
			fmt.Sprintf("%.0f", median(together)/median(took)))
	}
	s.tables = []table{cold, warm}
	return s, nil
}

func (w *fixture) colds(ctx context.Context, requests []request) ([][]runtime.Report, error) {
	all := make([][]runtime.Report, len(requests))
	for range coldRuns {
		for i, r := range requests {
			w.Runtime.Kill(r.function)
			report, err := w.ask(ctx, r)
			if err != nil {
				return nil, err
			}
			if report.Init == 0 {
				return nil, fmt.Errorf("%s: the sandbox was warm", r.what)
			}
			all[i] = append(all[i], report)
		}
	}
	return all, nil
}

func (w *fixture) warms(ctx context.Context, r request) ([]runtime.Report, error) {
	var all []runtime.Report
	for range warmUp + warmRuns {
		report, err := w.ask(ctx, r)
		if err != nil {
			return nil, err
		}
		all = append(all, report)
	}
	return all[warmUp:], nil
}

// ask invokes the function and looks at its answer: a fast refusal would be a fine figure.
func (w *fixture) ask(ctx context.Context, r request) (runtime.Report, error) {
	event, err := json.Marshal(r.event)
	if err != nil {
		return runtime.Report{}, err
	}
	answer, report, err := w.invoke(ctx, r.function, event)
	if err != nil {
		return report, fmt.Errorf("%s: %w", r.what, err)
	}
	var response struct {
		StatusCode        int   `json:"statusCode"`
		BatchItemFailures []any `json:"batchItemFailures"`
	}
	_ = json.Unmarshal(answer, &response) // a schedule's answer is nothing
	if response.StatusCode != 0 && response.StatusCode != http.StatusOK ||
		len(response.BatchItemFailures) > 0 {
		return report, fmt.Errorf("%s: answered %s", r.what, answer)
	}
	return report, nil
}

func get(path, token string) events.APIGatewayV2HTTPRequest {
	e := events.APIGatewayV2HTTPRequest{Version: "2.0", RouteKey: "ANY " + path, RawPath: path,
		Headers: map[string]string{"host": "bench.example.org"}}
	if token != "" {
		e.Headers["authorization"] = "Bearer " + token
	}
	e.RequestContext.Stage = "$default"
	e.RequestContext.HTTP = events.APIGatewayV2HTTPRequestContextHTTPDescription{
		Method: http.MethodGet, Path: path, Protocol: "HTTP/1.1", SourceIP: "192.0.2.1",
	}
	return e
}

// testEvent is what S3 sends when a bucket's notifications are set up.
func testEvent() events.SQSEvent {
	return events.SQSEvent{Records: []events.SQSMessage{{
		MessageId: "bench", ReceiptHandle: "bench", EventSource: "aws:sqs",
		Attributes: map[string]string{"ApproximateReceiveCount": "1"},
		Body:       `{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-01-02T03:04:05.000Z","Bucket":"bench"}`,
	}}}
}

func figures(reports []runtime.Report, of func(runtime.Report) float64) []float64 {
	all := make([]float64, len(reports))
	for i, r := range reports {
		all[i] = of(r)
	}
	return all
}

func cpuOf(r runtime.Report) float64    { return milliseconds(r.CPU) }
func wallOf(r runtime.Report) float64   { return milliseconds(r.Init + r.Duration) }
func memoryOf(r runtime.Report) float64 { return float64(r.MaxMemory) }

func sum(values []float64) (total float64) {
	for _, v := range values {
		total += v
	}
	return total
}
