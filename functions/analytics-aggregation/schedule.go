package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/toolboxai-solutions/satchel/functions/analytics-aggregation/internal/rollup"
	"github.com/toolboxai-solutions/satchel/shared/httpapi"
	"github.com/toolboxai-solutions/satchel/shared/lambdaevent"
	"github.com/toolboxai-solutions/satchel/shared/telemetry"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

func schedules(c Config, db *tenantdb.DB, log *slog.Logger) map[string]lambdaevent.Task {
	aggregator := &rollup.Aggregator{
		DB: db, RetentionDays: c.RetentionDays, Log: log,
		Metrics: telemetry.Metrics{Out: os.Stdout, Namespace: c.MetricsNamespace},
	}
	return map[string]lambdaevent.Task{"analytics-aggregation": {
		Expression: "rate(5 minutes)",
		Run:        func(ctx context.Context) (any, error) { return aggregator.Run(ctx) },
	}}
}

// describe answers -describe-api and -describe-events, and reports whether one was asked.
func describe() (bool, error) {
	described, err := httpapi.Describe(os.Args, os.Stdout, title, version, routes)
	if described || err != nil {
		return described, err
	}
	return lambdaevent.Describe(os.Args, os.Stdout, lambdaevent.Handler{
		HTTP: &httpapi.API{}, Schedules: schedules(Config{}, nil, nil),
	})
}
