// Package picture turns an uploaded picture into pictures that are safe to hand out: upright, in
// the right colours, in the sizes that are served, and free of everything that is not needed to
// show them (place, time, camera, comments, embedded previews, bytes after the end).
//
// Every source is first rewritten to the parts that decoding needs, and only that rewriting is
// decoded. So what was checked and what is served are the same bytes, and no decoder sees what a
// picture does not need.
package picture

import (
	"context"
	"errors"
	"fmt"
	"image"

	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/jpeg"
	"github.com/toolboxai-solutions/satchel/shared/mediatype"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
)

// The three ways in which a picture can be refused. Errors of this package wrap exactly one of
// them, or the context's error.
var (
	ErrCorrupt = errors.New(
		"picture is corrupt",
	) // truncated, damaged or against its format
	ErrUnsupported = errors.New(
		"picture is not supported",
	) // a format, or a kind of one, that cannot be cleaned
	ErrTooManyPixels = errors.New("picture has too many pixels") // above one of the Limits
)

// Names of the variants that Process makes.
const (
	Optimized      = storedfile.Optimized      // full size
	ThumbnailSmall = storedfile.ThumbnailSmall // half of Options.Thumbnail
	Thumbnail      = storedfile.Thumbnail      // Options.Thumbnail
	ThumbnailLarge = storedfile.ThumbnailLarge // double of Options.Thumbnail
)

// Info is what a picture's structure says of it.
type Info struct {
	Format        mediatype.Type // JPEG, PNG, GIF or WebP
	Width, Height int            // pixels as shown, so after Orientation was applied
	Frames        int            // 1 unless animated
	Orientation   int            // EXIF orientation as stored, 1 (upright) to 8
}

// Variant is one picture that may be served. It holds no metadata but a colour profile.
type Variant struct {
	Name          string
	ContentType   mediatype.Type
	Width, Height int // pixels
	Data          []byte
}

// Result is what Process made of a source: Variants are Optimized, ThumbnailSmall, Thumbnail and
// ThumbnailLarge, in this order. Fallback says that a JPEG was of a kind, CMYK for example, for
// which it had to be decoded to pixels. Grown says that Optimized has more bytes than the source,
// which happens to none that is upright in RGB or grey, unless its end mark was missing: turning
// one of low quality moves it to other blocks, and its quality is kept.
type Result struct {
	Info     Info
	Variants []Variant
	Fallback bool
	Grown    bool

	// Incomplete says that an animation broke off and was kept up to there.
	Incomplete bool
}

// Options says what to make. Thumbnail is the longer side in pixels of the variant of that name, at
// least 1.
type Options struct {
	Thumbnail int
	Limits    Limits
}

// Inspect reads a picture's structure and checks it against the limits. It allocates no pixels, so
// its cost does not depend on the dimensions that the source claims.
func Inspect(source []byte, limits Limits) (info Info, err error) {
	defer recovered(&err)
	p, err := parse(source, limits.withDefaults())
	return p.Info, err
}

// Process makes all variants of a picture. The same source gives the same bytes, so that a retry
// overwrites what an earlier attempt stored with the same content. It stops between two steps when
// ctx is done.
//
// Thumbnails fit inside a square with the aspect kept and are never enlarged. Optimized is never
// larger in bytes than an upright source in RGB or grey, but for an end mark that was missing.
func Process(ctx context.Context, source []byte, options Options) (result Result, err error) {
	defer recovered(&err)
	if options.Thumbnail < 1 {
		return Result{}, fmt.Errorf("thumbnail size %d: want at least 1", options.Thumbnail)
	}
	options.Limits = options.Limits.withDefaults()
	p, err := parse(source, options.Limits)
	if err != nil {
		return Result{}, err
	}
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	if p.jpeg != nil && p.clean == nil {
		variants, err := p.transform(ctx, options)
		if err != nil {
			return Result{}, err
		}
		return Result{
			Info:     p.Info,
			Variants: variants,
			Grown:    len(variants[0].Data) > len(source),
		}, ctx.Err()
	}
	pixels, err := p.decode(ctx, &p)
	if err != nil {
		return Result{}, err
	}
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	thumbnails, err := p.thumbnails(ctx, pixels, options.Thumbnail)
	if err != nil {
		return Result{}, err
	}
	optimized, err := p.optimize(pixels)
	if err != nil {
		return Result{}, err
	}
	return Result{
		Info: p.Info, Variants: append([]Variant{optimized}, thumbnails...),
		Fallback: p.jpeg != nil, Grown: len(optimized.Data) > len(source), Incomplete: p.incomplete,
	}, ctx.Err()
}

// parsed is a picture whose structure was checked.
type parsed struct {
	Info
	// the source with only what decoding needs: what is decoded, and served where nothing is
	// re-encoded
	clean []byte
	// nil for other formats; clean is set only where package jpeg does not support it
	jpeg   *jpeg.File
	colour colour

	incomplete bool // see Result
	// the first frame on the whole canvas, not yet oriented; checks every frame
	decode func(context.Context, *parsed) (image.Image, error)
}

func parse(source []byte, limits Limits) (parsed, error) {
	switch format, whole := sniff(source); {
	case format == "":
		return parsed{}, fmt.Errorf("%w: neither JPEG nor PNG, GIF or WebP", ErrUnsupported)
	case !whole:
		return parsed{}, fmt.Errorf("%w: it ends within its signature", ErrCorrupt)
	case format == mediatype.JPEG:
		return parseJPEG(source, limits)
	case format == mediatype.PNG:
		return parsePNG(source, limits)
	case format == mediatype.GIF:
		return parseGIF(source, limits)
	default:
		return parseWebP(source, limits)
	}
}

// sniff names the format by its signature; whole is false when the source ends within one.
func sniff(source []byte) (format mediatype.Type, whole bool) {
	for _, known := range []struct {
		format    mediatype.Type
		signature string // a question mark stands for any byte
	}{
		{mediatype.JPEG, "\xff\xd8\xff"},
		{mediatype.PNG, pngSignature},
		{mediatype.GIF, "GIF87a"},
		{mediatype.GIF, "GIF89a"},
		{mediatype.WebP, "RIFF????WEBP"},
	} {
		n := min(len(source), len(known.signature))
		matches := n > 0
		for i := range n {
			matches = matches && (known.signature[i] == '?' || known.signature[i] == source[i])
		}
		if matches {
			return known.format, n == len(known.signature)
		}
	}
	return "", false
}

// recovered turns a panic of a decoder into an error: a source made to crash one must end its own
// processing and nothing else's.
func recovered(err *error) {
	if cause := recover(); cause != nil {
		*err = fmt.Errorf("%w: decoder panicked: %v", ErrCorrupt, cause)
	}
}
