package ingest

import (
	"bytes"
	"context"
	"errors"

	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/picture"
	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/scan"
	"github.com/toolboxai-solutions/satchel/shared/fault"
)

// Status is where a file ends: values of files.status.
type Status string

// The three ends.
const (
	Available   Status = "available"
	Quarantined Status = "quarantined"
	Rejected    Status = "error"
)

// Reason says why a file was not accepted: values of files.status_reason. The zero value is no
// reason, so the file is accepted.
type Reason string

// The reasons, in the order in which they are looked for.
const (
	// reserved and announced, but the object is gone
	ObjectMissing      Reason = "object_missing"
	EmptyFile          Reason = "empty_file"           // no bytes
	TooLarge           Reason = "too_large"            // over MAX_FILE_SIZE
	SizeMismatch       Reason = "size_mismatch"        // not the size that was reserved
	ChecksumMismatch   Reason = "checksum_mismatch"    // not the SHA-256 that was declared
	Infected           Reason = "infected"             // the scanner found malware
	Encrypted          Reason = "encrypted"            // the scanner cannot look inside
	ScanLimitsExceeded Reason = "scan_limits_exceeded" // the scanner would not look at all of it
	// the content is not what it is declared or named as
	TypeMismatch Reason = "type_mismatch"
	// a true type that ALLOWED_MIME_TYPES does not have
	TypeNotAllowed     Reason = "type_not_allowed"
	UnsupportedImage   Reason = "unsupported_image"   // a picture that could not be cleaned
	CorruptImage       Reason = "corrupt_image"       // a picture that does not decode
	TooManyPixels      Reason = "too_many_pixels"     // a picture that would not fit into memory
	ScannerUnavailable Reason = "scanner_unavailable" // no answer of the scanner in any attempt
	TooManyAttempts    Reason = "too_many_attempts"   // every attempt ended without a verdict
)

// status is where a file with this reason ends.
func (r Reason) status() Status {
	switch r {
	case "":
		return Available
	case Infected:
		return Quarantined
	}
	return Rejected
}

// kept reports whether the bytes stay, in quarantine, for somebody to look at. What is merely wrong
// is deleted: its uploader has it.
func (r Reason) kept() bool {
	return r == Infected || r == ScannerUnavailable || r == TooManyAttempts
}

// judgeSize compares what came with what was announced and allowed.
func judgeSize(size, reserved, limit int64) Reason {
	switch {
	case size == 0:
		return EmptyFile
	case size > limit:
		return TooLarge
	case size != reserved:
		return SizeMismatch
	}
	return ""
}

// judgeChecksum compares with the declared SHA-256; without one, whatever came is what was meant.
func judgeChecksum(actual, declared []byte) Reason {
	if declared != nil && !bytes.Equal(actual, declared) {
		return ChecksumMismatch
	}
	return ""
}

// judgeScan turns the scanner's answer into a reason. Any error that is no statement about the
// content is handed back, because then nothing is known about it.
func judgeScan(verdict scan.Verdict, err error) (Reason, error) {
	switch {
	case errors.Is(err, scan.ErrEncrypted):
		return Encrypted, nil
	case errors.Is(err, scan.ErrLimitsExceeded):
		return ScanLimitsExceeded, nil
	case errors.Is(err, scan.ErrUnavailable):
		return "", fault.Wrap(err, fault.Temporary, "scanner-unavailable",
			"The virus scanner gave no answer.")
	case err != nil:
		return "", err
	case verdict.Infected:
		return Infected, nil
	}
	return "", nil
}

// judgePicture does the same for the refusals of package picture.
func judgePicture(err error) (Reason, error) {
	switch {
	case errors.Is(err, picture.ErrTooManyPixels):
		return TooManyPixels, nil
	case errors.Is(err, picture.ErrUnsupported):
		return UnsupportedImage, nil
	case errors.Is(err, picture.ErrCorrupt):
		return CorruptImage, nil
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled):
		return "", fault.Wrap(err, fault.Temporary, "out-of-time",
			"The picture was not done in time.")
	}
	return "", err
}
