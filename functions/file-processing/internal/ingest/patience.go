package ingest

import (
	"context"
	"errors"
	"io"
	"time"
)

// Each thing that processing needs has a time of its own, well below the function's (120 s in
// template.yaml). So one that hangs shows as its own fault, and not as a file that takes too long.
const (
	// databaseTime is for one transaction, connecting included.
	databaseTime = 25 * time.Second
	// storageTime is for one request to the object store; while a body is read, for one silence.
	storageTime = 20 * time.Second
	// scanTime is for the scanner's verdict, the content on its way to it included.
	scanTime = 50 * time.Second
	// pictureTime is the file's own: who needs longer has used up an attempt.
	pictureTime = 45 * time.Second
)

var errTooSlow = errors.New("the file took longer than one may")

// watched is a context that ends when a read has waited for storageTime.
type watched struct {
	ctx    context.Context
	cancel context.CancelFunc
	timer  *time.Timer
}

func watch(ctx context.Context) watched {
	ctx, cancel := context.WithCancel(ctx)
	return watched{ctx, cancel, time.AfterFunc(storageTime, cancel)}
}

// watchedBody counts only the time in which it is being read: whoever reads may take their time.
type watchedBody struct {
	io.ReadCloser
	watched
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.timer.Reset(storageTime)
	defer b.timer.Stop()
	return b.ReadCloser.Read(p)
}

func (b *watchedBody) Close() error {
	b.timer.Stop()
	defer b.cancel()
	return b.ReadCloser.Close()
}
