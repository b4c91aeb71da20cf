package main

import (
	"errors"
	"log/slog"

	"github.com/toolboxai-solutions/satchel/shared/httpapi"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

// Config is the binary's settings. Both entries take all of them, so that they can be deployed from
// one list.
type Config struct {
	Database         tenantdb.Config
	RetentionDays    int `env:"RETENTION_DAYS" envDefault:"90" help:"longest that executions and five-minute metrics are kept; an organization's data_retention_days may be shorter"`
	Auth             httpapi.AuthConfig
	CORS             httpapi.CORSConfig
	LogLevel         slog.Level `env:"LOG_LEVEL" envDefault:"info" help:"debug, info, warn or error"`
	MetricsNamespace string     `env:"METRICS_NAMESPACE" envDefault:"Satchel" help:"CloudWatch namespace of the metrics; one for each stack of an account"`
}

// Validate refuses periods that no partition fits.
func (c Config) Validate() error {
	if c.RetentionDays < 1 || c.RetentionDays > 400 {
		return errors.New("RETENTION_DAYS: must be between 1 and 400")
	}
	return nil
}
