package ingest

import (
	"bytes"
	"context"
	"errors"

	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/picture"
	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/scan"
	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
)

// judgeSize compares what came with what was announced and allowed.
func judgeSize(size, reserved, limit int64) storedfile.Reason {
	switch {
	case size == 0:
		return storedfile.EmptyFile
	case size > limit:
		return storedfile.TooLarge
	case size != reserved:
		return storedfile.SizeMismatch
	}
	return ""
}

// judgeChecksum compares with the declared SHA-256; without one, whatever came is what was meant.
func judgeChecksum(actual, declared []byte) storedfile.Reason {
	if declared != nil && !bytes.Equal(actual, declared) {
		return storedfile.ChecksumMismatch
	}
	return ""
}

// judgeScan turns the scanner's answer into a reason. Any error that is no statement about the
// content is handed back, because then nothing is known about it.
func judgeScan(verdict scan.Verdict, err error) (storedfile.Reason, error) {
	switch {
	case errors.Is(err, scan.ErrEncrypted):
		return storedfile.Encrypted, nil
	case errors.Is(err, scan.ErrLimitsExceeded):
		return storedfile.ScanLimitsExceeded, nil
	case errors.Is(err, scan.ErrUnavailable):
		return "", fault.Wrap(err, fault.Temporary, "scanner-unavailable",
			"The virus scanner gave no answer.")
	case err != nil:
		return "", err
	case verdict.Infected:
		return storedfile.Infected, nil
	}
	return "", nil
}

// judgePicture does the same for the refusals of package picture.
func judgePicture(err error) (storedfile.Reason, error) {
	switch {
	case errors.Is(err, picture.ErrTooManyPixels):
		return storedfile.TooManyPixels, nil
	case errors.Is(err, picture.ErrUnsupported):
		return storedfile.UnsupportedImage, nil
	case errors.Is(err, picture.ErrCorrupt):
		return storedfile.CorruptImage, nil
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled):
		return "", fault.Wrap(err, fault.Temporary, "out-of-time",
			"The picture was not done in time.")
	}
	return "", err
}
