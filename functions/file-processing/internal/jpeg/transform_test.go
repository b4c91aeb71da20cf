package jpeg_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/disintegration/imaging"

	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/jpeg"
)

// With the finest quality wanted no coefficient may change, so the standard library must see the
// same picture before and after; turned by blocks but for the rounding of its inverse transform,
// which is not symmetric.
func TestEveryKindInEveryOrientation(t *testing.T) {
	t.Parallel()
	for _, name := range all(t) {
		if exotic(name) {
			continue
		}
		source := testdata(t, name)
		for orientation := 1; orientation <= 8; orientation++ {
			t.Run(fmt.Sprint(name, orientation), func(t *testing.T) {
				result := transform(t, source, jpeg.Job{Orientation: orientation, Quality: 100})
				want, got := shown(decode(t, source), orientation), decode(t, result.Full.Data)
				rms, largest := difference(t, want, got)
				grey, _ := difference(t, luminance(want), luminance(got))
				switch {
				case orientation == 1 && largest > 0:
					t.Errorf("upright differs by %.2f, at most %d", rms, largest)
				case name[:3] == "ali" && rms > 0.7:
					t.Errorf("differs by %.2f, at most %d", rms, largest)
				// an odd side moves chrominance by half a sample, which is interpolated
				case grey > 1 || rms > 8:
					t.Errorf("luminance differs by %.2f, all by %.2f", grey, rms)
				}
				if size := want.Bounds().Size(); result.Full.Width != size.X ||
					result.Full.Height != size.Y {
					t.Errorf("said to be %d × %d", result.Full.Width, result.Full.Height)
				}
			})
		}
	}
}

// Requantised coefficients are as near to the source as those of an encoder that starts from its
// pixels, in fewer bytes.
func TestQualityAndSizeAgainstAnEncoderFromPixels(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"aligned-2x2.jpg", "odd-1x1.jpg", "odd-2x1.jpg",
		"odd-2x2-progressive.jpg", "odd-grey.jpg"} {
		source := testdata(t, name)
		pixels := decode(t, source)
		got := transform(t, source, jpeg.Job{Quality: 80}).Full.Data
		encoded, err := jpeg.Encode(pixels, 80, nil)
		if err != nil {
			t.Fatal(err)
		}
		ours, _ := difference(t, pixels, decode(t, got))
		theirs, _ := difference(t, pixels, decode(t, encoded))
		if ours > 1.03*theirs || float64(len(got)) > 1.03*float64(len(encoded)) {
			t.Errorf(
				"%s: differs by %.2f in %d bytes, from pixels by %.2f in %d",
				name,
				ours,
				len(got),
				theirs,
				len(encoded),
			)
		}
	}
}

func TestThumbnailsAgainstLanczosOnPixels(t *testing.T) {
	t.Parallel()
	for _, name := range all(t) {
		if exotic(name) || name == "odd-2x2-wide-steps.jpg" { // its steps leave nothing but blocks
			continue
		}
		source := testdata(t, name)
		pixels := decode(t, source)
		for orientation := 1; orientation <= 8; orientation++ {
			result := transform(
				t,
				source,
				jpeg.Job{Orientation: orientation, Quality: 95, Fits: []int{100, 40, 20, 9}},
			)
			for _, fit := range result.Fits {
				got := decode(t, fit.Data)
				if size := got.Bounds().Size(); size.X != fit.Width || size.Y != fit.Height {
					t.Fatalf("%v, said to be %d × %d", size, fit.Width, fit.Height)
				}
				want := imaging.Resize(
					shown(pixels, orientation),
					fit.Width,
					fit.Height,
					imaging.Lanczos,
				)
				rms, _ := difference(t, want, got)
				if psnr := 20 * math.Log10(255/rms); psnr < 27 {
					t.Errorf(
						"%s %d: %d × %d at %.1f dB",
						name,
						orientation,
						fit.Width,
						fit.Height,
						psnr,
					)
				}
			}
		}
	}
}

func TestTwiceIsOnce(t *testing.T) {
	t.Parallel()
	for _, name := range all(t) {
		for orientation := 1; orientation <= 8; orientation++ {
			once := transform(
				t,
				testdata(t, name),
				jpeg.Job{Orientation: orientation, Quality: 80},
			).Full.Data
			twice := transform(t, once, jpeg.Job{Quality: 80})
			if !twice.Lossless || !bytes.Equal(once, twice.Full.Data) {
				t.Errorf(
					"%s %d: %d bytes, then %d",
					name,
					orientation,
					len(once),
					len(twice.Full.Data),
				)
			}
		}
	}
}

func TestUprightNeverGrows(t *testing.T) {
	t.Parallel()
	for _, name := range all(t) {
		source := testdata(t, name)
		for quality := 10; quality <= 100; quality += 10 {
			if got := transform(t, source, jpeg.Job{Quality: quality}).Full.Data; len(
				got,
			) > len(
				source,
			) {
				t.Errorf("%s at %d: from %d to %d bytes", name, quality, len(source), len(got))
			}
		}
	}
}

func TestExoticSamplings(t *testing.T) {
	t.Parallel()
	want := decode(
		t,
		transform(t, testdata(t, "mjpeg-without-dht.jpg"), jpeg.Job{Quality: 100}).Full.Data,
	)
	for _, name := range all(t) {
		if !exotic(name) {
			continue
		}
		for orientation := 1; orientation <= 8; orientation++ {
			result := transform(
				t,
				testdata(t, name),
				jpeg.Job{Orientation: orientation, Quality: 80, Fits: []int{40}},
			)
			rms, _ := difference(t, shown(want, orientation), decode(t, result.Full.Data))
			if rms > 12 { // one scene in all of them, some with luminance at half its size
				t.Errorf("%s %d: differs by %.1f", name, orientation, rms)
			}
		}
	}
}

func TestStops(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, name := range all(t) {
		f, err := jpeg.Read(testdata(t, name), maxScans)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Transform(ctx, jpeg.Job{Orientation: 1, Quality: 80, Fits: []int{20},
			Memory: plenty}); !errors.Is(
			err,
			context.Canceled,
		) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever is done to chrominance to halve it, a turned picture is the upright one turned.
func TestHalvedChrominanceTurns(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"odd-1x1.jpg", "odd-1x1-progressive-restart.jpg", "odd-1x2.jpg",
		"odd-2x1.jpg"} {
		source := testdata(t, name)
		upright := decode(t, transform(t, source, jpeg.Job{Quality: 80}).Full.Data)
		for orientation := 2; orientation <= 8; orientation++ {
			got := transform(t, source, jpeg.Job{Orientation: orientation, Quality: 80}).Full.Data
			// an odd side moves chrominance by half a sample
			if rms, _ := difference(t, shown(upright, orientation), decode(t, got)); rms > 6.5 {
				t.Errorf("%s, orientation %d: differs by %.2f", name, orientation, rms)
			}
		}
	}
}
