package jpeg

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Job says what Transform makes.
type Job struct {
	Orientation int   // of the stored picture, as in Exif: 1 to 8; the outputs are upright
	Quality     int   // of all outputs, 1 to 100 on the scale of the Independent JPEG Group
	Fits        []int // longer sides of the thumbnails in samples, none longer than the one before
	Memory      int64 // bytes that may be allocated

	Profile    []byte // ICC profile to write into the full size, nil for none
	FitProfile []byte // and into thumbnails
}

// Picture is an output.
type Picture struct {
	Width, Height int
	Data          []byte
}

// Result is what Transform made. Lossless says that the full size has the source's coefficients
// unchanged, because coarser ones would save little.
type Result struct {
	Full     Picture
	Fits     []Picture
	Lossless bool
}

// Transform makes the full size and the thumbnails. It refuses a picture of which any part is
// missing: an MCU, a restart interval, or, where the file does not end with EOI, a bit of a
// coefficient.
func (f *File) Transform(ctx context.Context, job Job) (Result, error) {
	if err := f.Supported(); err != nil {
		return Result{}, err
	}
	if err := f.Plausible(); err != nil {
		return Result{}, err
	}
	p, err := f.decode(ctx, job)
	if err != nil {
		return Result{}, err
	}
	done := make(chan error, 1)
	var result Result
	go func() {
		var err error
		defer func() {
			// nobody else can recover what a goroutine panics with
			if cause := recover(); cause != nil {
				err = fmt.Errorf("%w: thumbnails panicked: %v", ErrCorrupt, cause)
			}
			done <- err
		}()
		result.Fits, err = p.thumbnails(ctx)
	}()
	result.Full, err = p.full()
	if failed := <-done; failed != nil {
		return Result{}, failed
	}
	if err != nil {
		return Result{}, err
	}
	result.Lossless = p.unchanged()
	if p.turn.upright() && f.coded() < len(result.Full.Data) {
		// A progressive source of low quality is smaller than all of it in one scan.
		if own := f.rewrite(job.Profile); len(own) < len(result.Full.Data) {
			result.Full.Data, result.Lossless = own, true
		}
	}
	return result, nil
}

// decode reads all blocks to where the outputs are made from. Whether chrominance is halved, which
// decides on that, shows on the way: a drawing of baseline is read again from the start.
func (f *File) decode(ctx context.Context, job Job) (*plan, error) {
	p, err := f.plan(job, false)
	if err != nil {
		return nil, err
	}
	read := f.sequential
	if f.Progressive {
		coefficients, err := f.progressive(ctx)
		if err != nil {
			return nil, err
		}
		read = coefficients.handOn
	}
	err = read(ctx, p.channels)
	if errors.Is(err, errDetailed) {
		if p, err = f.plan(job, true); err == nil {
			err = read(ctx, p.channels)
		}
	}
	return p, err
}

// Supported refuses colours other than grey and YCbCr: T.871, and how libjpeg guesses what has no
// marker.
func (f *File) Supported() error {
	if len(f.Components) == 4 {
		return fmt.Errorf("%w: four components", ErrUnsupported)
	}
	if len(f.Components) == 3 && !f.jfif {
		ids := []byte{f.Components[0].ID, f.Components[1].ID, f.Components[2].ID}
		if f.Adobe == 0 || f.Adobe < 0 && slices.Equal(ids, []byte("RGB")) {
			return fmt.Errorf("%w: red, green and blue components", ErrUnsupported)
		}
	}
	return nil
}

// coded is the length of all entropy-coded data.
func (f *File) coded() int {
	n := 0
	for i := range f.scans {
		n += f.scans[i].end - f.scans[i].start
	}
	return n
}
