package main

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"
	"os"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

// line is a series of a chart.
type line struct {
	name   string
	points [][2]float64
}

const (
	chartWidth, chartHeight, chartMargin = 900, 560, 60
	chartSteps                           = 400 // dots between two points
)

// plot draws lines over logarithmic axes.
func plot(path, title string, lines []line) error {
	chart := image.NewRGBA(image.Rect(0, 0, chartWidth, chartHeight))
	draw.Draw(chart, chart.Rect, image.White, image.Point{}, draw.Src)
	low, high := [2]float64{math.Inf(1), math.Inf(1)}, [2]float64{}
	for _, l := range lines {
		for _, p := range l.points {
			for axis := range p {
				low[axis], high[axis] = min(low[axis], p[axis]), max(high[axis], p[axis])
			}
		}
	}
	low[1], high[1] = math.Pow(10, math.Floor(math.Log10(low[1]))),
		math.Pow(10, math.Ceil(math.Log10(high[1])))
	place := func(p [2]float64) image.Point {
		share := func(axis int) float64 {
			return math.Log(p[axis]/low[axis]) / math.Log(high[axis]/low[axis])
		}
		return image.Pt(chartMargin+int(share(0)*(chartWidth-2*chartMargin)),
			chartHeight-chartMargin-int(share(1)*(chartHeight-2*chartMargin)))
	}
	for y := low[1]; y <= high[1]*1.01; y *= 10 {
		left := place([2]float64{low[0], y})
		rule := image.Rect(left.X, left.Y, chartWidth-chartMargin, left.Y+1)
		draw.Draw(chart, rule, image.NewUniform(color.Gray{220}), image.Point{}, draw.Src)
		label(chart, left.Add(image.Pt(-50, 4)), fmt.Sprintf("%g", y), color.Black)
	}
	for _, p := range lines[0].points {
		label(chart, place([2]float64{p[0], low[1]}).Add(image.Pt(-8, 20)), fmt.Sprintf("%g", p[0]),
			color.Black)
	}
	label(chart, image.Pt(chartMargin, chartMargin-20), title, color.Black)
	inks := []color.Color{color.RGBA{30, 90, 200, 255}, color.RGBA{150, 180, 240, 255},
		color.RGBA{210, 60, 40, 255}, color.RGBA{240, 170, 150, 255}}
	for i, l := range lines {
		ink := inks[i%len(inks)]
		label(chart, image.Pt(chartMargin+20, chartMargin+20+16*i), l.name, ink)
		for j, p := range l.points {
			dot(chart, place(p), 3, ink)
			if j > 0 {
				from, to := place(l.points[j-1]), place(p)
				for step := range chartSteps {
					dot(chart, from.Add(to.Sub(from).Mul(step).Div(chartSteps)), 0, ink)
				}
			}
		}
	}
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := png.Encode(out, chart); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}

func dot(chart draw.Image, at image.Point, radius int, ink color.Color) {
	square := image.Rect(at.X-radius, at.Y-radius, at.X+radius+1, at.Y+radius+1)
	draw.Draw(chart, square, image.NewUniform(ink), image.Point{}, draw.Src)
}

func label(chart draw.Image, at image.Point, text string, ink color.Color) {
	d := font.Drawer{Dst: chart, Src: image.NewUniform(ink), Face: basicfont.Face7x13,
		Dot: fixed.P(at.X, at.Y)}
	d.DrawString(text)
}
