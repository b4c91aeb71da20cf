package picture

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"slices"

	"github.com/toolboxai-solutions/satchel/shared/mediatype"
)

const (
	// quality is that of libjpeg's scale. 80 is what sharp and most image services take: at full size and in
	// thumbnails on dense screens its loss is not seen, and 90 costs about 60 % more bytes.
	quality = 80
	// worthwhile is the share of its stripped size that a re-encoded JPEG may have at most. For less gain it
	// is better to lose no quality at all.
	worthwhile = 0.9
	// recompressed is the most pixels of a PNG that are compressed anew. The best level takes up to two
	// microseconds a pixel on one vCPU to save some per cent, so it is for small pictures; of larger ones
	// metadata is stripped only.
	recompressed = 2_000_000
)

// encode writes pixels that are upright as JPEG or, where JPEG cannot say what they are, as PNG.
func (p parsed) encode(name string, pixels image.Image) (Variant, error) {
	size := pixels.Bounds().Size()
	variant := Variant{Name: name, ContentType: mediatype.JPEG, Width: size.X, Height: size.Y}
	var err error
	if isOpaque(pixels) && !p.colour.pngOnly {
		variant.Data, err = encodeJPEG(pixels, p.colour, quality)
	} else {
		variant.ContentType = mediatype.PNG
		variant.Data, err = encodePNG(pixels, p.colour, png.DefaultCompression)
	}
	return variant, err
}

// optimize makes the variant of full size from the decoded pixels, not yet oriented.
func (p parsed) optimize(pixels image.Image) (Variant, error) {
	stripped := Variant{Optimized, p.Format, p.Width, p.Height, p.clean}
	if p.Orientation == upright && p.stripOnly(pixels) {
		return stripped, nil
	}
	pixels, err := orient(pixels, p.Orientation)
	if err != nil {
		return Variant{}, err
	}
	if p.Format == mediatype.JPEG && (p.Orientation != upright || p.foreign) {
		return p.smallerJPEG(pixels)
	}
	encoded, most := stripped, float64(len(p.clean))
	switch p.Format {
	case mediatype.PNG:
		level := png.BestCompression
		if p.Width*p.Height > recompressed {
			level = png.DefaultCompression
		}
		encoded.Data, err = encodePNG(pixels, p.colour, level)
	case mediatype.JPEG:
		encoded.Data, err = encodeJPEG(pixels, p.colour, quality)
		most *= worthwhile
	default:
		encoded, err = p.encode(Optimized, pixels)
	}
	if p.Orientation == upright && float64(len(encoded.Data)) > most {
		return stripped, err
	}
	return encoded, err
}

// smallerJPEG encodes a JPEG that cannot stay as it is. One of low quality would grow at the usual quality,
// so that is lowered towards the source's own, down to what no source is expected below.
func (p parsed) smallerJPEG(pixels image.Image) (v Variant, err error) {
	v = Variant{Optimized, mediatype.JPEG, p.Width, p.Height, nil}
	for q := quality; q >= 30; q -= 10 {
		if v.Data, err = encodeJPEG(pixels, p.colour, q); err != nil || len(v.Data) <= p.size {
			break
		}
	}
	return v, err
}

// stripOnly reports whether an upright picture is left as it is but for its metadata: where no encoder is at
// hand, and where compressing a PNG anew would take too long or lose what it says. The encoder writes grey
// with alpha as RGB, to which a grey profile would not belong.
func (p parsed) stripOnly(pixels image.Image) bool {
	switch p.Format {
	case mediatype.GIF, mediatype.WebP:
		return true
	case mediatype.PNG:
		fits := p.colour.profile == nil || p.colour.profileFor(pixels) != nil
		return !fits || p.Width*p.Height > recompressed
	}
	return false
}

func isOpaque(pixels image.Image) bool {
	o, ok := pixels.(interface{ Opaque() bool })
	return ok && o.Opaque()
}

func encodeJPEG(pixels image.Image, c colour, quality int) ([]byte, error) {
	if n, ok := pixels.(*image.NRGBA); ok { // it is opaque, so the same bytes are RGBA, which has the fast path
		pixels = &image.RGBA{Pix: n.Pix, Stride: n.Stride, Rect: n.Rect}
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, pixels, &jpeg.Options{Quality: quality}); err != nil {
		return nil, fmt.Errorf("encode JPEG: %w", err)
	}
	const afterSOI = 2
	return slices.Concat(out.Bytes()[:afterSOI], profileSegments(c.profileFor(pixels)), out.Bytes()[afterSOI:]), nil
}

func encodePNG(pixels image.Image, c colour, level png.CompressionLevel) ([]byte, error) {
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: level}).Encode(&out, pixels); err != nil {
		return nil, fmt.Errorf("encode PNG: %w", err)
	}
	c.profile = c.profileFor(pixels)
	return slices.Concat(out.Bytes()[:afterIHDR], c.bytes(), out.Bytes()[afterIHDR:]), nil
}
