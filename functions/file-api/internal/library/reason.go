package library

// Reason is why a file is in error or quarantined. Processing sets most of them, maintenance
// ObjectMissing and UploadExpired.
type Reason string

// The reasons.
const (
	EmptyFile          Reason = "empty_file"
	SizeMismatch       Reason = "size_mismatch"
	TooLarge           Reason = "too_large"
	ChecksumMismatch   Reason = "checksum_mismatch"
	TypeMismatch       Reason = "type_mismatch"
	TypeNotAllowed     Reason = "type_not_allowed"
	UnsupportedImage   Reason = "unsupported_image"
	CorruptImage       Reason = "corrupt_image"
	TooManyPixels      Reason = "too_many_pixels"
	Infected           Reason = "infected"
	Encrypted          Reason = "encrypted"
	ScanLimitsExceeded Reason = "scan_limits_exceeded"
	ScannerUnavailable Reason = "scanner_unavailable"
	TooManyAttempts    Reason = "too_many_attempts"
	ObjectMissing      Reason = "object_missing"
	UploadExpired      Reason = "upload_expired"
)

// Detail is a sentence for the person who uploaded the file: what happened and what to do. It is
// empty when there is no reason.
func (r Reason) Detail() string {
	switch r {
	case "":
		return ""
	case EmptyFile:
		return "The uploaded file is empty. Check the file and upload it again."
	case SizeMismatch:
		return "The uploaded file does not have the size that was declared. Declare the " +
			"size of the file itself and upload it again."
	case TooLarge:
		return "The uploaded file is larger than the limit. Upload a smaller one."
	case ChecksumMismatch:
		return "The uploaded bytes do not have the declared SHA-256: they changed on the " +
			"way, or another file was sent. Upload it again."
	case TypeMismatch:
		return "The content is of another type than its name or its declared type says. " +
			"Declare what it really is and upload it again."
	case TypeNotAllowed:
		return "The content is of a type that is not accepted here. Convert it to an accepted type."
	case UnsupportedImage:
		return "This image format cannot be cleaned of hidden data, so it is not accepted. " +
			"Convert it to JPEG, PNG, GIF or WebP."
	case CorruptImage:
		return "The image is damaged or cut off. Open and save it again, then upload it."
	case TooManyPixels:
		return "The image has too many pixels or frames. Make it smaller and upload it again."
	case Infected:
		return "Malware was found in the file. It was locked away and cannot be downloaded; " +
			"scan the device that it came from."
	case Encrypted:
		return "The file is encrypted, so it cannot be scanned. Upload it without a password."
	case ScanLimitsExceeded:
		return "The file is too large or nested too deep to be scanned whole. Split it " +
			"into smaller parts."
	case ScannerUnavailable:
		return "The virus scanner could not be reached, so the file was not accepted. " +
			"Upload it again later."
	case TooManyAttempts:
		return "The file could not be processed after several attempts. Upload it again, " +
			"and ask for help if it fails again."
	case ObjectMissing:
		return "The uploaded bytes are gone from the store. Upload the file again."
	case UploadExpired:
		return "The upload did not arrive in time and the reserved room was given back. " +
			"Start the upload again."
	default:
		return "The file was not accepted. Upload it again, and ask for help if it fails again."
	}
}
