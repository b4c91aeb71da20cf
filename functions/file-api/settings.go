package main

import (
	"errors"
	"log/slog"

	"github.com/toolboxai-solutions/satchel/shared/httpapi"
	"github.com/toolboxai-solutions/satchel/shared/mediatype"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

// Config is the binary's settings. Both entries take all of them, so that they can be deployed from
// one list.
type Config struct {
	Database         tenantdb.Config
	Buckets          storedfile.Buckets
	IngestQueueURL   string             `env:"INGEST_QUEUE_URL,required" help:"queue of file-processing, to which maintenance sends uploads whose event was lost"`
	DoorbellQueueURL string             `env:"DOORBELL_QUEUE_URL,required" help:"queue by which notifications are delivered at once"`
	MaxFileSize      int64              `env:"MAX_FILE_SIZE" envDefault:"52428800" help:"largest file, in bytes"`
	MaxOpenUploads   int                `env:"MAX_OPEN_UPLOADS" envDefault:"100" help:"most uploads of one user that have been begun and have not arrived"`
	RecordDays       int                `env:"ACCESS_LOG_RETENTION_DAYS" envDefault:"400" help:"how long a record of the access log is kept, in days; its address and agent are kept for 30 at most"`
	AllowedTypes     mediatype.Patterns `env:"ALLOWED_MIME_TYPES" envDefault:"image/*,application/pdf,text/*" help:"media types that may be uploaded, with * for any subtype"`
	Auth             httpapi.AuthConfig
	CORS             httpapi.CORSConfig
	PublicAPIURL     string     `env:"PUBLIC_API_URL" help:"where clients reach the API, for Location headers; without it Location is a path"`
	MetricsNamespace string     `env:"METRICS_NAMESPACE" envDefault:"Satchel" help:"CloudWatch namespace of the metrics; one for each stack of an account"`
	LogLevel         slog.Level `env:"LOG_LEVEL" envDefault:"info" help:"debug, info, warn or error"`
}

// Validate checks what the types cannot express.
func (c Config) Validate() error {
	var all []error
	if c.MaxFileSize <= 0 {
		all = append(all, errors.New("MAX_FILE_SIZE: must be more than 0"))
	}
	if c.MaxOpenUploads <= 0 {
		all = append(all, errors.New("MAX_OPEN_UPLOADS: must be more than 0"))
	}
	if c.RecordDays <= 0 {
		all = append(all, errors.New("ACCESS_LOG_RETENTION_DAYS: must be more than 0"))
	}
	if len(c.AllowedTypes) == 0 {
		all = append(all, errors.New("ALLOWED_MIME_TYPES: must allow at least one type"))
	}
	return errors.Join(all...)
}
