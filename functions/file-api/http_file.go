package main

import (
	"encoding/hex"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/library"
	"github.com/toolboxai-solutions/satchel/shared/httpapi"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// fileBody is one file as clients see it. Sizes are bytes.
type fileBody struct {
	ID              uuid.UUID            `json:"id" format:"uuid"`
	Filename        string               `json:"filename"`
	OriginalName    string               `json:"original_filename" doc:"The name it was uploaded with. Do not use it as a path."`
	ContentType     string               `json:"content_type"`
	Size            int64                `json:"size"`
	Status          status               `json:"status"`
	Reason          *reason              `json:"reason" doc:"Why the status is error or quarantined: a stable code."`
	ReasonDetail    *string              `json:"reason_detail" doc:"The reason as a sentence that says what to do."`
	Category        category             `json:"category"`
	Title           *string              `json:"title"`
	Description     *string              `json:"description"`
	Tags            []string             `json:"tags" nullable:"false"`
	Metadata        map[string]any       `json:"metadata"`
	SHA256          *string              `json:"sha256" doc:"In hexadecimal. Until the file is processed, the declared one."`
	VirusScanned    bool                 `json:"virus_scanned" doc:"Whether a scanner that knows malware checked the file. False does not mean that the file is clean."`
	VirusScanResult *string              `json:"virus_scan_result" doc:"clean, or the name of the malware that was found."`
	LastScannedAt   *time.Time           `json:"last_scanned_at"`
	ContainsPII     bool                 `json:"contains_pii"`
	RequiresConsent bool                 `json:"requires_consent"`
	Consent         *consentBody         `json:"consent" doc:"The consent in force, or null."`
	RetentionDays   *int                 `json:"retention_days" doc:"How long to keep the file, as requested; null: the default for its category. See deletion_date."`
	DeletionDate    *time.Time           `json:"deletion_date" doc:"When the file will be deleted permanently."`
	UploadedBy      uuid.UUID            `json:"uploaded_by" format:"uuid"`
	Width           *int                 `json:"width" doc:"In pixels, after rotation."`
	Height          *int                 `json:"height" doc:"In pixels, after rotation."`
	Variants        []storedfile.Variant `json:"variants" nullable:"false"`
	DownloadCount   int64                `json:"download_count"`
	LastAccessedAt  *time.Time           `json:"last_accessed_at"`
	CreatedAt       time.Time            `json:"created_at"`
	UpdatedAt       time.Time            `json:"updated_at"`
	DeletedAt       *time.Time           `json:"deleted_at"`
}

// TransformSchema lets consent be null.
func (fileBody) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return httpapi.NullableObjects(s, "consent")
}

type consentBody struct {
	GivenBy    string    `json:"given_by,omitempty" doc:"Only for staff and the person who uploaded the file."`
	Basis      string    `json:"basis,omitempty" doc:"Only for staff and the person who uploaded the file."`
	RecordedBy uuid.UUID `json:"recorded_by" format:"uuid"`
	RecordedAt time.Time `json:"recorded_at"`
}

func bodyOf(by tenant.Caller, f library.File) fileBody {
	return fileBody{
		ID: f.ID, Filename: f.Filename, OriginalName: f.OriginalFilename,
		ContentType: string(f.ContentType), Size: f.Size,
		Status: status(f.Status), Reason: reasonOf(f.Reason),
		ReasonDetail: text(f.Reason.Detail()), Category: category(f.Category),
		Title: f.Title, Description: f.Description, Tags: f.Tags, Metadata: f.Metadata,
		SHA256:       text(hex.EncodeToString(f.SHA256)),
		VirusScanned: f.VirusScanned, VirusScanResult: f.VirusScanResult,
		LastScannedAt: utc(f.LastScannedAt),
		ContainsPII:   f.ContainsPII, RequiresConsent: f.RequiresConsent, Consent: consentOf(by, f),
		RetentionDays: f.RetentionDays, DeletionDate: utc(f.DeletionDate), UploadedBy: f.UploadedBy,
		Width: f.Width, Height: f.Height, Variants: f.Variants, DownloadCount: f.DownloadCount,
		LastAccessedAt: utc(f.LastAccessedAt),
		CreatedAt:      f.CreatedAt.UTC(), UpdatedAt: f.UpdatedAt.UTC(),
		DeletedAt: utc(f.DeletedAt),
	}
}

func consentOf(by tenant.Caller, f library.File) *consentBody {
	if f.Consent == nil {
		return nil
	}
	body := &consentBody{RecordedBy: f.Consent.RecordedBy, RecordedAt: f.Consent.RecordedAt.UTC()}
	if library.CanReadConsent(by, f) {
		body.GivenBy, body.Basis = f.Consent.GivenBy, f.Consent.Basis
	}
	return body
}

// text is null for the empty string.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

type status storedfile.Status

// Schema lists the states.
func (status) Schema(huma.Registry) *huma.Schema { return enumeration(storedfile.Statuses()) }

type reason storedfile.Reason

// Schema lists the reasons, and null.
func (reason) Schema(huma.Registry) *huma.Schema {
	schema := enumeration(storedfile.Reasons())
	schema.Nullable, schema.Enum = true, append(schema.Enum, nil)
	return schema
}

func reasonOf(r storedfile.Reason) *reason { return (*reason)(text(string(r))) }

type category library.Category

// Schema lists the categories.
func (category) Schema(huma.Registry) *huma.Schema { return enumeration(library.Categories()) }

func enumeration[T ~string](values []T) *huma.Schema {
	schema := &huma.Schema{Type: huma.TypeString}
	for _, v := range values {
		schema.Enum = append(schema.Enum, string(v))
	}
	return schema
}
