package picture

import (
	"fmt"
	"image"
)

// orient applies an EXIF orientation to the pixels, exactly and at their depth.
func orient(pixels image.Image, orientation int) (image.Image, error) {
	if orientation == upright {
		return pixels, nil
	}
	width, height := pixels.Bounds().Dx(), pixels.Bounds().Dy()
	toWidth, toHeight := shown(width, height, orientation)
	area := image.Rect(0, 0, toWidth, toHeight)
	move := func(samples []byte, stride, size int) ([]byte, int) {
		return orientPlane(samples, stride, width, height, size, orientation), toWidth * size
	}
	switch p := pixels.(type) {
	case *image.Gray:
		out := image.Gray{Rect: area}
		out.Pix, out.Stride = move(p.Pix, p.Stride, 1)
		return &out, nil
	case *image.Gray16:
		out := image.Gray16{Rect: area}
		out.Pix, out.Stride = move(p.Pix, p.Stride, 2)
		return &out, nil
	case *image.Paletted:
		out := image.Paletted{Rect: area, Palette: p.Palette}
		out.Pix, out.Stride = move(p.Pix, p.Stride, 1)
		return &out, nil
	case *image.RGBA:
		out := image.RGBA{Rect: area}
		out.Pix, out.Stride = move(p.Pix, p.Stride, 4)
		return &out, nil
	case *image.NRGBA:
		out := image.NRGBA{Rect: area}
		out.Pix, out.Stride = move(p.Pix, p.Stride, 4)
		return &out, nil
	case *image.RGBA64:
		out := image.RGBA64{Rect: area}
		out.Pix, out.Stride = move(p.Pix, p.Stride, 8)
		return &out, nil
	case *image.NRGBA64:
		out := image.NRGBA64{Rect: area}
		out.Pix, out.Stride = move(p.Pix, p.Stride, 8)
		return &out, nil
	case *image.YCbCr:
		return orientYCbCr(p, orientation), nil
	}
	return nil, fmt.Errorf("%w: cannot turn %T", ErrUnsupported, pixels)
}

// orientYCbCr turns the planes apart. Chroma that is subsampled in another way than 2 × 2 over
// whole blocks is repeated to full size first, because turning would move it against luma.
func orientYCbCr(p *image.YCbCr, orientation int) *image.YCbCr {
	width, height := p.Rect.Dx(), p.Rect.Dy()
	halves := p.SubsampleRatio == image.YCbCrSubsampleRatio420 && width%2 == 0 && height%2 == 0
	if p.SubsampleRatio != image.YCbCrSubsampleRatio444 && !halves {
		p = fullChroma(p)
	}
	chromaWidth, chromaHeight := width, height
	if halves {
		chromaWidth, chromaHeight = width/2, height/2
	}
	toWidth, toHeight := shown(width, height, orientation)
	toChroma, _ := shown(chromaWidth, chromaHeight, orientation)
	return &image.YCbCr{
		Y:              orientPlane(p.Y, p.YStride, width, height, 1, orientation),
		Cb:             orientPlane(p.Cb, p.CStride, chromaWidth, chromaHeight, 1, orientation),
		Cr:             orientPlane(p.Cr, p.CStride, chromaWidth, chromaHeight, 1, orientation),
		YStride:        toWidth,
		CStride:        toChroma,
		SubsampleRatio: p.SubsampleRatio,
		Rect:           image.Rect(0, 0, toWidth, toHeight),
	}
}

func fullChroma(p *image.YCbCr) *image.YCbCr {
	width, height := p.Rect.Dx(), p.Rect.Dy()
	out := &image.YCbCr{
		Y: p.Y, YStride: p.YStride, Rect: p.Rect,
		Cb: make([]byte, width*height), Cr: make([]byte, width*height), CStride: width,
		SubsampleRatio: image.YCbCrSubsampleRatio444,
	}
	for y := range height {
		for x := range width {
			from := p.COffset(p.Rect.Min.X+x, p.Rect.Min.Y+y)
			out.Cb[y*width+x], out.Cr[y*width+x] = p.Cb[from], p.Cr[from]
		}
	}
	return out
}

// orientPlane moves samples of size bytes each. Orientations are those of Exif 3.0, table 4: the
// number says which sides of the scene the stored rows and columns begin at.
func orientPlane(samples []byte, stride, width, height, size, orientation int) []byte {
	toWidth, toHeight := shown(width, height, orientation)
	out := make([]byte, toWidth*toHeight*size)
	for y := range toHeight {
		fromX, fromY := origin(0, y, width, height, orientation)
		nextX, nextY := origin(1, y, width, height, orientation)
		from, step := fromY*stride+fromX*size, (nextY-fromY)*stride+(nextX-fromX)*size
		row := out[y*toWidth*size:][:toWidth*size]
		for to := 0; to < len(row); to += size {
			copy(row[to:to+size], samples[from:from+size])
			from += step
		}
	}
	return out
}

// origin is the stored place of the pixel that is shown at x, y. Width and height are as stored.
func origin(x, y, width, height, orientation int) (int, int) {
	switch orientation {
	case 2:
		return width - 1 - x, y
	case 3:
		return width - 1 - x, height - 1 - y
	case 4:
		return x, height - 1 - y
	case 5:
		return y, x
	case 6:
		return y, height - 1 - x
	case 7:
		return width - 1 - y, height - 1 - x
	case 8:
		return width - 1 - y, x
	}
	return x, y
}
