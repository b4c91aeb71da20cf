// Command notification-dispatcher takes what was promised to whoever listens: its entries are the
// doorbell's queue (delivery), the schedule notification-sweep, and HTTP.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/toolboxai-solutions/satchel/shared/lambdaevent"
	"github.com/toolboxai-solutions/satchel/shared/outbox"
	"github.com/toolboxai-solutions/satchel/shared/settings"
	"github.com/toolboxai-solutions/satchel/shared/telemetry"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

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
	p := parts{
		config: c, db: db, log: log, now: time.Now,
		secrets: &secretReader{client: secretsmanager.NewFromConfig(cloud)},
		bell:    outbox.Doorbell{SQS: sqs.NewFromConfig(cloud), URL: c.DoorbellQueueURL, Log: log},
		metrics: metrics,
	}
	lambda.Start(lambdaevent.Handler{
		HTTP: p.api(), SQS: p.deliver, Schedules: p.schedules(), Log: log,
	}.Invoke)
	return nil
}
