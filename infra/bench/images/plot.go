package main

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"syscall"
	"time"

	"github.com/disintegration/imaging"
	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

const (
	chartWidth, chartHeight, margin = 900, 560, 60
	mostPixels                      = 50.0 // millions
)

// plot draws CPU against megapixels of the JPEGs: sharp, imaging as its examples use it, and ours.
func plot(results []result, path string) error {
	chart := image.NewRGBA(image.Rect(0, 0, chartWidth, chartHeight))
	draw.Draw(chart, chart.Rect, image.White, image.Point{}, draw.Src)
	type point struct{ x, y float64 }
	series := map[string][]point{}
	highest := 1.0
	for _, r := range results {
		if !r.jpeg() {
			continue
		}
		whole, err := wholeByImaging(r.path)
		if err != nil {
			return err
		}
		for name, cpu := range map[string]float64{
			"ours": r.sides[0].median(cpuOf), "sharp": r.sides[1].median(cpuOf), "imaging": whole,
		} {
			series[name] = append(series[name], point{r.megapixels(), cpu})
			highest = max(highest, cpu)
		}
	}
	black := color.RGBA{A: 255}
	for i := range chartWidth - 2*margin {
		chart.SetRGBA(margin+i, chartHeight-margin, black)
	}
	for i := range chartHeight - 2*margin {
		chart.SetRGBA(margin, margin+i, black)
	}
	place := func(p point) image.Point {
		return image.Pt(margin+int(p.x/mostPixels*(chartWidth-2*margin)),
			chartHeight-margin-int(p.y/highest*(chartHeight-2*margin)))
	}
	for i := range 6 {
		x, y := float64(i)*mostPixels/5, float64(i)*highest/5
		label(chart, place(point{x, 0}).Add(image.Pt(-8, 20)), fmt.Sprintf("%.0f", x), black)
		label(chart, place(point{0, y}).Add(image.Pt(-50, 4)), fmt.Sprintf("%.0f", y), black)
	}
	label(
		chart,
		image.Pt(margin, margin-20),
		"CPU ms of the whole job against megapixels, JPEG",
		black,
	)
	for i, s := range []struct {
		name string
		ink  color.RGBA
	}{{"imaging", color.RGBA{150, 150, 150, 255}}, {"sharp", color.RGBA{210, 60, 40, 255}},
		{"ours", color.RGBA{30, 90, 200, 255}}} {
		label(chart, image.Pt(margin+20, margin+20+16*i), s.name, s.ink)
		for _, p := range series[s.name] {
			at := place(p)
			draw.Draw(
				chart,
				image.Rect(at.X-3, at.Y-3, at.X+4, at.Y+4),
				image.NewUniform(s.ink),
				image.Point{},
				draw.Src,
			)
		}
	}
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer out.Close()
	return png.Encode(out, chart)
}

func label(chart *image.RGBA, at image.Point, text string, ink color.RGBA) {
	d := font.Drawer{
		Dst:  chart,
		Src:  image.NewUniform(ink),
		Face: basicfont.Face7x13,
		Dot:  fixed.P(at.X, at.Y),
	}
	d.DrawString(text)
}

// wholeByImaging does the job in this process with that library, and returns its CPU milliseconds.
func wholeByImaging(path string) (float64, error) {
	before := ownTime()
	pixels, err := imaging.Open(path, imaging.AutoOrientation(true))
	if err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "imaging-*")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	for _, size := range []int{0, 600, 300, 150} {
		made := image.Image(pixels)
		if size > 0 {
			made = imaging.Fit(pixels, size, size, imaging.Lanczos)
		}
		if err := imaging.Save(made, fmt.Sprintf("%s/%d.jpg", dir, size),
			imaging.JPEGQuality(80)); err != nil {
			return 0, err
		}
	}
	return float64((ownTime() - before).Microseconds()) / 1000, nil
}

func ownTime() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage) // fails for no valid argument
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
