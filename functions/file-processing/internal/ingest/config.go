package ingest

import (
	"errors"
	"fmt"

	"github.com/toolboxai-solutions/satchel/shared/mediatype"
)

// Config is what an installation may choose.
type Config struct {
	Incoming      string             `env:"INCOMING_BUCKET,required" help:"bucket that clients upload to; versioned"`
	Files         string             `env:"FILES_BUCKET,required" help:"bucket of what was accepted and made from it"`
	Quarantine    string             `env:"QUARANTINE_BUCKET,required" help:"bucket of what must not be handed out"`
	MaxFileSize   int64              `env:"MAX_FILE_SIZE" envDefault:"52428800" help:"largest file, in bytes"`
	ThumbnailSize int                `env:"THUMBNAIL_SIZE" envDefault:"300" help:"longer side of a thumbnail, in pixels; half and double are made too"`
	Allowed       mediatype.Patterns `env:"ALLOWED_MIME_TYPES" envDefault:"image/*,application/pdf,text/*" help:"types that are accepted"`
}

const (
	smallestThumbnail = 16   // half of it is still a picture
	largestThumbnail  = 2048 // double of it is still smaller than most photos
)

// Validate checks what the types cannot say.
func (c Config) Validate() error {
	var faults []error
	if c.Incoming == c.Files || c.Incoming == c.Quarantine {
		faults = append(faults, errors.New("INCOMING_BUCKET: must differ from FILES_BUCKET "+
			"and QUARANTINE_BUCKET, or outputs would be processed again"))
	}
	if c.Files == c.Quarantine {
		faults = append(faults, errors.New("QUARANTINE_BUCKET: must differ from FILES_BUCKET, "+
			"or what is infected could be handed out"))
	}
	if c.MaxFileSize < 1 {
		faults = append(faults, errors.New("MAX_FILE_SIZE: must be at least 1"))
	}
	if c.ThumbnailSize < smallestThumbnail || c.ThumbnailSize > largestThumbnail {
		faults = append(faults, fmt.Errorf("THUMBNAIL_SIZE: must be from %d to %d",
			smallestThumbnail, largestThumbnail))
	}
	if len(c.Allowed) == 0 {
		faults = append(faults, errors.New("ALLOWED_MIME_TYPES: must name at least one type"))
	}
	return errors.Join(faults...)
}
