// Command analytics-aggregation turns executions and usage into metrics (schedule
// analytics-aggregation) and tells them to people and frontends (HTTP).
package main

import (
	"context"
	"fmt"
	"os"
	_ "time/tzdata" // provided.al2023 has no time zones, and days depend on them

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/toolboxai-solutions/satchel/shared/lambdaevent"
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
	handler := lambdaevent.Handler{HTTP: newAPI(c, db, log), Schedules: schedules(c, db, log),
		Log: log}
	lambda.Start(handler.Invoke)
	return nil
}
