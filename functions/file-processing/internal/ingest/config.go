package ingest

import (
	"errors"
	"fmt"
	"time"

	"github.com/toolboxai-solutions/satchel/shared/mediatype"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
)

// Config is what an installation may choose.
type Config struct {
	storedfile.Buckets
	MaxFileSize   int64              `env:"MAX_FILE_SIZE" envDefault:"52428800" help:"largest file, in bytes"`
	ThumbnailSize int                `env:"THUMBNAIL_SIZE" envDefault:"300" help:"longer side of a thumbnail, in pixels; half and double are made too"`
	MaxAge        time.Duration      `env:"MAX_UPLOAD_AGE" envDefault:"120h" help:"how long an upload is tried while something that processing needs is unavailable; then it ends as an error and its bytes are kept"`
	Concurrency   int                `env:"PROCESSING_CONCURRENCY" envDefault:"10" help:"how many files are processed at once, as the queue's trigger has it; while an organization has half of that in work and others wait, its next file goes back to the queue"`
	Allowed       mediatype.Patterns `env:"ALLOWED_MIME_TYPES" envDefault:"image/*,application/pdf,text/*" help:"media types that may be uploaded, with * for any subtype"`
}

const (
	smallestThumbnail = 16   // half of it is still a picture
	largestThumbnail  = 2048 // double of it is still smaller than most photos
)

// Validate checks what the types cannot express.
func (c Config) Validate() error {
	var faults []error
	if c.MaxFileSize < 1 {
		faults = append(faults, errors.New("MAX_FILE_SIZE: must be at least 1"))
	}
	if c.ThumbnailSize < smallestThumbnail || c.ThumbnailSize > largestThumbnail {
		faults = append(faults, fmt.Errorf("THUMBNAIL_SIZE: must be from %d to %d",
			smallestThumbnail, largestThumbnail))
	}
	if c.MaxAge < time.Hour {
		faults = append(faults, errors.New("MAX_UPLOAD_AGE: must be at least 1h"))
	}
	if c.Concurrency < 2 {
		faults = append(faults, errors.New("PROCESSING_CONCURRENCY: must be at least 2"))
	}
	if len(c.Allowed) == 0 {
		faults = append(faults, errors.New("ALLOWED_MIME_TYPES: must name at least one type"))
	}
	return errors.Join(faults...)
}

// fillsShare reports whether an organization of which so many files are in work has its share of
// the workers.
func (c Config) fillsShare(working int) bool { return working > 0 && 2*working >= c.Concurrency }
