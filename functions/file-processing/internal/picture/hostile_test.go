package picture_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"runtime"
	"strings"
	"testing"

	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/picture"
)

func refused(t *testing.T, name string, source []byte, limits picture.Limits, want error) {
	t.Helper()
	result, err := picture.Process(
		t.Context(),
		source,
		picture.Options{Thumbnail: 32, Limits: limits},
	)
	if !errors.Is(err, want) || len(result.Variants) != 0 {
		t.Errorf("%s: %d variants, %v; want %v", name, len(result.Variants), err, want)
	}
}

// No prefix of a picture is a picture: nothing is served that stops halfway and is grey from there.
// A JPEG may miss the marker at its end, as a large phone family's panoramas do.
func TestTruncated(t *testing.T) {
	t.Parallel()
	for name, source := range map[string][]byte{
		"baseline.jpg":    jpegOf(t, textured(40, 30), 90),
		"progressive.jpg": testdata(t, "progressive.jpg"),
		"ycck.jpg":        testdata(t, "ycck.jpg"),
		"a.png":           pngOf(t, textured(40, 30)),
		"a.gif":           animation(t),
		"lossless.webp":   testdata(t, "lossless.webp"),
		"alpha.webp":      testdata(t, "alpha.webp"),
		"animated.webp":   testdata(t, "animated.webp"),
	} {
		process(t, source, 32)
		for n := 1; n < len(source); n++ {
			result, err := picture.Process(t.Context(), source[:n], picture.Options{Thumbnail: 32})
			if strings.HasSuffix(name, ".jpg") && n >= len(source)-2 {
				if err != nil {
					t.Errorf("%s without its end marker: %v", name, err)
				}
				continue
			}
			if name == "a.gif" && err == nil && (result.Info.Frames < 3 || n == len(source)-1) {
				continue // an animation is shown up to where it breaks off
			}
			if name == "a.png" && err == nil && n >= len(source)-len("....IEND....") {
				continue // the end chunk alone
			}
			if !errors.Is(err, picture.ErrCorrupt) {
				t.Fatalf("%s cut to %d of %d bytes: %v", name, n, len(source), err)
			}
		}
	}
	refused(t, "nothing", nil, picture.Limits{}, picture.ErrUnsupported)
}

// A cut that the container's length field was corrected for must show in the image data.
func TestTruncatedInside(t *testing.T) {
	t.Parallel()
	baseline := jpegOf(t, textured(40, 30), 90)
	refused(
		t,
		"JPEG with its end moved up",
		append(bytes.Clone(baseline[:len(baseline)/2]), 0xff, 0xd9),
		picture.Limits{},
		picture.ErrCorrupt,
	)
	for _, name := range []string{"lossless.webp", "alpha.webp"} {
		source := testdata(t, name)
		at := bytes.LastIndex(source, []byte("VP8"))
		size := int(binary.LittleEndian.Uint32(source[at+4:])) / 2 &^ 1
		cut := bytes.Clone(source[:at+8+size])
		binary.LittleEndian.PutUint32(cut[at+4:], uint32(size))
		binary.LittleEndian.PutUint32(cut[4:], uint32(len(cut)-8))
		refused(t, name, cut, picture.Limits{}, picture.ErrCorrupt)
	}
	scene := pngOf(t, textured(40, 30))
	at := bytes.Index(scene, []byte("IDAT"))
	size := int(binary.BigEndian.Uint32(scene[at-4:])) / 2
	cut := append(
		append(bytes.Clone(scene[:at-4]), chunk("IDAT", scene[at+4:at+4+size])...),
		chunk("IEND", nil)...)
	refused(t, "PNG", cut, picture.Limits{}, picture.ErrCorrupt)
}

func TestCorrupt(t *testing.T) {
	t.Parallel()
	scene := pngOf(t, textured(40, 30))
	scene[len(scene)/2] ^= 1
	refused(t, "PNG with a wrong checksum", scene, picture.Limits{}, picture.ErrCorrupt)

	photo := jpegOf(t, textured(40, 30), 90)
	photo[len(photo)/2], photo[len(photo)/2+1] = 0xff, 0x01
	refused(t, "JPEG with a marker inside its data", photo, picture.Limits{}, picture.ErrCorrupt)

	film := animation(t)
	last := bytes.LastIndex(
		film,
		[]byte("\x2c\x10\x00\x08\x00\x20\x00\x20\x00"),
	) // the third frame's descriptor
	broken := append(
		bytes.Clone(film[:last+9]),
		0,
		2,
		1,
		0x44,
		0,
		0x3b,
	) // its data is cut short, though its blocks are whole
	if info, err := picture.Inspect(broken, picture.Limits{}); err != nil || info.Frames != 3 {
		t.Fatalf("%+v, %v", info, err)
	}
	result, err := picture.Process(t.Context(), broken, picture.Options{Thumbnail: 32})
	if err != nil || !result.Incomplete || result.Info.Frames != 2 {
		t.Errorf("GIF whose last frame is short: %+v, %v", result.Info, err)
	}

	lossy := testdata(t, "alpha.webp")
	shrunk := webpOf(vp8x(1<<4, 16, 16), lossy[30:])
	refused(
		t,
		"WebP whose canvas is not its image's size",
		shrunk,
		picture.Limits{},
		picture.ErrCorrupt,
	)

	grey := jpegOf(t, image.NewGray(image.Rect(0, 0, 16, 16)), 90)
	scan := bytes.Index(grey, []byte{0xff, 0xda})
	twice := append(bytes.Clone(grey[:len(grey)-2]), grey[scan:]...)
	refused(t, "JPEG with the same scan twice", twice, picture.Limits{}, picture.ErrCorrupt)
}

