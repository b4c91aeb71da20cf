package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/picture"
	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/sniff"
	"github.com/toolboxai-solutions/satchel/shared/mediatype"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
)

// spoolPattern names the temporary files that uploads are read into.
const spoolPattern = "upload-*"

// makeSpool opens a temporary file that has no name any more, so that it goes with the process
// however that ends: Lambda does not clear /tmp when it starts a killed worker again, and what
// killed workers left would fill it.
func makeSpool() (*os.File, error) {
	spool, err := os.CreateTemp("", spoolPattern)
	if err != nil {
		return nil, err
	}
	return spool, os.Remove(spool.Name())
}

// examine finds out what an upload is. The checks go from the cheap to the dear and stop at the
// first that fails; nothing is decoded that was not scanned where scanning is on. An error means
// that nothing was found out.
func (p *Processor) examine(ctx context.Context, c claim) (finding, error) {
	object, err := p.openUpload(ctx, c)
	if errors.Is(err, errGone) {
		return finding{reason: storedfile.ObjectMissing}, nil
	}
	if err != nil {
		return finding{}, err
	}
	defer object.Body.Close()
	size := aws.ToInt64(object.ContentLength)
	if reason := judgeSize(size, c.reserved, p.Config.MaxFileSize); reason != "" {
		return finding{reason: reason, size: size}, nil
	}
	spool, err := makeSpool()
	if err != nil {
		return finding{}, fmt.Errorf("make a temporary file: %w", err)
	}
	defer spool.Close()
	read, err := readOnce(ctx, object.Body, size, spool, p.Scanner)
	if err != nil {
		return finding{}, err
	}
	return p.judge(ctx, c, spool, finding{size: size, checksum: read.checksum}, read)
}

// judge goes on with an upload that has the right size and lies in spool.
func (p *Processor) judge(ctx context.Context, c claim, spool *os.File, f finding,
	read reading) (finding, error) {
	if f.reason = judgeChecksum(read.checksum, c.checksum); f.reason != "" {
		return f, nil
	}
	var err error
	if f.reason, err = judgeScan(read.verdict, read.scanErr); err != nil {
		return f, err
	}
	if p.Scanner != nil && read.scanErr == nil {
		f.scanned = &read.verdict
	}
	if f.reason != "" {
		return f, nil
	}
	return p.judgeContent(ctx, c, spool, f)
}

// judgeContent looks at the type, and makes the pictures of a picture.
func (p *Processor) judgeContent(ctx context.Context, c claim, spool *os.File,
	f finding) (finding, error) {
	head := make([]byte, sniff.Head)
	n, err := spool.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return f, fmt.Errorf("read back the upload: %w", err)
	}
	f.mimeType, f.reason = sniff.Identify(head[:n], c.declaredType, c.filename, p.Config.Allowed)
	if f.reason != "" || !mediatype.IsPicture(f.mimeType) {
		return f, nil
	}
	source := make([]byte, f.size)
	if _, err := spool.ReadAt(source, 0); err != nil {
		return f, fmt.Errorf("read back the upload: %w", err)
	}
	own, cancel := context.WithTimeout(ctx, pictureTime)
	defer cancel()
	made, err := picture.Process(own, source, picture.Options{Thumbnail: p.Config.ThumbnailSize})
	if err != nil {
		if own.Err() != nil && ctx.Err() == nil {
			err = errors.Join(err, errTooSlow)
		}
		f.reason, err = judgePicture(err)
		return f, err
	}
	f.info, f.pictures, f.fallback = made.Info, made.Variants, made.Fallback
	return f, nil
}
