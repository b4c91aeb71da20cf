package library

import (
	"time"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/shared/mediatype"
)

// Status is where a file is on its way.
type Status string

// The states of a file.
const (
	Pending     Status = "pending"     // reserved; the upload has not been seen
	Processing  Status = "processing"  // uploaded; no verdict yet
	Available   Status = "available"   // may be downloaded
	Quarantined Status = "quarantined" // infected; never handed out
	Deleted     Status = "deleted"     // in the bin; purged after BinTime
	Archived    Status = "archived"
	Failed      Status = "error" // refused, see Reason
)

// Category says what a file is for. It decides who sees it and how long it is kept.
type Category string

// The categories.
const (
	EducationalContent Category = "educational_content"
	StudentSubmission  Category = "student_submission" // seen by its uploader and by staff only
	Assessment         Category = "assessment"
	Administrative     Category = "administrative"
	MediaResource      Category = "media_resource"
	Temporary          Category = "temporary"
	Avatar             Category = "avatar"
	Report             Category = "report"
)

// defaultCategory is that of a file for which none is named: a short-lived one would be a trap.
const defaultCategory = EducationalContent

// File is one file and what is known of it.
type File struct {
	Organization     uuid.UUID
	ID               uuid.UUID
	Filename         string // safe to offer for download
	OriginalFilename string // as the client named it
	ContentType      mediatype.Type
	Size             int64 // bytes
	// of the content once processed, until then what the client declared; may be nil
	SHA256          []byte
	Status          Status
	StatusBefore    Status // what a deleted file was
	Reason          Reason // why it is quarantined or in error
	Category        Category
	Title           *string
	Description     *string
	Tags            []string
	Metadata        map[string]any
	VirusScanned    bool
	VirusScanResult *string // "clean", a signature's name, or nil: not scanned
	LastScannedAt   *time.Time
	ContainsPII     bool
	RequiresConsent bool
	Consent         *Consent // in force; nil: none
	RetentionDays   *int     // as asked for; nil: the category's default
	DeletionDate    *time.Time
	UploadedBy      uuid.UUID
	Width, Height   *int // pixels, after orientation
	Variants        []Variant
	DownloadCount   int64
	LastAccessedAt  *time.Time
	CreatedAt       time.Time
	UpdatedAt       time.Time
	DeletedAt       *time.Time

	bucket, key string // of the original
	version     int
	// what it holds of the quota's used bytes; 0 before the verdict and when it was refused
	quotaBytes int64
}

// Variant is a picture that was made from a file.
type Variant struct {
	Name        string `json:"name"`
	ContentType string `json:"content_type"`
	Size        int64  `json:"size"`
	Width       int    `json:"width"`
	Height      int    `json:"height"`
}

// Consent is the record that someone agreed to a file being handed out.
type Consent struct {
	GivenBy    string // the person, as the school knows them
	Basis      string // for example: signed form of 2026-09-01
	RecordedBy uuid.UUID
	RecordedAt time.Time
}
