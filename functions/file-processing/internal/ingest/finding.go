package ingest

import (
	"encoding/json"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/ingest/db"
	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/picture"
	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/scan"
	"github.com/toolboxai-solutions/satchel/shared/mediatype"
	"github.com/toolboxai-solutions/satchel/shared/objectkey"
	"github.com/toolboxai-solutions/satchel/shared/outbox"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
)

// finding is what was learnt about an upload. What was not looked at stays zero.
type finding struct {
	reason   storedfile.Reason
	size     int64          // bytes
	checksum []byte         // SHA-256
	mimeType mediatype.Type // by content
	scanned  *scan.Verdict  // nil: the scanner was not asked, or did not see all of it
	info     picture.Info
	pictures []picture.Variant
	fallback bool // as picture.Result has it
	lost     bool // it was to be kept in quarantine and could not be
}

func (f finding) variants() []storedfile.Variant {
	list := []storedfile.Variant{}
	for _, p := range f.pictures {
		list = append(list, storedfile.Variant{Name: p.Name,
			ContentType: p.ContentType, Size: int64(len(p.Data)), Width: p.Width, Height: p.Height})
	}
	if f.reason == "" && len(list) == 0 {
		list = append(list,
			storedfile.Variant{Name: storedfile.Original, ContentType: mediatype.Served(f.mimeType),
				Size: f.size})
	}
	return list
}

// row is the verdict as files has it.
func (f finding) row(c claim, buckets storedfile.Buckets) db.SettleFileParams {
	variants, err := json.Marshal(f.variants())
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	row := db.SettleFileParams{
		OrganizationID: c.key.Organization, ID: c.key.File, CurrentVersion: int32(c.key.Version),
		CurrentFence: c.fence,
		Status:       string(f.reason.Status()), StatusReason: present(string(f.reason)),
		Variants: variants,
		FileSize: present(f.size), Checksum: f.checksum, MimeType: present(string(f.mimeType)),
		Width: present(int32(f.info.Width)), Height: present(int32(f.info.Height)),
	}
	row.BucketName, row.StoragePath = f.place(c, buckets)
	if f.reason == "" {
		row.QuotaBytes = f.size
	}
	row.KeptSeconds = present(f.reason.KeptFor().Seconds())
	if f.scanned != nil {
		row.VirusScanResult, row.VirusScanEngine = scanResult(*f.scanned), &f.scanned.Engine
	}
	return row
}

// scanResult is files.virus_scan_result. A scanner that knows no malware but a test file has not
// scanned what it finds nothing in.
func scanResult(v scan.Verdict) *string {
	switch {
	case v.Infected:
		return &v.Signature
	case v.KnowsMalware():
		return new("clean")
	}
	return nil
}

// place is where the original is after the verdict; what is deleted keeps the place where it was.
func (f finding) place(c claim, buckets storedfile.Buckets) (bucket, path string) {
	switch {
	case f.reason == "":
		return buckets.Files, c.originalKey()
	case f.reason.Kept() && !f.lost:
		return buckets.Quarantine, c.keptKey(f.reason)
	}
	return c.source(buckets)
}

// source is where the upload is.
func (c claim) source(buckets storedfile.Buckets) (bucket, key string) {
	if c.held != "" {
		return buckets.Quarantine, c.held
	}
	return buckets.Incoming, incomingKey(c.key)
}

func (c claim) originalKey() string {
	return objectkey.Original(c.key.Organization, c.key.File, c.key.Version, c.fence)
}

// keptKey is where the bytes of a file that was not accepted are kept.
func (c claim) keptKey(reason storedfile.Reason) string {
	if reason == storedfile.Infected {
		return objectkey.Quarantine(c.key.Organization, c.key.File, c.key.Version, c.fence)
	}
	return objectkey.Held(c.key.Organization, c.key.File, c.key.Version, c.fence)
}

// details is what the file's access log says of a verdict.
func (f finding) details(c claim) map[string]any {
	details := map[string]any{"status": f.reason.Status(), "attempt": c.attempt,
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

func (f finding) event(key objectkey.Key, uploader uuid.UUID) outbox.Notification {
	return storedfile.Verdict{Version: key.Version, Reason: f.reason, Size: f.size,
		Width: f.info.Width, Height: f.info.Height}.Notification(key.File, uploader)
}

// present is nil for a zero value, which the database has as NULL.
func present[T comparable](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}
