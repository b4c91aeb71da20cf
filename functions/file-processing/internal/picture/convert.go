package picture

import "image"

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

// beyondRange reports whether much of luma leaves its range, as that of line art does. Cut off
// before chroma is added it would give another colour. Photographs have a few such samples, next to
// sharp edges, where it is not seen.
func beyondRange(pixels *image.YCbCr) bool {
	beyond := 0
	for _, v := range pixels.Y {
		if v < 16 || v > 235 {
			beyond++
		}
	}
	return beyond*1000 > len(pixels.Y)
}

// televisionToRGB converts VP8's samples by the formula of BT.601, and cuts off at the end.
func televisionToRGB(pixels *image.YCbCr) *image.NRGBA {
	const luma, red, green1, green2, blue = 76309, 104597, 25675, 53279, 132201 // in 1/65536
	out := image.NewNRGBA(image.Rect(0, 0, pixels.Rect.Dx(), pixels.Rect.Dy()))
	for y := range out.Rect.Dy() {
		row := out.Pix[y*out.Stride:]
		for x := range out.Rect.Dx() {
			at := pixels.Rect.Min.Add(image.Pt(x, y))
			chroma := pixels.COffset(at.X, at.Y)
			l := (int(pixels.Y[pixels.YOffset(at.X, at.Y)])-16)*luma + 1<<15
			cb, cr := int(pixels.Cb[chroma])-128, int(pixels.Cr[chroma])-128
			row[4*x] = clamp((l + red*cr) >> 16)
			row[4*x+1] = clamp((l - green1*cb - green2*cr) >> 16)
			row[4*x+2] = clamp((l + blue*cb) >> 16)
			row[4*x+3] = 0xff
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
