package picture_test

import (
	"bytes"
	"encoding/binary"
	"image/color"
	"image/gif"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/jpeg"
	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/picture"
)

// Files of kinds that real sites have and that were refused, shown wrongly or not cleaned once.
func TestKindsOfRealFiles(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("testdata/cases/*")
	if err != nil || len(names) == 0 {
		t.Fatal("no cases", err)
	}
	incomplete := map[string]bool{
		"apng-two-frames.png":               true,
		"gif-animated-truncated-second.gif": true,
	}
	for _, path := range names {
		name := filepath.Base(path)
		t.Run(name, func(t *testing.T) {
			source, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			result, err := picture.Process(t.Context(), source, picture.Options{Thumbnail: 32})
			if err != nil {
				t.Fatal(err)
			}
			if result.Incomplete != incomplete[name] {
				t.Errorf("incomplete: %v", result.Incomplete)
			}
			for _, v := range result.Variants {
				if v.ContentType != "image/webp" {
					decode(t, v)
				}
				parts(t, v)
				if bytes.Contains(v.Data, []byte("SECRET")) ||
					bytes.Contains(v.Data, []byte("Jane Doe")) {
					t.Errorf("%s of %d bytes still has what was hidden", v.Name, len(v.Data))
				}
				if v.Name != picture.Optimized && len(v.Data) > 8000 {
					t.Errorf("%s has %d bytes", v.Name, len(v.Data))
				}
			}
			if optimized := result.Variants[0]; strings.HasPrefix(name, "png-g") ||
				strings.HasPrefix(name, "png-i") {
				if kinds, _ := parts(t, optimized); strings.Contains(
					strings.Join(kinds, " "),
					"gAMA iCCP",
				) {
					t.Errorf("a colour chunk in the wrong place or damaged takes effect: %v", kinds)
				}
			}
		})
	}
}

func TestTransparencyBeyondThePixelsMeaning(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("testdata/cases/png-grey1-trns-high-bits.png")
	if err != nil {
		t.Fatal(err)
	}
	optimized := process(t, source, 32)[picture.Optimized]
	at := bytes.Index(optimized.Data, []byte("tRNS"))
	if at >= 0 && binary.BigEndian.Uint16(optimized.Data[at+4:]) > 1 {
		t.Errorf("transparent is %x of one bit", optimized.Data[at+4:at+6])
	}
}

// A frame may be larger than the screen: it is cut, as browsers do.
func TestGIFFrameLargerThanItsScreen(t *testing.T) {
	t.Parallel()
	source := animation(t)
	binary.LittleEndian.PutUint16(source[6:], 20)
	binary.LittleEndian.PutUint16(source[8:], 16)
	result, err := picture.Process(t.Context(), source, picture.Options{Thumbnail: 32})
	if err != nil || result.Info.Width != 20 || result.Info.Height != 16 ||
		result.Info.Frames != 3 {
		t.Fatalf("%+v, %v", result.Info, err)
	}
	r, _, b, a := decode(t, result.Variants[3]).At(1, 9).RGBA()
	if r != 0xffff || b != 0 || a != 0xffff {
		t.Errorf("the first frame is not on its screen: %x %x %x", r, b, a)
	}
}

func TestZerosBeforeTheGIFsEnd(t *testing.T) {
	t.Parallel()
	source := animation(t)
	padded := append(bytes.Clone(source[:len(source)-1]), 0, 0, 0, 0x3b)
	film, err := gif.DecodeAll(bytes.NewReader(process(t, padded, 32)[picture.Optimized].Data))
	if err != nil || len(film.Image) != 3 {
		t.Errorf("%v", err)
	}
}

// Compressed data has an end of its own. What follows it, inside the chunk that it lies in, is read
// by no decoder and has to go.
func TestMarksBehindCompressedData(t *testing.T) {
	t.Parallel()
	mark := []byte(secret + secret)
	scene := pngOf(t, textured(40, 30))
	at := bytes.Index(scene, []byte("IDAT"))
	size := int(binary.BigEndian.Uint32(scene[at-4:]))
	data := append(bytes.Clone(scene[at+4:at+4+size]), mark...)
	film := animation(t)
	last := bytes.LastIndex(film, []byte{0, 0x3b})
	block := append([]byte{byte(len(mark))}, mark...)
	riffs := func(name, kind string) []byte {
		source := testdata(t, name)
		at := bytes.Index(source, []byte(kind))
		size := int(binary.LittleEndian.Uint32(source[at+4:]))
		chunk := riff(kind, append(bytes.Clone(source[at+8:at+8+size]), mark...))
		return webpOf(source[12:at], chunk, source[at+8+size+size%2:])
	}
	for name, source := range map[string][]byte{
		"png": bytes.Join(
			[][]byte{scene[:at-4], chunk("IDAT", data), chunk("IEND", nil)}, nil),
		"png, in a chunk of its own": bytes.Join(
			[][]byte{scene[:at+8+size], chunk("IDAT", mark), chunk("IEND", mark)}, nil),
		"gif":           bytes.Join([][]byte{film[:last], block, film[last:]}, nil),
		"lossless webp": riffs("lossless.webp", "VP8L"),
		"lossy webp":    riffs("alpha.webp", "VP8 "),
		"alpha of webp": riffs("alpha.webp", "ALPH"),
	} {
		if !bytes.Contains(source, mark) {
			t.Fatalf("%s has no mark", name)
		}
		for _, v := range process(t, source, 32) {
			if bytes.Contains(v.Data, []byte(secret)) {
				t.Errorf("the mark survives in %s of %s", v.Name, name)
			}
		}
	}
}

func TestRedLinesStayRed(t *testing.T) {
	t.Parallel()
	pixels := quarters(96, 96)
	for i := range pixels.Pix {
		pixels.Pix[i] = 255
	}
	for y := range 96 {
		for x := range 96 {
			if (x+y)%7 == 0 {
				pixels.SetNRGBA(x, y, color.NRGBA{200, 0, 0, 255})
			}
		}
	}
	fine, err := jpeg.Encode(pixels, 95, nil) // keeps its chrominance, too
	if err != nil {
		t.Fatal(err)
	}
	for name, source := range map[string][]byte{"PNG": pngOf(t, pixels), "JPEG": fine} {
		v := process(t, source, 48)[picture.ThumbnailLarge] // at its size
		if d := difference(t, decode(t, v), pixels); d > 12 {
			t.Errorf("red lines of a %s differ by %.1f", name, d)
		}
	}
}
