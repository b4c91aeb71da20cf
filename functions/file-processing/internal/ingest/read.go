package ingest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"

	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/scan"
	"github.com/toolboxai-solutions/satchel/shared/fault"
)

// reading is what one pass over an upload's bytes gives.
type reading struct {
	checksum []byte // SHA-256
	verdict  scan.Verdict
	scanErr  error // why there is no verdict
}

// readOnce reads the upload to its end and feeds copy, the checksum and the scanner from the same
// stream, so that all of them saw the same bytes. A scanner that breaks off ends only its own part.
// The error says that the bytes did not all arrive, or could not be kept.
func readOnce(ctx context.Context, body io.Reader, size int64, copy io.Writer,
	scanner *scan.Client) (reading, error) {
	digest := sha256.New()
	source := &counted{from: io.TeeReader(body, io.MultiWriter(copy, digest))}
	var r reading
	if scanner != nil {
		scanning, cancel := context.WithTimeout(ctx, scanTime)
		r.verdict, r.scanErr = scanner.Scan(scanning, source)
		cancel()
	}
	_, _ = io.Copy(io.Discard, source) // what the scanner left; source has the error
	if source.err != nil || source.n != size {
		return reading{},
			fault.Wrap(fmt.Errorf("read %d of %d bytes: %w", source.n, size, orShort(source.err)),
				fault.Temporary, "upload-unreadable", "The upload could not be read to its end.")
	}
	r.checksum = digest.Sum(nil)
	return r, nil
}

// counted remembers what its readers may forget: how much there was, and how it ended.
type counted struct {
	from io.Reader
	n    int64
	err  error
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.n += int64(n)
	if err != nil && err != io.EOF && c.err == nil {
		c.err = err
	}
	return n, err
}

func orShort(err error) error {
	if err == nil {
		return io.ErrUnexpectedEOF
	}
	return err
}
