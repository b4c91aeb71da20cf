package picture_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"testing"
	"testing/quick"

	"github.com/disintegration/imaging"

	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/picture"
)

// stored is how a camera at that EXIF orientation stores an upright scene: the reverse of what a
// viewer does, written out apart from the code under test.
func stored(scene image.Image, orientation int) *image.NRGBA {
	w, h := scene.Bounds().Dx(), scene.Bounds().Dy()
	at := map[int]func(x, y int) (int, int){
		1: func(x, y int) (int, int) { return x, y },
		2: func(x, y int) (int, int) { return w - 1 - x, y },
		3: func(x, y int) (int, int) { return w - 1 - x, h - 1 - y },
		4: func(x, y int) (int, int) { return x, h - 1 - y },
		5: func(x, y int) (int, int) { return y, x },
		// viewer turns right, camera stored turned left
		6: func(x, y int) (int, int) { return y, w - 1 - x },
		7: func(x, y int) (int, int) { return h - 1 - y, w - 1 - x }, //
		8: func(x, y int) (int, int) { return h - 1 - y, x },
	}[orientation]
	size := image.Rect(0, 0, w, h)
	if orientation >= 5 {
		size = image.Rect(0, 0, h, w)
	}
	out := image.NewNRGBA(size)
	for y := range h {
		for x := range w {
			toX, toY := at(x, y)
			out.Set(toX, toY, scene.At(x, y))
		}
	}
	return out
}

// difference is the root mean square over all channels, 0 to 255.
func difference(t *testing.T, a, b image.Image) float64 {
	t.Helper()
	if a.Bounds().Size() != b.Bounds().Size() {
		t.Fatalf("sizes %v and %v", a.Bounds(), b.Bounds())
	}
	var sum float64
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			p := color.NRGBAModel.Convert(a.At(a.Bounds().Min.X+x, a.Bounds().Min.Y+y)).(color.NRGBA)
			q := color.NRGBAModel.Convert(b.At(b.Bounds().Min.X+x, b.Bounds().Min.Y+y)).(color.NRGBA)
			for _, d := range [...]int{int(p.R) - int(q.R), int(p.G) - int(q.G),
				int(p.B) - int(q.B), int(p.A) - int(q.A)} {
				sum += float64(d * d)
			}
		}
	}
	return math.Sqrt(sum / float64(4*a.Bounds().Dx()*a.Bounds().Dy()))
}

func TestOrientation(t *testing.T) {
	t.Parallel()
	for _, size := range []image.Point{{96, 64}, {97, 63}} { // chroma in whole blocks, and not
		scene := quarters(size.X, size.Y)
		small := process(t, pngOf(t, scene), 32)
		for orientation := 1; orientation <= 8; orientation++ {
			lying := stored(scene, orientation)
			sources := map[string][]byte{
				"jpeg, big endian": afterSOI(jpegOf(t, lying, 95), exifSegment(orientation)),
				"jpeg, little endian": afterSOI(
					jpegOf(t, lying, 95),
					segment(
						0xe1,
						append([]byte("Exif\x00\x00"), exif(binary.LittleEndian, orientation)...),
					),
				),
				"png": afterIHDR(
					pngOf(t, lying),
					chunk("eXIf", exif(binary.BigEndian, orientation)),
				),
			}
			for format, source := range sources {
				t.Run(fmt.Sprintf("%s %v %d", format, size, orientation), func(t *testing.T) {
					variants := process(t, source, 32)
					tolerance := 18.0 // chroma at the edges; a wrong turn is above 100
					if format == "png" {
						tolerance = 0
					}
					if d := difference(t, decode(t, variants[picture.Optimized]),
						scene); d > tolerance {
						t.Errorf("optimized differs by %.1f", d)
					}
					for _, name := range []string{picture.Thumbnail, picture.ThumbnailLarge,
						picture.ThumbnailSmall} {
						// chroma that is halved or not
						if d := difference(t, decode(t, variants[name]),
							decode(t, small[name])); d > 30 {
							t.Errorf("%s differs by %.1f", name, d)
						}
					}
				})
			}
		}
	}
}

