package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/disintegration/imaging"
)

// difference is how far a picture is from the original: decibels over red, green and blue, and the
// 3-norm of butteraugli's map, NaN where the tool is missing.
type difference struct{ psnr, butteraugli float64 }

// A judge compares pictures. Both sides' and the original are decoded by sharp, to upright sRGB, so
// that no side is compared by its own decoder's rounding.
type judge struct {
	decoder side
	dir     string
}

// quality compares what was made in each directory with the original: the full size as it is, a
// thumbnail with the original scaled by Lanczos from all its pixels.
func (j judge) quality(ctx context.Context, f file, dirs []string) (
	[]map[string]difference, error) {
	decoder, err := j.decoder.start(ctx)
	if err != nil {
		return nil, err
	}
	original, err := j.decode(decoder, f.path)
	if err != nil {
		return nil, err
	}
	scaled := map[image.Point]*image.NRGBA{original.Rect.Size(): original}
	made := make([]map[string]difference, len(dirs))
	for i, dir := range dirs {
		made[i] = map[string]difference{}
		for _, name := range []string{"optimized", "thumbnail_large"} {
			path := filepath.Join(dir, name)
			if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
				continue
			}
			pixels, err := j.decode(decoder, path)
			if err != nil {
				return nil, err
			}
			size := pixels.Rect.Size()
			if scaled[size] == nil {
				scaled[size] = imaging.Resize(original, size.X, size.Y, imaging.Lanczos)
			}
			if made[i][name], err = j.compare(ctx, scaled[size], pixels); err != nil {
				return nil, err
			}
		}
	}
	_, err = decoder.close()
	return made, err
}

func (j judge) decode(decoder *process, path string) (*image.NRGBA, error) {
	if _, err := decoder.do(path, j.dir); err != nil {
		return nil, err
	}
	pixels, err := imaging.Open(filepath.Join(j.dir, "decoded"))
	if err != nil {
		return nil, err
	}
	return imaging.Clone(pixels), nil
}

// butteraugliSide is the side of the square in the middle that butteraugli sees.
const butteraugliSide = 1024

var threeNorm = regexp.MustCompile(`3-norm: ([0-9.]+)`)

func (j judge) compare(ctx context.Context, want, made *image.NRGBA) (difference, error) {
	d := difference{psnr(want, made), math.NaN()}
	tool, err := exec.LookPath("butteraugli_main")
	if err != nil {
		return d, nil // the results say that it is missing
	}
	var paths []string
	for i, pixels := range []*image.NRGBA{want, made} {
		path := filepath.Join(j.dir, fmt.Sprintf("compared-%d.png", i))
		paths = append(paths, path)
		out, err := os.Create(path)
		if err != nil {
			return d, err
		}
		middle := imaging.CropCenter(pixels, butteraugliSide, butteraugliSide)
		encoder := png.Encoder{CompressionLevel: png.BestSpeed}
		if err := errors.Join(encoder.Encode(out, middle), out.Close()); err != nil {
			return d, err
		}
	}
	out, err := exec.CommandContext(ctx, tool, paths...).CombinedOutput()
	found := threeNorm.FindSubmatch(out)
	if err != nil || found == nil {
		return d, fmt.Errorf("butteraugli: %w\n%s", err, out)
	}
	d.butteraugli, err = strconv.ParseFloat(string(found[1]), 64)
	return d, err
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
