package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/library"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

func newMaintenance(c Config, db *tenantdb.DB, objects *s3.Client, queue *sqs.Client,
	log *slog.Logger) *library.Maintenance {
	return &library.Maintenance{
		Buckets: c.buckets(), DB: db, S3: objects, Queue: queue, QueueURL: c.IngestQueueURL,
		Now: time.Now, Log: log,
	}
}

func schedules(maintenance *library.Maintenance) map[string]func(context.Context) (any, error) {
	return map[string]func(context.Context) (any, error){
		"file-maintenance": func(ctx context.Context) (any, error) { return maintenance.Run(ctx) },
	}
}
