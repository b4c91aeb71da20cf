// Command file-processing turns an uploaded object into a verdict and, for a picture, into pictures
// that are safe to hand out.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/ingest"
	"github.com/toolboxai-solutions/satchel/shared/lambdaevent"
	"github.com/toolboxai-solutions/satchel/shared/outbox"
	"github.com/toolboxai-solutions/satchel/shared/settings"
	"github.com/toolboxai-solutions/satchel/shared/telemetry"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

func main() {
	described, err := lambdaevent.Describe(os.Args, os.Stdout,
		lambdaevent.Handler{SQS: handler{}.message})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if !described {
		settings.Main(run)
	}
}

func run(ctx context.Context, s Settings) error {
	log := telemetry.NewLogger(os.Stdout, s.LogLevel)
	db, err := tenantdb.Open(ctx, s.Database)
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	aws, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return fmt.Errorf("load AWS configuration: %w", err)
	}
	metrics := telemetry.Metrics{Out: os.Stdout, Namespace: s.MetricsNamespace}
	metrics.WatchConfiguration(&aws, log)
	scanner, err := s.scanner()
	if err != nil {
		return err
	}
	warnUnscanned(ctx, scanner, log)
	queues := sqs.NewFromConfig(aws)
	h := handler{&ingest.Processor{Config: s.Ingest, DB: db, S3: s3.NewFromConfig(aws),
		Scanner: scanner, Log: log}, queue{queues, s.IngestQueueURL, log},
		outbox.Doorbell{SQS: queues, URL: s.DoorbellQueueURL, Log: log}, log, metrics}
	lambda.Start(lambdaevent.Handler{SQS: h.message, Log: log}.Invoke)
	return nil
}