func TestWebPThatLiesOnItsSideIsTurned(t *testing.T) {
	t.Parallel()
	source := webpOf(vp8x(1<<3, 1600, 1065), creek(t), riff("EXIF", exif(binary.LittleEndian, 6)))
	upright, turned := process(t, sample(t, "creek.webp"), 300), process(t, source, 300)
	got := decode(t, turned[picture.ThumbnailLarge])
	want := stored(
		decode(t, upright[picture.ThumbnailLarge]),
		8,
	) // as stored for 8 is as shown for 6
	if d := difference(t, got, want); d > 12 {
		t.Errorf("differs by %.1f", d)
	}
	if v := turned[picture.Optimized]; v.ContentType != "image/jpeg" || v.Width != 1065 ||
		v.Height != 1600 {
		t.Errorf("optimized is %s of %d × %d", v.ContentType, v.Width, v.Height)
	}
}

// Whatever the size: inside the square, aspect kept to a pixel, never enlarged, nothing lost.
func TestSizes(t *testing.T) {
	t.Parallel()
	law := func(w, h uint8, wide bool, wanted uint8) bool {
		width, height, thumbnail := 1+int(w), 1+int(h), 1+int(wanted)
		if wide {
			width *= 8
		}
		variants := process(
			t,
			jpegOf(t, image.NewGray(image.Rect(0, 0, width, height)), 80),
			thumbnail,
		)
		if v := variants[picture.Optimized]; v.Width != width || v.Height != height {
			t.Errorf("optimized of %d × %d is %d × %d", width, height, v.Width, v.Height)
		}
		for name, size := range map[string]int{
			picture.ThumbnailSmall: max(1, thumbnail/2), picture.Thumbnail: thumbnail,
			picture.ThumbnailLarge: 2 * thumbnail,
		} {
			v := variants[name]
			decode(t, v)
			longer := max(width, height)
			scale := min(1, float64(size)/float64(longer))
			if max(v.Width, v.Height) != min(longer, size) || min(v.Width, v.Height) < 1 ||
				math.Abs(
					float64(v.Width)-float64(width)*scale,
				) > 1 || math.Abs(float64(v.Height)-float64(height)*scale) > 1 {
				t.Errorf(
					"%s at %d of %d × %d is %d × %d",
					name,
					size,
					width,
					height,
					v.Width,
					v.Height,
				)
			}
		}
		return !t.Failed()
	}
	if err := quick.Check(law, &quick.Config{MaxCount: 150}); err != nil {
		t.Error(err)
	}
}

func TestOptimizedIsNeverLargerThanAnUprightSource(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"sunset-12mp.jpg", "bowl-alpha.png", "creek.webp"} {
		source := sample(t, name)
		if v := process(t, source, 300)[picture.Optimized]; len(v.Data) > len(source) {
			t.Errorf("%s grew from %d to %d bytes", name, len(source), len(v.Data))
		}
	}
	for quality := 5; quality <= 100; quality += 5 {
		source := jpegOf(t, textured(120, 90), quality)
		turned := afterSOI(source, exifSegment(6))
		result, err := picture.Process(t.Context(), turned, picture.Options{Thumbnail: 32})
		if err != nil {
			t.Fatal(err)
		}
		if grown := len(result.Variants[0].Data) > len(turned); grown != result.Grown ||
			grown && quality > 65 {
			t.Errorf(
				"a JPEG of quality %d on its side went from %d to %d bytes",
				quality,
				len(turned),
				len(result.Variants[0].Data),
			)
		}
		if v := process(t, source, 32)[picture.Optimized]; len(v.Data) > len(source) {
			t.Errorf(
				"a JPEG of quality %d grew from %d to %d bytes",
				quality,
				len(source),
				len(v.Data),
			)
		}
	}
}

