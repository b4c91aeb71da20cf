package picture

import (
	"context"
	"image"
	"math"

	"github.com/disintegration/imaging"
)

// thumbnails makes the three small variants, smallest first.
func (p parsed) thumbnails(ctx context.Context, pixels image.Image, size int) ([]Variant, error) {
	grey := isGrey(pixels)
	var current = shrink(pixels, 2*2*size)
	stored := pixels.Bounds().Size()
	variants := make([]Variant, 3)
	for i, want := range []struct {
		name string
		size int
	}{{ThumbnailLarge, 2 * size}, {Thumbnail, size}, {ThumbnailSmall, max(1, size/2)}} {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		width, height := fit(stored.X, stored.Y, want.size)
		resized := imaging.Resize(current, width, height, imaging.Lanczos)
		plain(resized)
		current = resized // the next smaller is made of this one
		var thumbnail image.Image = resized
		if grey {
			thumbnail = greyOf(resized)
		}
		thumbnail, err := orient(thumbnail, p.Orientation)
		if err != nil {
			return nil, err
		}
		if p.colour.table != nil {
			thumbnail = toSRGB(thumbnail, p.colour.table)
		}
		if variants[2-i], err = p.encode(want.name, thumbnail, p.colour.small()); err != nil {
			return nil, err
		}
	}
	return variants, nil
}

// fit gives the dimensions inside a square of size, with the aspect kept and nothing enlarged.
func fit(width, height, size int) (int, int) {
	longer := max(width, height)
	if longer <= size {
		return width, height
	}
	scale := func(side int) int {
		return max(1, int(math.Round(float64(side)*float64(size)/float64(longer))))
	}
	return scale(width), scale(height)
}

// shrink averages blocks of whole pixels for as long as the longer side stays at least atLeast, so
// that the resampler, which costs ten times as much per pixel, has the last factor only. Pictures
// with a palette, 16 bits or transparency that is not premultiplied are given back as they are.
func shrink(pixels image.Image, atLeast int) image.Image {
	size := pixels.Bounds().Size()
	factor := max(size.X, size.Y) / atLeast
	if factor < 2 {
		return pixels
	}
	area := image.Rect(0, 0, ceilDiv(size.X, factor), ceilDiv(size.Y, factor))
	switch p := pixels.(type) {
	case *image.Gray:
		return &image.Gray{Pix: shrinkPlane(p.Pix, p.Stride, size.X, size.Y, factor),
			Stride: area.Dx(), Rect: area}
	case *image.YCbCr:
		chroma := chromaSize(p)
		return &image.YCbCr{
			Y:              shrinkPlane(p.Y, p.YStride, size.X, size.Y, factor),
			Cb:             shrinkPlane(p.Cb, p.CStride, chroma.X, chroma.Y, factor),
			Cr:             shrinkPlane(p.Cr, p.CStride, chroma.X, chroma.Y, factor),
			YStride:        area.Dx(),
			CStride:        ceilDiv(chroma.X, factor),
			SubsampleRatio: p.SubsampleRatio,
			Rect:           area,
		}
	case *image.RGBA:
		return &image.RGBA{Pix: shrinkPixels(p.Pix, p.Stride, size.X, size.Y, factor),
			Stride: 4 * area.Dx(), Rect: area}
	case *image.NRGBA:
		if p.Opaque() {
			return &image.NRGBA{Pix: shrinkPixels(p.Pix, p.Stride, size.X, size.Y, factor),
				Stride: 4 * area.Dx(), Rect: area}
		}
	}
	return pixels
}

// chromaSize is the size of the chroma planes, as image.NewYCbCr lays them out.
func chromaSize(p *image.YCbCr) image.Point {
	x, y := 1, 1
	switch p.SubsampleRatio {
	case image.YCbCrSubsampleRatio422:
		x = 2
	case image.YCbCrSubsampleRatio420:
		x, y = 2, 2
	case image.YCbCrSubsampleRatio440:
		y = 2
	case image.YCbCrSubsampleRatio411:
		x = 4
	case image.YCbCrSubsampleRatio410:
		x, y = 4, 2
	}
	return image.Pt(ceilDiv(p.Rect.Dx(), x), ceilDiv(p.Rect.Dy(), y))
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// shrinkPlane averages blocks of factor × factor samples; those at the right and lower edge may be
// partial.
func shrinkPlane(samples []byte, stride, width, height, factor int) []byte {
	toWidth, toHeight := ceilDiv(width, factor), ceilDiv(height, factor)
	out := make([]byte, toWidth*toHeight)
	sums := make([]uint32, toWidth)
	for y := range toHeight {
		clear(sums)
		rows := min(factor, height-y*factor)
		for r := range rows {
			row := samples[(y*factor+r)*stride:][:width]
			for x := range sums {
				for _, v := range row[x*factor : min((x+1)*factor, width)] {
					sums[x] += uint32(v)
				}
			}
		}
		for x, sum := range sums {
			count := uint32(rows * min(factor, width-x*factor))
			out[y*toWidth+x] = byte((sum + count/2) / count)
		}
	}
	return out
}

// shrinkPixels is shrinkPlane for four samples a pixel.
func shrinkPixels(samples []byte, stride, width, height, factor int) []byte {
	toWidth, toHeight := ceilDiv(width, factor), ceilDiv(height, factor)
	out := make([]byte, 4*toWidth*toHeight)
	sums := make([][4]uint32, toWidth)
	for y := range toHeight {
		clear(sums)
		rows := min(factor, height-y*factor)
		for r := range rows {
			row := samples[(y*factor+r)*stride:][:4*width]
			for x := range sums {
				sum := &sums[x]
				part := row[4*x*factor : 4*min((x+1)*factor, width)]
				for ; len(part) >= 4; part = part[4:] {
					sum[0] += uint32(part[0])
					sum[1] += uint32(part[1])
					sum[2] += uint32(part[2])
					sum[3] += uint32(part[3])
				}
			}
		}
		for x, sum := range sums {
			count := uint32(rows * min(factor, width-x*factor))
			for i, v := range sum {
				out[4*(y*toWidth+x)+i] = byte((v + count/2) / count)
			}
		}
	}
	return out
}

// plain rounds the colours of transparent pixels to what is left of them when they are shown: the
// resampler gives them more, which is seen by nobody and takes up to half of a PNG.
func plain(pixels *image.NRGBA) {
	for i := 0; i < len(pixels.Pix); i += 4 {
		pixel := (*[4]uint8)(pixels.Pix[i:])
		alpha := uint32(pixel[3])
		switch alpha {
		case 0:
			*pixel = [4]uint8{}
		case 255:
		default:
			for j, v := range pixel[:3] {
				shown := (uint32(v)*alpha + 127) / 255
				pixel[j] = uint8(min((shown*255+alpha/2)/alpha, 255))
			}
		}
	}
}
