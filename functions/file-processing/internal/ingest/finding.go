package ingest

import (
	"encoding/json"

	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/ingest/db"
	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/picture"
	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/scan"
	"github.com/toolboxai-solutions/satchel/shared/mediatype"
	"github.com/toolboxai-solutions/satchel/shared/objectkey"
)

// finding is what was learnt about an upload. What was not looked at stays zero.
type finding struct {
	reason   Reason
	size     int64          // bytes
	checksum []byte         // SHA-256
	mimeType mediatype.Type // by content
	scanned  *scan.Verdict  // nil: the scanner was not asked, or did not see all of it
	info     picture.Info
	pictures []picture.Variant
	fallback bool // as picture.Result has it
	lost     bool // it was to be kept in quarantine and could not be
}

// variant is an element of files.variants. Its key follows from its name: objectkey.Original for
// the original, objectkey.Variant otherwise.
type variant struct {
	Name        string         `json:"name"`
	ContentType mediatype.Type `json:"content_type"`
	Size        int64          `json:"size"`
	Width       int            `json:"width,omitempty"`
	Height      int            `json:"height,omitempty"`
}

// original is the variant of a file that is no picture: itself. Of a picture it is never handed
// out, since it was not cleaned.
const original = "original"

func (f finding) variants() []variant {
	list := []variant{}
	for _, p := range f.pictures {
		list = append(list, variant{p.Name, p.ContentType, int64(len(p.Data)), p.Width, p.Height})
	}
	if f.reason == "" && len(list) == 0 {
		list = append(list,
			variant{Name: original, ContentType: mediatype.Served(f.mimeType), Size: f.size})
	}
	return list
}

// row is the verdict as files has it.
func (f finding) row(c claim, config Config) db.SettleFileParams {
	variants, err := json.Marshal(f.variants())
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	row := db.SettleFileParams{
		OrganizationID: c.key.Organization, ID: c.key.File, CurrentVersion: int32(c.key.Version),
		Status: string(f.reason.status()), StatusReason: present(string(f.reason)),
		Variants: variants,
		FileSize: present(f.size), Checksum: f.checksum, MimeType: present(string(f.mimeType)),
		Width: present(int32(f.info.Width)), Height: present(int32(f.info.Height)),
	}
	row.BucketName, row.StoragePath = f.place(c.key, config)
	if f.reason == "" {
		row.QuotaBytes = f.size
	}
	if f.scanned != nil {
		result := clean
		if f.scanned.Infected {
			result = f.scanned.Signature
		}
		row.VirusScanResult, row.VirusScanEngine = &result, &f.scanned.Engine
	}
	return row
}

// clean is files.virus_scan_result of what was scanned and held nothing.
const clean = "clean"

// place is where the original is after the verdict; what is deleted keeps the place where it was.
func (f finding) place(key objectkey.Key, config Config) (bucket, path string) {
	switch {
	case f.reason == "":
		return config.Files, objectkey.Original(key.Organization, key.File, key.Version)
	case f.reason.kept() && !f.lost:
		return config.Quarantine, objectkey.Quarantine(key.Organization, key.File, key.Version)
	}
	return config.Incoming, incomingKey(key)
}

// details is what the file's access log says of a verdict.
func (f finding) details(c claim) map[string]any {
	details := map[string]any{"status": f.reason.status(), "attempt": c.attempt,
		"version": c.key.Version}
	if f.reason != "" {
		details["reason"] = f.reason
	}
	if f.size > 0 {
		details["size"] = f.size
	}
	if f.mimeType != "" {
		details["mime_type"] = f.mimeType
	}
	return details
}

func (f finding) topic() string {
	if f.reason == "" {
		return "file.available"
	}
	return "file.rejected"
}

// news is what a notification carries: ids, states and numbers, because it may travel through a
// third party.
func (f finding) news(c claim) any {
	return struct {
		FileID  string `json:"file_id"`
		Version int    `json:"version"`
		Status  Status `json:"status"`
		Reason  Reason `json:"reason,omitempty"`
		Size    int64  `json:"size,omitempty"`
		Width   int    `json:"width,omitempty"`
		Height  int    `json:"height,omitempty"`
	}{c.key.File.String(), c.key.Version, f.reason.status(), f.reason, f.size, f.info.Width,
		f.info.Height}
}

// present is nil for a zero value, which the database has as NULL.
func present[T comparable](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}
