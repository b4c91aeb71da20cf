package picture

import (
	"image"
	"image/color"
)

// fullRange stretches VP8's samples, which have the range of television (luma 16 to 235, chroma 16
// to 240: RFC 6386, section 9.2, after ITU-R BT.601), to the whole byte that JPEG and image.YCbCr
// have. The decoder leaves them as they are, and the picture would be dull.
func fullRange(pixels *image.YCbCr) {
	var luma, chroma [256]byte
	for i := range 256 {
		luma[i] = clamp(((i-16)*255*2 + 219) / (219 * 2))
		offset := (i - 128) * 255
		if offset >= 0 {
			offset += 112
		} else {
			offset -= 112
		}
		chroma[i] = clamp(offset/224 + 128)
	}
	for _, plane := range []struct {
		samples []byte
		table   *[256]byte
	}{{pixels.Y, &luma}, {pixels.Cb, &chroma}, {pixels.Cr, &chroma}} {
		for i, v := range plane.samples {
			plane.samples[i] = plane.table[v]
		}
	}
}

func clamp(v int) byte { return byte(max(0, min(255, v))) }

func withAlpha(pixels *image.NYCbCrA) *image.NRGBA {
	width, height := pixels.Rect.Dx(), pixels.Rect.Dy()
	out := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		row := out.Pix[y*out.Stride:]
		for x := range width {
			luma := pixels.Y[pixels.YOffset(pixels.Rect.Min.X+x, pixels.Rect.Min.Y+y)]
			chroma := pixels.COffset(pixels.Rect.Min.X+x, pixels.Rect.Min.Y+y)
			r, g, b := color.YCbCrToRGB(luma, pixels.Cb[chroma], pixels.Cr[chroma])
			row[4*x], row[4*x+1], row[4*x+2], row[4*x+3] = r, g, b, pixels.A[y*pixels.AStride+x]
		}
	}
	return out
}

// greyOf gives the grey picture that a resized grey source still is, though the resampler widened
// it.
func greyOf(pixels *image.NRGBA) *image.Gray {
	out := image.NewGray(pixels.Rect)
	for i := range out.Pix {
		out.Pix[i] = pixels.Pix[4*i]
	}
	return out
}
