package picture

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"slices"

	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/jpeg"
	"github.com/toolboxai-solutions/satchel/shared/mediatype"
)

const (
	// quality is that of libjpeg's scale. 80 is what sharp and most image services take: at full
	// size and in thumbnails on dense screens its loss is not seen, and 90 costs about 60 % more
	// bytes.
	quality = 80
	// recompressed is the most pixels of a PNG that are compressed anew, at the usual level: the
	// best one took up to two microseconds a pixel to save some per cent. Of larger ones only
	// metadata is stripped.
	recompressed = 2_000_000
)

// encode writes pixels that are upright as JPEG or, where JPEG cannot say what they are, as PNG.
func (p parsed) encode(name string, pixels image.Image, c colour) (Variant, error) {
	size := pixels.Bounds().Size()
	variant := Variant{Name: name, ContentType: mediatype.JPEG, Width: size.X, Height: size.Y}
	var err error
	if isOpaque(pixels) && !c.pngOnly {
		variant.Data, err = jpeg.Encode(pixels, quality, c.profileFor(pixels))
	} else {
		variant.ContentType = mediatype.PNG
		variant.Data, err = encodePNG(pixels, c, png.DefaultCompression)
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
	encoded := stripped
	switch p.Format {
	case mediatype.PNG:
		encoded.Data, err = encodePNG(pixels, p.colour, png.DefaultCompression)
	default:
		encoded, err = p.encode(Optimized, pixels, p.colour)
	}
	if p.Format == mediatype.PNG && p.Orientation == upright && len(encoded.Data) > len(p.clean) {
		return stripped, err
	}
	return encoded, err
}

// stripOnly reports whether an upright picture is left as it is but for its metadata: where no
// encoder is at hand, and where compressing a PNG anew would take too long or lose what it says.
// The encoder writes grey with alpha as RGB, to which a grey profile would not belong.
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

func encodePNG(pixels image.Image, c colour, level png.CompressionLevel) ([]byte, error) {
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: level}).Encode(&out, pixels); err != nil {
		return nil, fmt.Errorf("encode PNG: %w", err)
	}
	c.profile = c.profileFor(pixels)
	return slices.Concat(out.Bytes()[:afterIHDR], c.bytes(), out.Bytes()[afterIHDR:]), nil
}
