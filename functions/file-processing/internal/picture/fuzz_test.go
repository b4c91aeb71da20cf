package picture_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"testing"

	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/picture"
)

// small keeps a fuzzing run to pictures that take microseconds.
var small = picture.Limits{Pixels: 1 << 14, Memory: 1 << 20, Frames: 8, Scans: 16}

func seed(f *testing.F) {
	for _, name := range []string{"progressive.jpg", "ycck.jpg", "lossless.webp", "alpha.webp",
		"animated.webp"} {
		f.Add(testdata(f, name))
	}
	f.Add(jpegOf(f, textured(17, 9), 50))
	f.Add(
		afterSOI(
			jpegOf(f, textured(17, 9), 90),
			exifSegment(7),
			profileSegments(profile(600, "RGB ")),
		),
	)
	f.Add(pngOf(f, textured(17, 9)))
	f.Add(
		afterIHDR(
			pngOf(f, quarters(9, 17)),
			chunk("eXIf", exif(binary.LittleEndian, 5)),
			chunk("gAMA", []byte{0, 1, 0, 0}),
		),
	)
	f.Add(withGIFSecrets(animation(f)))
	f.Add(bomb(30_000, nil))
	f.Add([]byte("\xff\xd8\xff\xd9")) // JPEG without a frame
}

func classified(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, picture.ErrCorrupt) && !errors.Is(err, picture.ErrUnsupported) &&
		!errors.Is(err, picture.ErrTooManyPixels) {
		t.Fatalf("an error of no kind: %v", err)
	}
	if bytes.Contains([]byte(err.Error()), []byte("panicked")) {
		t.Fatal(err)
	}
}

func FuzzInspect(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, source []byte) {
		info, err := picture.Inspect(source, small)
		if err != nil {
			classified(t, err)
			return
		}
		if info.Width < 1 || info.Height < 1 || info.Width*info.Height*info.Frames > 1<<14 ||
			info.Orientation < 1 ||
			info.Orientation > 8 {
			t.Fatalf("%+v", info)
		}
	})
}

func FuzzProcess(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, source []byte) {
		result, err := picture.Process(
			t.Context(),
			source,
			picture.Options{Thumbnail: 16, Limits: small},
		)
		if err != nil {
			classified(t, err)
			return
		}
		for _, v := range result.Variants {
			if v.ContentType != "image/webp" { // the only decoder at hand takes no extended file
				decode(t, v)
			}
		}
		optimized := result.Variants[0]
		if optimized.Width != result.Info.Width || optimized.Height != result.Info.Height {
			t.Fatalf(
				"optimized is %d × %d, the picture %d × %d",
				optimized.Width,
				optimized.Height,
				result.Info.Width,
				result.Info.Height,
			)
		}
		config, _, err := image.DecodeConfig(bytes.NewReader(source))
		// converted always, though the encoder's tables alone may be larger
		four := config.ColorModel == color.CMYKModel
		const iend = 12 // the longest end mark that may have been missing
		if err == nil && result.Info.Orientation == 1 && !four &&
			len(optimized.Data) > len(source)+iend {
			t.Fatalf("optimized grew from %d to %d bytes", len(source), len(optimized.Data))
		}
	})
}

// What is served can itself be inspected, is upright, has the same size, and stripping it again
// changes nothing.
func FuzzStrip(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, source []byte) {
		options := picture.Options{Thumbnail: 16, Limits: small}
		result, err := picture.Process(t.Context(), source, options)
		if err != nil {
			return
		}
		for _, v := range result.Variants {
			parts(t, v)
		}
		optimized := result.Variants[0]
		info, err := picture.Inspect(optimized.Data, picture.Limits{})
		if err != nil {
			t.Fatalf("what was optimized is refused: %v", err)
		}
		if info.Orientation != 1 || info.Width != optimized.Width ||
			info.Height != optimized.Height ||
			info.Frames != result.Info.Frames {
			t.Fatalf("optimized is %+v, the source %+v", info, result.Info)
		}
	})
}
