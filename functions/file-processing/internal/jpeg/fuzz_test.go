package jpeg_test

import (
	"bytes"
	"errors"
	"image"
	stdjpeg "image/jpeg"
	"testing"

	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/jpeg"
)

func seed(f *testing.F) {
	for _, name := range all(f) {
		f.Add(testdata(f, name), byte(1))
		f.Add(testdata(f, name), byte(6))
	}
}

func classified(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, jpeg.ErrCorrupt) && !errors.Is(err, jpeg.ErrUnsupported) &&
		!errors.Is(err, jpeg.ErrTooLarge) {
		t.Fatalf("an error of no kind: %v", err)
	}
	if bytes.Contains([]byte(err.Error()), []byte("panicked")) {
		t.Fatal(err)
	}
}

// Whatever goes in: no panic, and what comes out is a JPEG of that size which stays as it is the
// next time.
func FuzzTransform(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, source []byte, orientation byte) {
		file, err := jpeg.Read(source, 16)
		if err != nil {
			classified(t, err)
			return
		}
		if file.Width*file.Height > 1<<15 {
			return
		}
		result, err := file.Transform(
			t.Context(),
			jpeg.Job{
				Orientation: int(orientation),
				Quality:     80,
				Fits:        []int{64, 16},
				Memory:      8 << 20,
			},
		)
		if err != nil {
			classified(t, err)
			return
		}
		for _, output := range append(result.Fits, result.Full) {
			config, err := stdjpeg.DecodeConfig(bytes.NewReader(output.Data))
			// An upright picture that would grow keeps a sampling that the standard library lacks.
			unusual := stdjpeg.UnsupportedError("")
			if result.Lossless && errors.As(err, &unusual) {
				_, came := stdjpeg.DecodeConfig(bytes.NewReader(source))
				if errors.As(came, &unusual) {
					continue
				}
			}
			if err != nil || config.Width != output.Width || config.Height != output.Height {
				t.Fatalf(
					"%d × %d, said to be %d × %d: %v",
					config.Width,
					config.Height,
					output.Width,
					output.Height,
					err,
				)
			}
			again, err := jpeg.Read(output.Data, 16)
			if err != nil {
				t.Fatalf("what was written is refused: %v", err)
			}
			if _, err := again.Transform(t.Context(),
				jpeg.Job{Orientation: 1, Quality: 80, Memory: 8 << 20}); err != nil {
				t.Fatalf("what was written is refused: %v", err)
			}
		}
		if (orientation < 2 || orientation > 8) &&
			len(result.Full.Data) > len(source)+len("\xff\xd9")+18 {
			t.Fatalf("grew from %d to %d bytes", len(source), len(result.Full.Data))
		}
	})
}

// Where the standard library decodes a picture and no step may change, it decodes the output to the
// same.
func FuzzSamePicture(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, source []byte, _ byte) {
		file, err := jpeg.Read(source, 16)
		if err != nil || file.Width*file.Height > 1<<12 {
			return
		}
		result, err := file.Transform(
			t.Context(),
			jpeg.Job{Orientation: 1, Quality: 100, Memory: 8 << 20},
		)
		if err != nil || !result.Lossless {
			return
		}
		want, err := stdjpeg.Decode(bytes.NewReader(source))
		if err != nil {
			return
		}
		got, err := stdjpeg.Decode(bytes.NewReader(result.Full.Data))
		if err != nil {
			t.Fatal(err)
		}
		a, aOK := want.(*image.YCbCr)
		b, bOK := got.(*image.YCbCr)
		if aOK && bOK && (a.Rect != b.Rect || a.SubsampleRatio != b.SubsampleRatio) {
			t.Fatalf("%v %v became %v %v", a.Rect, a.SubsampleRatio, b.Rect, b.SubsampleRatio)
		}
	})
}
