package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/library"
	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/maintenance"
	"github.com/toolboxai-solutions/satchel/shared/lambdaevent"
	"github.com/toolboxai-solutions/satchel/shared/telemetry"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

func maintainer(c Config, db *tenantdb.DB, objects *s3.Client, queue *sqs.Client,
	metrics telemetry.Metrics, log *slog.Logger) *maintenance.Runner {
	return &maintenance.Runner{
		System: library.System{Buckets: c.Buckets, Now: time.Now},
		DB:     db, S3: objects, Queue: queue, QueueURL: c.IngestQueueURL,
		RecordDays: c.RecordDays, Metrics: metrics, Log: log,
	}
}

func schedules(runner *maintenance.Runner) map[string]lambdaevent.Task {
	return map[string]lambdaevent.Task{"file-maintenance": {
		Expression: "rate(5 minutes)",
		Run:        func(ctx context.Context) (any, error) { return runner.Run(ctx) },
	}}
}

type command = func(context.Context, json.RawMessage) (any, error)

func commands(runner *maintenance.Runner) map[string]command {
	return map[string]command{
		"redrive": func(ctx context.Context, raw json.RawMessage) (any, error) {
			return runner.Redrive(ctx, raw)
		},
	}
}