func TestUnsupported(t *testing.T) {
	t.Parallel()
	for name, source := range map[string]string{
		"HEIC": "\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic",
		"AVIF": "\x00\x00\x00\x18ftypavif\x00\x00\x00\x00mif1avif",
		"TIFF": "II*\x00\x08\x00\x00\x00\x00\x00",
		"BMP":  "BM\x46\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00",
		"WAV":  "RIFF\x24\x00\x00\x00WAVEfmt ", "text": "not a picture",
	} {
		refused(t, name, []byte(source), picture.Limits{}, picture.ErrUnsupported)
	}
	arithmetic := jpegOf(t, textured(16, 16), 90)
	arithmetic[bytes.Index(arithmetic, []byte{0xff, 0xc0})+1] = 0xc9
	refused(t, "JPEG with arithmetic coding", arithmetic, picture.Limits{}, picture.ErrUnsupported)
}

// bomb is a PNG of side × side pixels in a few kilobytes, or with no data at all.
func bomb(side int, data []byte) []byte {
	header := binary.BigEndian.AppendUint32(
		binary.BigEndian.AppendUint32(nil, uint32(side)),
		uint32(side),
	)
	return bytes.Join([][]byte{
		[]byte(
			"\x89PNG\r\n\x1a\n",
		), chunk("IHDR", append(header, 8, 6, 0, 0, 0)), chunk("IDAT", data), chunk("IEND", nil),
	}, nil)
}

func TestBombsAreRefusedBeforePixelsAreAllocated(t *testing.T) {
	big := bomb(30_000, deflated(make([]byte, 30_000*3000)))
	if len(big) > 200<<10 {
		t.Fatalf("the bomb has %d bytes", len(big))
	}
	gifBomb := animation(t)
	binary.LittleEndian.PutUint16(gifBomb[6:], 60_000)
	binary.LittleEndian.PutUint16(gifBomb[8:], 60_000)
	jpegBomb := jpegOf(t, textured(16, 16), 90)
	frame := bytes.Index(jpegBomb, []byte{0xff, 0xc0})
	binary.BigEndian.PutUint32(jpegBomb[frame+5:], 0xffffffff)
	progressive := testdata(t, "progressive.jpg")
	frame = bytes.Index(progressive, []byte{0xff, 0xc2})
	binary.BigEndian.PutUint16(
		progressive[frame+5:],
		9000,
	) // 81 megapixels fit, but nothing is there to decode
	binary.BigEndian.PutUint16(progressive[frame+7:], 9000)
	film := webpOf(
		vp8x(1<<1, 1<<24, 1<<24),
		riff("ANIM", make([]byte, 6)),
		riff("ANMF", make([]byte, 16)),
	)
	for name, source := range map[string][]byte{
		"png": big, "png without data": bomb(1<<31-1, nil), "gif": gifBomb, "jpeg": jpegBomb,
		"progressive": progressive, "webp": film,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := picture.Inspect(source, picture.Limits{})
		runtime.ReadMemStats(&after)
		want := picture.ErrTooManyPixels
		if name == "progressive" {
			want = picture.ErrCorrupt
		}
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
			t.Errorf("%s: refused after %d bytes", name, grown)
		}
		refused(t, name, source, picture.Limits{}, want)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	photo := jpegOf(t, textured(40, 30), 90)
	refused(
		t,
		"a pixel too many",
		photo,
		picture.Limits{Pixels: 40*30 - 1},
		picture.ErrTooManyPixels,
	)
	if _, err := picture.Inspect(photo, picture.Limits{Pixels: 40 * 30}); err != nil {
		t.Errorf("as many pixels as allowed: %v", err)
	}
	for name, source := range map[string][]byte{"gif": animation(t),
		"webp": testdata(t, "animated.webp")} {
		refused(
			t,
			"a frame too many in "+name,
			source,
			picture.Limits{Frames: 1},
			picture.ErrTooManyPixels,
		)
		info, err := picture.Inspect(source, picture.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		pixels := int64(info.Width * info.Height * info.Frames)
		refused(
			t,
			"frames count as pixels in "+name,
			source,
			picture.Limits{Pixels: pixels - 1},
			picture.ErrTooManyPixels,
		)
	}
	refused(
		t,
		"a scan too many",
		testdata(t, "progressive.jpg"),
		picture.Limits{Scans: 5},
		picture.ErrTooManyPixels,
	)
	refused(t, "too much memory", photo, picture.Limits{Memory: 40 * 30}, picture.ErrTooManyPixels)
}
