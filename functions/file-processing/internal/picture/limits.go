package picture

import "fmt"

// Limits bounds the work that one picture may cause. They are checked on what its structure claims,
// before pixels are allocated. A zero field stands for its default.
type Limits struct {
	// Pixels is the most that width × height × frames may be. The default of 100 million is below
	// the 268 million at which sharp refuses (0x3FFF²), because a Lambda of 1.5 to 2 GB has to hold
	// the result, and above every phone camera's usual mode (12 to 50 million).
	Pixels int64
	// Memory is the most bytes that decoding and turning the picture may hold at once, as estimated
	// from its format: a progressive JPEG takes several times a baseline one's. The default is 512
	// MiB.
	Memory int64
	// Frames is the most images in an animation. The default is 1000.
	Frames int
	// Scans is the most scans in a progressive JPEG; each costs a pass over all coefficients.
	// Encoders write about 10; the default is 64.
	Scans int
}

func (l Limits) withDefaults() Limits {
	if l.Pixels == 0 {
		l.Pixels = 100_000_000
	}
	if l.Memory == 0 {
		l.Memory = 512 << 20
	}
	if l.Frames == 0 {
		l.Frames = 1000
	}
	if l.Scans == 0 {
		l.Scans = 64
	}
	return l
}

// canvas checks the dimensions of a picture's frames.
func (l Limits) canvas(width, height, frames int) error {
	if width < 1 || height < 1 {
		return fmt.Errorf("%w: %d × %d pixels", ErrCorrupt, width, height)
	}
	if frames > l.Frames {
		return fmt.Errorf("%w: more than %d frames", ErrTooManyPixels, l.Frames)
	}
	if int64(width) > l.Pixels/int64(height)/int64(max(frames, 1)) {
		return fmt.Errorf(
			"%w: %d × %d × %d frames, at most %d",
			ErrTooManyPixels,
			width,
			height,
			frames,
			l.Pixels,
		)
	}
	return nil
}

// memory checks an estimate of bytes per pixel for dimensions that canvas let pass.
func (l Limits) memory(width, height, bytesPerPixel int) error {
	return l.bytes(width, height, int64(width)*int64(height)*int64(bytesPerPixel))
}

// bytes checks an estimate for the whole picture.
func (l Limits) bytes(width, height int, need int64) error {
	if need > l.Memory {
		return fmt.Errorf(
			"%w: %d × %d would take %d MiB, at most %d",
			ErrTooManyPixels,
			width,
			height,
			need>>20,
			l.Memory>>20,
		)
	}
	return nil
}
