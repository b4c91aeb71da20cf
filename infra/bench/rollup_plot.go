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

// chart is a picture with two logarithmic axes.
type chart struct {
	*image.RGBA
	left, right, bottom, top float64 // powers of ten
}

const chartWidth, chartHeight, chartMargin = 900, 560, 70

// plotRollup draws time against rows of history.
func plotRollup(all []sizeFigures, path string) error {
	c := chart{RGBA: image.NewRGBA(image.Rect(0, 0, chartWidth, chartHeight)), left: 4.5,
		right: 7.5, bottom: 0, top: 5}
	draw.Draw(c.RGBA, c.Rect, image.White, image.Point{}, draw.Src)
	black, grey := color.RGBA{A: 255}, color.RGBA{225, 225, 225, 255}
	for power := c.bottom; power <= c.top; power++ {
		c.line(c.at(c.left, power), c.at(c.right, power), grey)
		c.text(c.at(c.left, power).Add(image.Pt(-60, 4)), fmt.Sprintf("%6.0f", math.Pow(10, power)),
			black)
	}
	for power := math.Ceil(c.left); power <= c.right; power++ {
		c.line(c.at(power, c.bottom), c.at(power, c.top), grey)
		c.text(c.at(power, c.bottom).Add(image.Pt(-28, 22)),
			fmt.Sprintf("%.0f", math.Pow(10, power)), black)
	}
	c.text(image.Pt(chartMargin, 30), fmt.Sprintf("Milliseconds for a bucket of %d tasks by %d "+
		"agents, at the socket, against rows of history", bucketRows, agents), black)
	for i, s := range []struct {
		name   string
		ink    color.RGBA
		values func(sizeFigures) []float64
	}{
		{"per agent", color.RGBA{210, 60, 40, 255},
			func(f sizeFigures) []float64 { return f.perAgent }},
		{"ours", color.RGBA{30, 90, 200, 255}, func(f sizeFigures) []float64 { return f.fresh }},
		{"bare scan (the limit)", color.RGBA{110, 110, 110, 255},
			func(f sizeFigures) []float64 { return f.scan }},
	} {
		c.text(image.Pt(chartWidth-chartMargin-160, chartMargin+16*i), s.name, s.ink)
		var last image.Point
		for j, f := range all {
			at := c.at(math.Log10(float64(f.history)), math.Log10(median(s.values(f))))
			draw.Draw(c.RGBA, image.Rect(at.X-3, at.Y-3, at.X+4, at.Y+4), image.NewUniform(s.ink),
				image.Point{}, draw.Src)
			if j > 0 {
				c.line(last, at, s.ink)
			}
			last = at
		}
	}
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	return png.Encode(out, c)
}

// at is where a value lies, given as powers of ten.
func (c chart) at(x, y float64) image.Point {
	return image.Pt(chartMargin+int((x-c.left)/(c.right-c.left)*(chartWidth-2*chartMargin)),
		chartHeight-chartMargin-int((y-c.bottom)/(c.top-c.bottom)*(chartHeight-2*chartMargin)))
}

func (c chart) line(from, to image.Point, ink color.RGBA) {
	steps := max(1, max(to.X-from.X, from.X-to.X), max(to.Y-from.Y, from.Y-to.Y))
	for i := range steps + 1 {
		c.SetRGBA(from.X+(to.X-from.X)*i/steps, from.Y+(to.Y-from.Y)*i/steps, ink)
	}
}

func (c chart) text(at image.Point, text string, ink color.RGBA) {
	d := font.Drawer{Dst: c.RGBA, Src: image.NewUniform(ink), Face: basicfont.Face7x13,
		Dot: fixed.P(at.X, at.Y)}
	d.DrawString(text)
}
