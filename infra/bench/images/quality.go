package main

import (
	"errors"
	"image"
	"io/fs"
	"math"
	"path/filepath"

	"github.com/disintegration/imaging"
)

// quality compares what was made with the decoded original: the full size as it is, a thumbnail
// with the original scaled by Lanczos from all its pixels. Decibels over red, green and blue.
func quality(f file, dir string) (map[string]float64, error) {
	original, err := imaging.Open(f.path, imaging.AutoOrientation(true))
	if err != nil {
		return nil, err
	}
	decibels := map[string]float64{}
	for _, name := range []string{"optimized", "thumbnail_large", "thumbnail"} {
		made, err := open(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, image.ErrFormat) {
			continue
		}
		if err != nil {
			return nil, err
		}
		want := image.Image(original)
		if size := made.Bounds().Size(); size != original.Bounds().Size() {
			want = imaging.Resize(original, size.X, size.Y, imaging.Lanczos)
		}
		decibels[name] = psnr(imaging.Clone(want), imaging.Clone(made))
	}
	return decibels, nil
}

// most is what two equal pictures are said to differ by.
const most = 99

func psnr(a, b *image.NRGBA) float64 {
	sum := 0.0
	for i := range a.Pix {
		if i%4 < 3 {
			d := float64(a.Pix[i]) - float64(b.Pix[i])
			sum += d * d
		}
	}
	if sum == 0 {
		return most
	}
	mean := sum / float64(len(a.Pix)/4*3)
	return min(most, 10*math.Log10(255*255/mean))
}
