package main

import (
	"errors"
	"log/slog"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/library"
	"github.com/toolboxai-solutions/satchel/shared/httpapi"
	"github.com/toolboxai-solutions/satchel/shared/mediatype"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

// Config is the binary's settings. Both entries take all of them, so that they can be deployed from
// one list.
type Config struct {
	Database         tenantdb.Config
	IncomingBucket   string             `env:"INCOMING_BUCKET,required" help:"bucket that uploads go to, and the only one that triggers processing; versioned"`
	FilesBucket      string             `env:"FILES_BUCKET,required" help:"bucket of accepted originals and of variants"`
	QuarantineBucket string             `env:"QUARANTINE_BUCKET,required" help:"bucket of infected originals"`
	IngestQueueURL   string             `env:"INGEST_QUEUE_URL,required" help:"queue of file-processing, to which maintenance sends what got lost"`
	MaxFileSize      int64              `env:"MAX_FILE_SIZE" envDefault:"52428800" help:"largest file in bytes"`
	AllowedTypes     mediatype.Patterns `env:"ALLOWED_MIME_TYPES" envDefault:"image/*,application/pdf,text/*" help:"media types that may be uploaded, with * for any subtype"`
	Auth             httpapi.AuthConfig
	CORS             httpapi.CORSConfig
	PublicAPIURL     string     `env:"PUBLIC_API_URL" help:"where clients reach the API, for the Location of what they made; without it Location is a path"`
	LogLevel         slog.Level `env:"LOG_LEVEL" envDefault:"info" help:"debug, info, warn or error"`
}

// Validate refuses buckets that would let processing trigger itself, or hand out what is infected.
func (c Config) Validate() error {
	var all []error
	if c.IncomingBucket != "" &&
		(c.IncomingBucket == c.FilesBucket || c.IncomingBucket == c.QuarantineBucket) {
		all = append(all, errors.New("INCOMING_BUCKET: must be a bucket of its own, or "+
			"what is written would trigger processing again"))
	}
	if c.FilesBucket != "" && c.FilesBucket == c.QuarantineBucket {
		all = append(all, errors.New(
			"QUARANTINE_BUCKET: must not be FILES_BUCKET, from which files are handed out"))
	}
	if c.MaxFileSize <= 0 {
		all = append(all, errors.New("MAX_FILE_SIZE: must be more than 0"))
	}
	if len(c.AllowedTypes) == 0 {
		all = append(all, errors.New("ALLOWED_MIME_TYPES: must allow at least one type"))
	}
	return errors.Join(all...)
}

func (c Config) buckets() library.Buckets {
	return library.Buckets{Incoming: c.IncomingBucket, Files: c.FilesBucket,
		Quarantine: c.QuarantineBucket}
}
