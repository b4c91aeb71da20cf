package library

import (
	"time"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/shared/mediatype"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
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

// Categories returns every category.
func Categories() []Category {
	return []Category{EducationalContent, StudentSubmission, Assessment, Administrative,
		MediaResource, Temporary, Avatar, Report}
}

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
	Status          storedfile.Status
	StatusBefore    storedfile.Status // what a deleted file was
	Reason          storedfile.Reason // why it is quarantined or in error
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
	Variants        []storedfile.Variant
	DownloadCount   int64
	LastAccessedAt  *time.Time
	CreatedAt       time.Time
	UpdatedAt       time.Time
	DeletedAt       *time.Time

	bucket, key string // of the original
	version     int
	fence       int64 // of the attempt that made the variants
	// what it holds of the quota's used bytes; 0 before the verdict and when it was refused
	quotaBytes int64
}

// Consent is the record that someone agreed to a file being handed out.
type Consent struct {
	GivenBy    string // the person, as the school knows them
	Basis      string // for example: signed form of 2026-09-01
	RecordedBy uuid.UUID
	RecordedAt time.Time
}
