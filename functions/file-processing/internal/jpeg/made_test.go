package jpeg_test

import (
	"bytes"
	"image"
	"image/color"
	stdjpeg "image/jpeg"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/jpeg"
)

const (
	plenty   = 1 << 30
	maxScans = 64
)

// testdata is a JPEG that libjpeg wrote: a part of a photograph, of 83 × 61 samples (odd) or 96 ×
// 64 (aligned to MCUs).
func testdata(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// all lists the testdata that Transform takes.
func all(t testing.TB) []string {
	t.Helper()
	names, err := filepath.Glob("testdata/*.jpg")
	if err != nil || len(names) == 0 {
		t.Fatal("no testdata", err)
	}
	var list []string
	for _, name := range names {
		if name = filepath.Base(name); name != "arithmetic.jpg" {
			list = append(list, name)
		}
	}
	return list
}

// exotic are pictures that the standard library does not decode.
func exotic(name string) bool {
	return strings.HasPrefix(name, "sampling-") || strings.HasPrefix(name, "mjpeg")
}

func transform(t testing.TB, source []byte, job jpeg.Job) jpeg.Result {
	t.Helper()
	f, err := jpeg.Read(source, maxScans)
	if err != nil {
		t.Fatal(err)
	}
	if job.Orientation == 0 {
		job.Orientation = 1
	}
	job.Memory = plenty
	result, err := f.Transform(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func decode(t testing.TB, data []byte) image.Image {
	t.Helper()
	pixels, err := stdjpeg.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return pixels
}

// shown turns stored pixels upright, as a viewer does: Exif 3.0, table 4.
func shown(stored image.Image, orientation int) image.Image {
	w, h := stored.Bounds().Dx(), stored.Bounds().Dy()
	from := map[int]func(x, y int) (int, int){
		1: func(x, y int) (int, int) { return x, y },
		2: func(x, y int) (int, int) { return w - 1 - x, y },
		3: func(x, y int) (int, int) { return w - 1 - x, h - 1 - y },
		4: func(x, y int) (int, int) { return x, h - 1 - y },
		5: func(x, y int) (int, int) { return y, x },
		6: func(x, y int) (int, int) { return y, h - 1 - x },
		7: func(x, y int) (int, int) { return w - 1 - y, h - 1 - x },
		8: func(x, y int) (int, int) { return w - 1 - y, x },
	}[orientation]
	size := image.Rect(0, 0, w, h)
	if orientation >= 5 {
		size = image.Rect(0, 0, h, w)
	}
	out := image.NewNRGBA(size)
	for y := range size.Dy() {
		for x := range size.Dx() {
			fromX, fromY := from(x, y)
			out.Set(x, y, stored.At(fromX, fromY))
		}
	}
	return out
}

// difference is the root mean square over red, green and blue, and the largest, in steps of 1/255.
func difference(t testing.TB, a, b image.Image) (rms float64, largest int) {
	t.Helper()
	size := a.Bounds().Size()
	if size != b.Bounds().Size() {
		t.Fatalf("sizes %v and %v", size, b.Bounds().Size())
	}
	var sum float64
	for y := range size.Y {
		for x := range size.X {
			p := color.NRGBAModel.Convert(a.At(a.Bounds().Min.X+x, a.Bounds().Min.Y+y)).(color.NRGBA)
			q := color.NRGBAModel.Convert(b.At(b.Bounds().Min.X+x, b.Bounds().Min.Y+y)).(color.NRGBA)
			for _, d := range [...]int{int(p.R) - int(q.R), int(p.G) - int(q.G),
				int(p.B) - int(q.B)} {
				sum += float64(d * d)
				largest = max(largest, d, -d)
			}
		}
	}
	return math.Sqrt(sum / float64(3*size.X*size.Y)), largest
}

func luminance(pixels image.Image) image.Image {
	grey := image.NewGray(pixels.Bounds())
	for y := grey.Rect.Min.Y; y < grey.Rect.Max.Y; y++ {
		for x := grey.Rect.Min.X; x < grey.Rect.Max.X; x++ {
			grey.Set(x, y, pixels.At(x, y))
		}
	}
	return grey
}
