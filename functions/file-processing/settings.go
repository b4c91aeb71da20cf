package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/ingest"
	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/scan"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

// Settings is what the environment says.
type Settings struct {
	Database tenantdb.Config
	Ingest   ingest.Config

	IngestQueueURL   string `env:"INGEST_QUEUE_URL,required" help:"queue that storage events come from, and go back to while an organization has its share"`
	DoorbellQueueURL string `env:"DOORBELL_QUEUE_URL,required" help:"queue by which notifications are delivered at once"`

	Scanning         bool       `env:"ENABLE_VIRUS_SCANNING" envDefault:"false" help:"have clamd scan every file; without it, files are marked as not scanned"`
	ClamdAddress     string     `env:"CLAMD_ADDRESS" help:"clamd, as host:port, tcp://host:port or unix:///path; required with ENABLE_VIRUS_SCANNING"`
	LogLevel         slog.Level `env:"LOG_LEVEL" envDefault:"info" help:"debug, info, warn or error"`
	MetricsNamespace string     `env:"METRICS_NAMESPACE" envDefault:"Satchel" help:"CloudWatch namespace of the metrics; one for each stack of an account"`
}

// Validate checks what the types cannot say.
func (s Settings) Validate() error {
	_, err := s.scanner()
	return err
}

// scanner is nil when scanning is off. On without an address is a fault: a scanner that is
// forgotten must not pass for one that found nothing.
func (s Settings) scanner() (*scan.Client, error) {
	if !s.Scanning {
		return nil, nil
	}
	if s.ClamdAddress == "" {
		return nil, errors.New("CLAMD_ADDRESS: is required when ENABLE_VIRUS_SCANNING is true")
	}
	client, err := scan.New(s.ClamdAddress)
	if err != nil {
		return nil, fmt.Errorf("CLAMD_ADDRESS: %w", err)
	}
	return client, nil
}

func warnUnscanned(ctx context.Context, scanner *scan.Client, log *slog.Logger) {
	if scanner == nil {
		log.WarnContext(ctx, "virus scanning is off: files are marked as not scanned")
	}
}