// Where coarser steps would save less than a tenth, no quality is lost for it.
func TestLowQualityIsStrippedWithoutLoss(t *testing.T) {
	t.Parallel()
	for quality, lossless := range map[int]bool{60: true, 81: true, 82: true, 95: false} {
		source := jpegOf(t, textured(120, 90), quality)
		tagged := append(afterSOI(source, exifSegment(1), segment(0xfe, []byte(secret))), secret...)
		got := process(t, tagged, 32)[picture.Optimized]
		want, err := jpeg.Decode(bytes.NewReader(source))
		if err != nil {
			t.Fatal(err)
		}
		if d := difference(t, decode(t, got), want); (d == 0) != lossless ||
			len(got.Data) >= len(source) {
			t.Errorf(
				"quality %d: differs by %.1f, %d bytes of the %d before metadata was added",
				quality,
				d,
				len(got.Data),
				len(source),
			)
		}
	}
}

func TestSameSourceSameBytes(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"dogs-phone.jpg", "bowl-alpha.png", "creek.webp"} {
		first, second := process(t, sample(t, name), 300), process(t, sample(t, name), 300)
		for variant := range first {
			if !bytes.Equal(first[variant].Data, second[variant].Data) {
				t.Errorf("%s of %s differs between two runs", variant, name)
			}
		}
	}
}

func TestStopsWhenTheContextIsDone(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := picture.Process(ctx, sample(t, "sunset-12mp.jpg"),
		picture.Options{Thumbnail: 300}); !errors.Is(
		err,
		context.Canceled,
	) {
		t.Errorf("got %v", err)
	}
}

func TestInspect(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]picture.Info{
		"dogs-phone.jpg": {Format: "image/jpeg", Width: 2048, Height: 3088, Frames: 1,
			Orientation: 6},
		"sunset-12mp.jpg": {Format: "image/jpeg", Width: 4272, Height: 2848, Frames: 1,
			Orientation: 1},
		"bowl-alpha.png": {Format: "image/png", Width: 900, Height: 609, Frames: 1,
			Orientation: 1},
		"creek.webp": {Format: "image/webp", Width: 1600, Height: 1065, Frames: 1,
			Orientation: 1},
	} {
		if got, err := picture.Inspect(sample(t, name), picture.Limits{}); err != nil ||
			got != want {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, want)
		}
	}
}

func BenchmarkProcess12MP(b *testing.B) {
	photo, _, err := image.Decode(bytes.NewReader(sample(b, "sunset-12mp.jpg")))
	if err != nil {
		b.Fatal(err)
	}
	sources := map[string][]byte{
		"progressive": sample(b, "sunset-12mp.jpg"),
		"camera":      jpegOf(b, photo, 95), // baseline, as a phone writes it
	}
	sources["camera, on its side"] = afterSOI(sources["camera"], exifSegment(6))
	for _, name := range []string{"camera", "camera, on its side", "progressive"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(sources[name])))
			for b.Loop() {
				process(b, sources[name], 300)
			}
		})
	}
}

// A PNG of true colours that is many times as large as its thumbnails is averaged before it is
// resampled; each pixel has to count.
func TestThumbnailsOfLargePNG(t *testing.T) {
	t.Parallel()
	pixels := quarters(403, 301)
	source := pngOf(t, pixels)
	v := process(t, source, 16)[picture.ThumbnailLarge]
	want := imaging.Resize(pixels, v.Width, v.Height, imaging.Lanczos)
	if d := difference(t, decode(t, v), want); d > 12 {
		t.Errorf("differs by %.1f", d)
	}
}

// What a transparent pixel would show if it were not has no place in a thumbnail.
func TestTransparentPixelsHaveNoColour(t *testing.T) {
	t.Parallel()
	pixels := textured(64, 48)
	for i := 3; i < len(pixels.Pix); i += 4 {
		if i%12 == 3 || i > len(pixels.Pix)/2 {
			pixels.Pix[i] = 0
		}
	}
	made := decode(t, process(t, pngOf(t, pixels), 16)[picture.ThumbnailLarge]).(*image.NRGBA)
	for i := 0; i < len(made.Pix); i += 4 {
		if made.Pix[i+3] == 0 && !bytes.Equal(made.Pix[i:i+3], []byte{0, 0, 0}) {
			t.Fatalf("pixel %d is invisible and %v", i/4, made.Pix[i:i+4])
		}
	}
}
