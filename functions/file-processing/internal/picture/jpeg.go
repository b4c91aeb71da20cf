package picture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	stdjpeg "image/jpeg"
	"slices"

	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/icc"
	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/jpeg"
	"github.com/toolboxai-solutions/satchel/shared/mediatype"
)

func parseJPEG(source []byte, limits Limits) (parsed, error) {
	f, err := jpeg.Read(source, limits.Scans)
	if err != nil {
		return parsed{}, jpegError(err)
	}
	p := parsed{jpeg: f, decode: decodeJPEG}
	if f.Supported() != nil {
		p.clean = f.Rewrite()
		if len(f.Components) == 4 {
			p.decode = decodeCMYK
		}
	}
	want := map[int]string{1: grey, 3: rgb}[len(f.Components)]
	p.colour.profile = profileOf(f.Profile, want)
	p.colour.describe()
	if p.colour.table != nil {
		p.clean, p.decode = f.Rewrite(), decodeTable
	}
	p.Info = Info{Format: mediatype.JPEG, Frames: 1, Orientation: orientation(f.Exif)}
	p.Width, p.Height = shown(f.Width, f.Height, p.Orientation)
	if err := limits.canvas(p.Width, p.Height, 1); err != nil {
		return parsed{}, err
	}
	if err := f.Plausible(); err != nil {
		return parsed{}, jpegError(err)
	}
	if p.clean == nil {
		need := f.Memory(jpeg.Job{Orientation: p.Orientation, Quality: quality})
		return p, limits.bytes(p.Width, p.Height, need)
	}
	return p, limits.memory(p.Width, p.Height, decodingCost(f))
}

// decodingCost estimates the bytes per pixel that decoding to pixels takes: planes and four bytes,
// a copy for turning, and for progressive 32-bit coefficients as well.
func decodingCost(f *jpeg.File) int {
	planes := len(f.Components)
	cost := planes + 8
	if f.Progressive {
		cost += 4 * planes
	}
	return cost
}

// transform makes all variants of a JPEG that package jpeg supports, without decoding it to pixels.
func (p parsed) transform(ctx context.Context, o Options) ([]Variant, error) {
	large, small := 2*o.Thumbnail, max(1, o.Thumbnail/2)
	made, err := p.jpeg.Transform(ctx, jpeg.Job{
		Orientation: p.Orientation, Quality: quality, Fits: []int{large, o.Thumbnail, small},
		Memory:  o.Limits.Memory,
		Profile: p.colour.profile, FitProfile: p.colour.small().profile,
	})
	if err != nil {
		return nil, jpegError(err)
	}
	variant := func(name string, made jpeg.Picture) Variant {
		return Variant{name, mediatype.JPEG, made.Width, made.Height, made.Data}
	}
	return []Variant{
		variant(Optimized, made.Full), variant(ThumbnailSmall, made.Fits[2]),
		variant(Thumbnail, made.Fits[1]), variant(ThumbnailLarge, made.Fits[0]),
	}, nil
}

// jpegError says in this package's words what package jpeg refuses.
func jpegError(err error) error {
	for ours, theirs := range map[error]error{
		ErrCorrupt: jpeg.ErrCorrupt, ErrUnsupported: jpeg.ErrUnsupported,
		ErrTooManyPixels: jpeg.ErrTooLarge,
	} {
		if errors.Is(err, theirs) {
			return fmt.Errorf("%w: %w", ours, err)
		}
	}
	return err
}

func decodeJPEG(_ context.Context, p *parsed) (image.Image, error) {
	pixels, err := stdjpeg.Decode(bytes.NewReader(p.clean))
	if unsupported := stdjpeg.UnsupportedError(""); errors.As(err, &unsupported) {
		return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return pixels, nil
}

// decodeTable decodes and converts a picture whose profile is a table.
func decodeTable(ctx context.Context, p *parsed) (image.Image, error) {
	pixels, err := decodeJPEG(ctx, p)
	if err != nil {
		return nil, err
	}
	table := p.colour.table
	p.colour = colour{}
	return toSRGB(pixels, table), nil
}

// decodeCMYK decodes four components, which are CMYK or, as Adobe's marker says, YCCK. Adobe stores
// both inverted and the standard library expects that; without the marker they are not.
func decodeCMYK(ctx context.Context, p *parsed) (image.Image, error) {
	adobe := p.jpeg.Adobe >= 0
	if !adobe {
		marker := []byte("\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00")
		p.clean = slices.Concat(p.clean[:2], marker, p.clean[2:])
	}
	pixels, err := decodeJPEG(ctx, p)
	if err != nil {
		return nil, err
	}
	cmyk, ok := pixels.(*image.CMYK)
	if !ok {
		return nil, fmt.Errorf("%w: four components decoded as %T", ErrUnsupported, pixels)
	}
	return cmykToRGB(cmyk, !adobe, p.jpeg.Profile), nil
}

// cmykToRGB converts through the profile, or where there is none that can be read by the formula
// that browsers have.
func cmykToRGB(cmyk *image.CMYK, invert bool, profile []byte) *image.RGBA {
	rgba := image.NewRGBA(cmyk.Rect)
	var flip byte
	if invert {
		flip = 0xff
	}
	convert := func(samples ...uint8) (r, g, b uint8) {
		return color.CMYKToRGB(samples[0], samples[1], samples[2], samples[3])
	}
	if p, err := icc.Parse(profile); err == nil && p.Space == icc.CMYK {
		convert = p.Converter().Convert
	}
	for y := range cmyk.Rect.Dy() {
		from, to := cmyk.Pix[y*cmyk.Stride:], rgba.Pix[y*rgba.Stride:]
		for x := 0; x < 4*cmyk.Rect.Dx(); x += 4 {
			r, g, b := convert(from[x]^flip, from[x+1]^flip, from[x+2]^flip, from[x+3]^flip)
			to[x], to[x+1], to[x+2], to[x+3] = r, g, b, 0xff
		}
	}
	return rgba
}
