package storedfile

import (
	"maps"
	"slices"
	"time"
)

// Reason is why a file was not accepted: a value of files.status_reason. The zero value is no
// reason: the file is accepted.
type Reason string

// The reasons, in the order in which processing looks for them. Maintenance gives the last two, and
// ObjectMissing as well.
const (
	ObjectMissing      Reason = "object_missing"       // the object was there, and is gone
	EmptyFile          Reason = "empty_file"           // no bytes
	TooLarge           Reason = "too_large"            // over MAX_FILE_SIZE
	SizeMismatch       Reason = "size_mismatch"        // not the size that was declared
	ChecksumMismatch   Reason = "checksum_mismatch"    // not the SHA-256 that was declared
	Infected           Reason = "infected"             // the scanner found malware
	Encrypted          Reason = "encrypted"            // the scanner cannot look inside
	ScanLimitsExceeded Reason = "scan_limits_exceeded" // the scanner would not scan all of it
	TypeMismatch       Reason = "type_mismatch"        // the content contradicts its type or name
	TypeNotAllowed     Reason = "type_not_allowed"     // not covered by ALLOWED_MIME_TYPES
	UnsupportedImage   Reason = "unsupported_image"    // an image that cannot be cleaned
	CorruptImage       Reason = "corrupt_image"        // an image that does not decode
	TooManyPixels      Reason = "too_many_pixels"      // an image that would not fit into memory
	ScannerUnavailable Reason = "scanner_unavailable"  // no answer from the scanner in any attempt
	TooManyAttempts    Reason = "too_many_attempts"    // it ended every worker that tried it
	// something that processing needs was unavailable for days
	ProcessingUnavailable Reason = "processing_unavailable"
	// the organization was suspended after the form was signed
	OrganizationSuspended Reason = "organization_suspended"
	UploadExpired         Reason = "upload_expired" // nothing arrived before the form expired
)

// RejectedTime is how long a file that was not accepted is kept, so that its uploader learns why;
// QuarantinedTime how long its bytes are kept for somebody to look at.
const (
	RejectedTime    = 7 * 24 * time.Hour
	QuarantinedTime = 30 * 24 * time.Hour
)

// KeptFor is how long a file with this reason is kept; 0 means as long as its category says.
func (r Reason) KeptFor() time.Duration {
	switch {
	case r == "":
		return 0
	case r.Kept():
		return QuarantinedTime
	}
	return RejectedTime
}

// Reasons returns every reason, sorted.
func Reasons() []Reason { return slices.Sorted(maps.Keys(details())) }

// Status is where a file with this reason ends.
func (r Reason) Status() Status {
	switch r {
	case "":
		return Available
	case Infected:
		return Quarantined
	}
	return Failed
}

// Kept reports whether the bytes are kept in quarantine for somebody to look at. What is merely
// wrong is deleted: whoever uploaded it still has it.
func (r Reason) Kept() bool {
	return r == Infected || r.Redrivable()
}

// Redrivable reports whether the file ended without a verdict on its content, so that it may be
// processed again once the cause is repaired.
func (r Reason) Redrivable() bool {
	return r == ScannerUnavailable || r == TooManyAttempts || r == ProcessingUnavailable
}

// Detail tells whoever uploaded the file what happened and what to do. It is empty for no reason.
func (r Reason) Detail() string { return details()[r] }

func details() map[Reason]string {
	return map[Reason]string{
		ObjectMissing: "The uploaded content is no longer in storage. Upload the file again.",
		EmptyFile:     "The uploaded file is empty. Check the file and upload it again.",
		TooLarge:      "The uploaded file is larger than the limit. Upload a smaller one.",
		SizeMismatch: "The uploaded file is not the size that was declared. Declare the actual " +
			"size and upload it again.",
		ChecksumMismatch: "The uploaded content does not match the declared SHA-256: it was " +
			"changed on the way, or another file was sent. Upload it again.",
		Infected: "Malware was found in this file. It has been locked away and cannot be " +
			"downloaded. Scan the device it came from.",
		Encrypted: "The file is encrypted, so it cannot be scanned. Upload it without a password.",
		ScanLimitsExceeded: "The file is too large or too deeply nested to be scanned " +
			"completely. Split it into smaller files.",
		TypeMismatch: "The content is not of the type that its name or content_type says. " +
			"Correct the type and upload it again.",
		TypeNotAllowed: "This type of content is not accepted. Convert it to an accepted type.",
		UnsupportedImage: "This image format cannot be cleaned of hidden data, so it is not " +
			"accepted. Open it and save it as an ordinary JPEG, PNG, GIF or WebP.",
		CorruptImage: "The image is damaged or incomplete. Open it, save it again and upload it.",
		TooManyPixels: "The image has too many pixels or frames. Make it smaller and upload it " +
			"again.",
		ScannerUnavailable: "The virus scanner could not be reached, so the file was not " +
			"accepted. Upload it again later.",
		TooManyAttempts: "The file could not be processed after several attempts. Upload it " +
			"again, and ask for help if it fails again.",
		ProcessingUnavailable: "The file could not be processed for days, for a reason on our " +
			"side. " +
			"It is kept. Ask for help, or upload it again.",
		OrganizationSuspended: "Your organization was suspended before the upload was processed. " +
			"Ask one of its admins, and upload the file again later.",
		UploadExpired: "The upload did not arrive in time, so its reserved space was released. " +
			"Start the upload again.",
	}
}
