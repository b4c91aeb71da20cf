package jpeg

import (
	"image"
	"image/color"
	"image/draw"
)

// Encode writes an opaque picture of at most 65,535 samples a side. Colours are halved (4:2:0)
// unless that would be seen. The quality is from 1 to 100 on the scale of the Independent JPEG
// Group; a profile of nil stands for sRGB.
func Encode(pixels image.Image, quality int, profile []byte) ([]byte, error) {
	var planes []plane
	unit := sampling{1, 1}
	switch p := pixels.(type) {
	case *image.Gray:
		planes = []plane{{p.Pix[p.PixOffset(p.Rect.Min.X, p.Rect.Min.Y):], p.Stride, p.Rect.Dx(),
			p.Rect.Dy()}}
	default:
		planes, unit = colourPlanes(pixels)
	}
	out := &output{width: planes[0].width, height: planes[0].height, profile: profile}
	store, err := newTokens(1<<40, out.width*out.height/8)
	if err != nil {
		return nil, err
	}
	for i, plane := range planes {
		l := &layer{class: min(i, 1), quantization: quantization(quality, min(i, 1)), tokens: store}
		l.allocate(plane.width, plane.height)
		if err := l.encode(plane, orientation{}); err != nil {
			return nil, err
		}
		out.add(l, unit, i)
	}
	return out.write(), nil
}

// colourPlanes converts to YCbCr: T.871, 7.
func colourPlanes(pixels image.Image) ([]plane, sampling) {
	bounds := pixels.Bounds()
	width, height := bounds.Dx(), bounds.Dy()
	planes := make([]plane, 3)
	for i := range planes {
		planes[i] = plane{make([]uint8, width*height), width, width, height}
	}
	row := image.NewRGBA(image.Rect(0, 0, width, 1))
	for y := range height {
		at := bounds.Min.Add(image.Pt(0, y))
		samples := row.Pix
		switch p := pixels.(type) {
		case *image.RGBA:
			samples = p.Pix[p.PixOffset(at.X, at.Y):]
		case *image.NRGBA:
			samples = p.Pix[p.PixOffset(at.X, at.Y):]
		default:
			draw.Draw(row, row.Rect, pixels, at, draw.Src)
		}
		luminance, blue, red := planes[0].row(y), planes[1].row(y), planes[2].row(y)
		for x := range luminance {
			s := samples[4*x:][:3]
			luminance[x], blue[x], red[x] = color.RGBToYCbCr(s[0], s[1], s[2])
		}
	}
	smallBlue, lostBlue := planes[1].halve()
	smallRed, lostRed := planes[2].halve()
	if blocks := ceilDiv(width, 8) * ceilDiv(height, 8); max(
		lostBlue,
		lostRed,
	)*detailedShare > blocks {
		return planes, sampling{1, 1}
	}
	planes[1], planes[2] = smallBlue, smallRed
	return planes, halved
}

// halve averages 2 × 2 samples, and counts the blocks of 8 × 8 that visibly lose by it.
func (p plane) halve() (small plane, lost int) {
	small = plane{
		width:  ceilDiv(p.width, 2),
		height: ceilDiv(p.height, 2),
		stride: ceilDiv(p.width, 2),
	}
	small.samples = make([]uint8, small.width*small.height)
	loss := make([]int32, ceilDiv(p.width, 8))
	for y := range small.height {
		above, below := p.row(2*y), p.row(min(2*y+1, p.height-1))
		for x := range small.width {
			right := min(2*x+1, p.width-1)
			a, b, c, d := int32(
				above[2*x],
			), int32(
				above[right],
			), int32(
				below[2*x],
			), int32(
				below[right],
			)
			mean := (a + b + c + d + 2) >> 2
			small.samples[y*small.stride+x] = uint8(mean)
			loss[x/4] += (a-mean)*(a-mean) + (b-mean)*(b-mean) + (c-mean)*(c-mean) +
				(d-mean)*(d-mean)
		}
		if y%4 == 3 || y == small.height-1 {
			for i := range loss {
				if loss[i] > visible {
					lost++
				}
				loss[i] = 0
			}
		}
	}
	return small, lost
}
