// Command file-api is the storage provider for people and frontends (HTTP), and maintenance of what
// it stores (schedule file-maintenance).
package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/toolboxai-solutions/satchel/shared/lambdaevent"
	"github.com/toolboxai-solutions/satchel/shared/outbox"
	"github.com/toolboxai-solutions/satchel/shared/settings"
	"github.com/toolboxai-solutions/satchel/shared/telemetry"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

// document is what all functions of the bundle declare, merged by make generate.
//
//go:embed openapi.json
var document []byte

func main() {
	described, err := describe()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if !described {
		settings.Main(run)
	}
}

func run(ctx context.Context, c Config) error {
	log := telemetry.NewLogger(os.Stdout, c.LogLevel)
	db, err := tenantdb.Open(ctx, c.Database)
	if err != nil {
		return err
	}
	cloud, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return fmt.Errorf("load AWS configuration: %w", err)
	}
	metrics := telemetry.Metrics{Out: os.Stdout, Namespace: c.MetricsNamespace}
	metrics.WatchConfiguration(&cloud, log)
	objects, queues := s3.NewFromConfig(cloud), sqs.NewFromConfig(cloud)
	runner := maintainer(c, db, objects, queues, metrics, log)
	bell := outbox.Doorbell{SQS: queues, URL: c.DoorbellQueueURL, Log: log}
	lambda.Start(lambdaevent.Handler{
		HTTP:      newAPI(c, db, objects, bell, log),
		Schedules: schedules(runner), Commands: commands(runner), Doorbell: bell.Ring, Log: log,
	}.Invoke)
	return nil
}
