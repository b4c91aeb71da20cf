package picture_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/picture"
)

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// parts lists what a file consists of, down to its last byte, by a parser of its own. It fails on
// anything after the end and gives the embedded colour profile.
func parts(t testing.TB, v picture.Variant) (kinds []string, profile []byte) {
	t.Helper()
	data := v.Data
	switch v.ContentType {
	case "image/jpeg":
		for data = data[2:]; ; {
			marker := data[1]
			kinds = append(kinds, fmt.Sprintf("%02x", marker))
			if marker == 0xd9 {
				data = data[2:]
				break
			}
			size := 2 + int(binary.BigEndian.Uint16(data[2:]))
			if marker == 0xe2 {
				if string(data[4:16]) != "ICC_PROFILE\x00" {
					t.Fatalf("%s: APP2 of %q", v.Name, data[4:16])
				}
				profile = append(profile, data[18:size]...)
			}
			if marker == 0xe0 && size != 18 {
				t.Fatalf("%s: APP0 of %d bytes", v.Name, size)
			}
			data = data[size:]
			for marker == 0xda && (data[0] != 0xff || data[1] == 0 || data[1]&^7 == 0xd0) {
				data = data[1:]
			}
		}
	case "image/png":
		for data = data[8:]; len(kinds) == 0 || kinds[len(kinds)-1] != "IEND"; {
			size := 12 + int(binary.BigEndian.Uint32(data))
			kinds = append(kinds, string(data[4:8]))
			if kinds[len(kinds)-1] == "iCCP" {
				_, zipped, _ := bytes.Cut(data[8:size-4], []byte{0, 0})
				reader, err := zlib.NewReader(bytes.NewReader(zipped))
				if err != nil {
					t.Fatal(err)
				}
				if profile, err = io.ReadAll(reader); err != nil {
					t.Fatal(err)
				}
			}
			data = data[size:]
		}
	case "image/webp":
		if got := 8 + int(binary.LittleEndian.Uint32(data[4:])); got != len(data) {
			t.Fatalf("%s: %d bytes in a file of %d", v.Name, got, len(data))
		}
		for data = data[12:]; len(data) > 0; {
			size := int(binary.LittleEndian.Uint32(data[4:]))
			kinds = append(kinds, string(data[:4]))
			if string(data[:4]) == "ICCP" {
				profile = data[8 : 8+size]
			}
			data = data[8+size+size%2:]
		}
	case "image/gif":
		film, err := gif.DecodeAll(bytes.NewReader(data))
		if err != nil || len(film.Image) == 0 {
			t.Fatalf("%s: %v", v.Name, err)
		}
		if data[len(data)-1] == 0x3b {
			data = nil
		}
	}
	if len(data) > 0 {
		t.Errorf("%s: %d bytes after the end", v.Name, len(data))
	}
	return kinds, profile
}

// needed are the parts that showing a picture takes.
var needed = strings.Fields(
	`c0 c1 c2 c4 d9 da db dd e0 e2 ee IHDR PLTE tRNS IDAT IEND iCCP sRGB gAMA cHRM cICP VP8X ALPH ANIM ANMF VP8 VP8L ICCP`,
)

func dirty(t testing.TB) map[string][]byte {
	t.Helper()
	words := []byte(secret)
	lossy := testdata(t, "alpha.webp")
	film := testdata(t, "animated.webp")
	return map[string][]byte{
		"sample phone.jpg": sample(t, "dogs-phone.jpg"),
		"all.jpg": append(afterSOI(
			jpegOf(t, textured(64, 48), 90),
			segment(
				0xe0,
				append([]byte("JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x02\x01"), 1, 2, 3, 4, 5, 6),
			),
			segment(0xe0, append([]byte("JFXX\x00\x10"), words...)),
			exifSegment(1),
			segment(0xe1, append([]byte("http://ns.adobe.com/xap/1.0/\x00"), words...)),
			segment(
				0xe2,
				append([]byte("MPF\x00"), words...),
			),
			segment(0xe2, append([]byte("FPXR\x00"), words...)),
			segment(
				0xed,
				append([]byte("Photoshop 3.0\x00"), words...),
			),
			segment(0xee, append([]byte("Adobe\x00\x64\x00\x00\x00\x00\x01"), words...)),
			segment(0xef, words),
			segment(0xfe, words),
		), words...),
		"turned.jpg": afterSOI(
			jpegOf(t, textured(64, 48), 90),
			exifSegment(3),
			segment(0xfe, words),
		),
		"low.jpg": append(afterSOI(
			jpegOf(t, textured(64, 48), 40),
			segment(
				0xe0,
				append([]byte("JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x02\x01"), 1, 2, 3, 4, 5, 6),
			),
			exifSegment(1),
			segment(0xfe, words),
		), words...),
		"all.png": append(
			afterIHDR(
				pngOf(t, textured(64, 48)),
				chunk("eXIf", exif(binary.LittleEndian, 1)),
				chunk(
					"tEXt",
					append([]byte("Comment\x00"), words...),
				),
				chunk("zTXt", append([]byte("Title\x00\x00"), deflated(words)...)),
				chunk(
					"iTXt",
					append([]byte("XML:com.adobe.xmp\x00\x00\x00\x00\x00"), words...),
				),
				chunk("tIME", []byte{7, 232, 1, 1, 1, 1, 1}),
				chunk("prVt", words),
			),
			words...),
		"large.png": append(
			afterIHDR(
				bomb(1500, deflated(make([]byte, 1500*6001))),
				chunk("eXIf", exif(binary.LittleEndian, 1)),
				chunk(
					"tEXt",
					append([]byte("Comment\x00"), words...),
				),
				chunk("prVt", words),
			),
			words...),
		"still.webp": append(
			webpOf(
				vp8x(1<<4|1<<3|1<<2, 64, 43),
				lossy[30:],
				riff("EXIF", exif(binary.LittleEndian, 1)),
				riff("XMP ", words),
				riff("ABCD", words),
			),
			words...),
		"film.webp": append(
			webpOf(film[12:], riff("EXIF", exif(binary.LittleEndian, 1)), riff("XMP ", words)),
			words...),
		"film.gif": withGIFSecrets(animation(t)),
	}
}

func TestNothingIsServedButThePicture(t *testing.T) {
	t.Parallel()
	tool, _ := exec.LookPath("exiftool")
	for name, source := range dirty(t) {
		if strings.Contains(name, "all") && !bytes.Contains(source, []byte(secret)) {
			t.Fatalf("%s has no secret in it", name)
		}
		for _, v := range process(t, source, 32) {
			kinds, _ := parts(t, v)
			for _, kind := range kinds {
				if !slices.Contains(needed, strings.TrimSpace(kind)) {
					t.Errorf("%s of %s has a part %q", v.Name, name, kind)
				}
			}
			for _, hidden := range []string{secret, "Example", "Sample Person", "Greenwich"} {
				if bytes.Contains(v.Data, []byte(hidden)) {
					t.Errorf("%s of %s contains %q", v.Name, name, hidden)
				}
			}
			if tool == "" {
				continue
			}
			command := exec.Command(
				tool,
				"-a",
				"-G1",
				"-s",
				"-EXIF:all",
				"-GPS:all",
				"-XMP:all",
				"-IPTC:all",
				"-MPF:all",
				"-Photoshop:all",
				"-Comment",
				"-Trailer:all",
				"-",
			)
			command.Stdin = bytes.NewReader(v.Data)
			if out, err := command.Output(); err != nil || len(bytes.TrimSpace(out)) > 0 {
				t.Errorf("%s of %s: exiftool still finds %s %v", v.Name, name, out, err)
			}
		}
	}
}

func TestColourProfilesAreKept(t *testing.T) {
	t.Parallel()
	wide := profile(150_000, "RGB ") // three segments
	grey := profile(600, "GRAY")
	greyScene := image.NewGray(image.Rect(0, 0, 64, 48))
	iccp := func(data []byte) []byte {
		return chunk("iCCP",
			append([]byte(secret+"\x00\x00"), deflated(data)...))
	}
	for _, c := range []struct {
		name   string
		source []byte
		want   []byte
	}{
		{"JPEG", afterSOI(jpegOf(t, textured(64, 48), 95), profileSegments(wide)), wide},
		{"JPEG that lies on its side", afterSOI(jpegOf(t, textured(64, 48), 95), exifSegment(6),
			profileSegments(wide)), wide},
		{"JPEG that is only stripped", afterSOI(jpegOf(t, textured(64, 48), 30),
			profileSegments(wide)), wide},
		{"grey JPEG", afterSOI(jpegOf(t, greyScene, 95), profileSegments(grey)), grey},
		{"profile of another space", afterSOI(jpegOf(t, textured(64, 48), 95),
			profileSegments(grey)), nil},
		{"CMYK profile", afterSOI(jpegOf(t, textured(64, 48), 95),
			profileSegments(profile(600, "CMYK"))), nil},
		{"bytes after the profile", afterSOI(jpegOf(t, textured(64, 48), 95),
			profileSegments(append(bytes.Clone(grey), secret...))), nil},
		{"damaged profile", afterSOI(jpegOf(t, textured(64, 48), 95), profileSegments(wide[:200])),
			nil},
		{"PNG", afterIHDR(pngOf(t, textured(64, 48)), iccp(wide)), wide},
		{"grey PNG", afterIHDR(pngOf(t, greyScene), iccp(grey)), grey},
		{"PNG with a bomb for a profile", afterIHDR(pngOf(t, textured(64, 48)),
			iccp(make([]byte, 50<<20))), nil},
		{"WebP", webpOf(vp8x(1<<5, 1600, 1065), riff("ICCP", wide), creek(t)), wide},
	} {
		for _, v := range process(t, c.source, 32) {
			kinds, got := parts(t, v)
			want := c.want
			if v.Name != picture.Optimized && len(want) > 4<<10 {
				want = nil // would be most of a thumbnail
			}
			if !bytes.Equal(got, want) {
				t.Errorf(
					"%s: %s has a profile of %d bytes, want %d (%v)",
					c.name,
					v.Name,
					len(got),
					len(want),
					kinds,
				)
			}
			if bytes.Contains(v.Data, []byte(secret)) {
				t.Errorf("%s: the profile's name is kept", c.name)
			}
			decode(t, v)
		}
	}
}

func TestPNGColourChunks(t *testing.T) {
	t.Parallel()
	gamma := func(value uint32) []byte {
		return chunk("gAMA",
			binary.BigEndian.AppendUint32(nil, value))
	}
	scene := pngOf(t, textured(64, 48))
	for _, c := range []struct {
		name      string
		source    []byte
		optimized string
		thumbnail string
	}{
		{"sRGB", afterIHDR(scene, chunk("sRGB", []byte{0}), gamma(45455)), "sRGB", "image/jpeg"},
		{"the gamma of sRGB", afterIHDR(scene, gamma(45455)), "gAMA", "image/jpeg"},
		{"linear light", afterIHDR(scene, gamma(100000)), "gAMA", "image/png"},
		{"coded independently", afterIHDR(scene, chunk("cICP", []byte{12, 13, 0, 1})), "cICP",
			"image/png"},
	} {
		variants := process(t, c.source, 32)
		if kinds, _ := parts(t, variants[picture.Optimized]); !slices.Contains(kinds, c.optimized) {
			t.Errorf("%s: optimized has %v", c.name, kinds)
		}
		v := variants[picture.Thumbnail]
		if string(v.ContentType) != c.thumbnail {
			t.Errorf("%s: the thumbnail is %s", c.name, v.ContentType)
		}
		if kinds, _ := parts(t, v); v.ContentType == "image/png" &&
			!slices.Contains(kinds, c.optimized) {
			t.Errorf("%s: the thumbnail has %v", c.name, kinds)
		}
	}
}

func TestFourColoursBecomeThree(t *testing.T) {
	t.Parallel()
	ycck := testdata(t, "ycck.jpg") // quarters of red, green, blue and white
	marker := bytes.Index(ycck, []byte("Adobe"))
	cmyk := bytes.Clone(ycck)
	// the same samples, now said to be CMYK: luma and chroma of each ink stand for cyan, magenta
	// and yellow
	cmyk[marker+11] = 0
	bare := append(bytes.Clone(ycck[:marker-4]), ycck[marker+12:]...)
	for _, c := range []struct {
		name   string
		source []byte
		want   [4]color.NRGBA
	}{
		{"YCCK", ycck, [4]color.NRGBA{{255, 0, 0, 255}, {0, 255, 0, 255}, {0, 0, 255, 255},
			{255, 255, 255, 255}}},
		{"CMYK", cmyk, [4]color.NRGBA{{179, 171, 0, 255}, {106, 212, 236, 255}, {226, 0, 149, 255},
			{0, 128, 128, 255}}},
		{"CMYK without Adobe's marker", bare,
			[4]color.NRGBA{{0, 0, 0, 255}, {0, 0, 0, 255}, {0, 0, 0, 255}, {0, 0, 0, 255}}},
	} {
		source := afterSOI(c.source, profileSegments(profile(2000, "CMYK")))
		for _, v := range process(t, source, 32) {
			pixels := decode(t, v)
			if _, four := pixels.(*image.CMYK); four {
				t.Errorf("%s: %s is still CMYK", c.name, v.Name)
			}
			if _, icc := parts(t, v); icc != nil {
				t.Errorf("%s: %s keeps the profile", c.name, v.Name)
			}
			for i, want := range c.want {
				x, y := (1+2*(i%2))*v.Width/4, (1+2*(i/2))*v.Height/4
				got := color.NRGBAModel.Convert(pixels.At(x, y)).(color.NRGBA)
				for _, d := range []int{int(got.R) - int(want.R), int(got.G) - int(want.G),
					int(got.B) - int(want.B)} {
					if d < -24 || d > 24 {
						t.Errorf(
							"%s: quarter %d of %s is %v, want %v",
							c.name,
							i,
							v.Name,
							got,
							want,
						)
						break
					}
				}
			}
		}
	}
}

func TestAlphaIsKept(t *testing.T) {
	t.Parallel()
	for name, source := range map[string][]byte{
		"png": sample(t, "bowl-alpha.png"), "webp": testdata(t, "alpha.webp"),
	} {
		for _, v := range process(t, source, 20) {
			if v.ContentType == "image/webp" {
				continue // the source's own bytes
			}
			pixels := decode(t, v)
			_, _, _, corner := pixels.At(0, 0).RGBA()
			_, _, _, middle := pixels.At(v.Width/2, v.Height/2).RGBA()
			if v.ContentType != "image/png" || corner > 0x300 || middle < 0xfc00 {
				t.Errorf(
					"%s of %s is %s with alpha %x at its corner and %x in its middle",
					v.Name,
					name,
					v.ContentType,
					corner,
					middle,
				)
			}
		}
	}
	for name, v := range process(t, pngOf(t, textured(64, 48)), 20) {
		if want := map[bool]string{true: "image/png",
			false: "image/jpeg"}[name == picture.Optimized]; string(
			v.ContentType,
		) != want {
			t.Errorf("%s of an opaque PNG is %s", name, v.ContentType)
		}
	}
}

// Optimizing a PNG changes no pixel at any depth, upright or turned.
func TestPNGIsOptimizedWithoutLoss(t *testing.T) {
	t.Parallel()
	area := image.Rect(0, 0, 40, 30)
	deep, deepAlpha, deepGrey := image.NewRGBA64(
		area,
	), image.NewNRGBA64(
		area,
	), image.NewGray16(
		area,
	)
	grey, alpha := image.NewGray(area), image.NewNRGBA(area)
	palette := image.NewPaletted(
		area,
		color.Palette{color.NRGBA{1, 2, 3, 255}, color.NRGBA{200, 0, 0, 128}, color.NRGBA{}},
	)
	for i := range 40 * 30 {
		x, y := i%40, i/40
		deep.Set(x, y, color.NRGBA64{uint16(i * 53), uint16(i * 31), uint16(i * 7), 0xffff})
		deepAlpha.Set(
			x,
			y,
			color.NRGBA64{uint16(i * 53), uint16(i * 31), uint16(i * 7), uint16(i * 54)},
		)
		deepGrey.Set(x, y, color.Gray16{uint16(i * 53)})
		grey.Set(x, y, color.Gray{uint8(i)})
		alpha.Set(x, y, color.NRGBA{uint8(i), uint8(i * 3), uint8(i * 5), uint8(i * 7)})
		palette.SetColorIndex(x, y, uint8(i%3))
	}
	for _, pixels := range []image.Image{deep, deepAlpha, deepGrey, grey, alpha, palette} {
		for _, orientation := range []int{1, 8} {
			source := afterIHDR(
				pngOf(t, pixels),
				chunk("eXIf", exif(binary.BigEndian, orientation)),
			)
			got := decode(t, process(t, source, 8)[picture.Optimized])
			for i := range 40 * 30 {
				x, y := i%40, i/40
				toX, toY := x, y
				if orientation == 8 {
					toX, toY = y, 39-x
				}
				a, b := color.NRGBA64Model.Convert(
					pixels.At(x, y),
				), color.NRGBA64Model.Convert(
					got.At(toX, toY),
				)
				if a != b {
					t.Fatalf(
						"%T at orientation %d: pixel %d, %d is %v, was %v",
						pixels,
						orientation,
						x,
						y,
						b,
						a,
					)
				}
			}
		}
	}
}

func TestAnimationsStayAnimations(t *testing.T) {
	t.Parallel()
	source := withGIFSecrets(animation(t))
	want, err := gif.DecodeAll(bytes.NewReader(animation(t)))
	if err != nil {
		t.Fatal(err)
	}
	variants := process(t, source, 32)
	got, err := gif.DecodeAll(bytes.NewReader(variants[picture.Optimized].Data))
	if err != nil {
		t.Fatal(err)
	}
	if got.LoopCount != 7 || !slices.Equal(got.Delay, want.Delay) || len(got.Image) != 3 {
		t.Errorf("%d frames, delays %v, %d loops", len(got.Image), got.Delay, got.LoopCount)
	}
	for i := range want.Image {
		if !bytes.Equal(got.Image[i].Pix, want.Image[i].Pix) ||
			got.Image[i].Rect != want.Image[i].Rect {
			t.Errorf("frame %d changed", i)
		}
	}
	v := variants[picture.ThumbnailLarge] // 64 × 48: not scaled
	pixels := decode(t, v)
	_, _, _, outside := pixels.At(60, 4).RGBA()
	r, _, _, inside := pixels.At(1, 9).RGBA()
	if v.ContentType != "image/png" || outside != 0 || inside != 0xffff || r != 0xffff {
		t.Errorf(
			"the first frame is not where it belongs: %s, alpha %x outside, %x and red %x inside",
			v.ContentType,
			outside,
			inside,
			r,
		)
	}

	film := testdata(t, "animated.webp")
	info, err := picture.Inspect(film, picture.Limits{})
	if err != nil || info.Frames != 2 {
		t.Fatalf("%+v, %v", info, err)
	}
	if optimized := process(t, film, 32)[picture.Optimized].Data; !bytes.Equal(optimized, film) {
		t.Errorf("a clean animation changed from %d to %d bytes", len(film), len(optimized))
	}
}

// VP8 has television range. Without stretching it black would be dark grey and white light grey.
func TestWebPColours(t *testing.T) {
	t.Parallel()
	for name, alpha := range map[string]uint8{"contrast.webp": 255, "contrast-alpha.webp": 128} {
		pixels := decode(t, process(t, testdata(t, name), 32)[picture.Thumbnail])
		for x, want := range map[int]uint8{4: 0, 28: 255} {
			got := color.NRGBAModel.Convert(pixels.At(x, 16)).(color.NRGBA)
			for _, d := range []int{int(got.R) - int(want), int(got.G) - int(want),
				int(got.B) - int(want), int(got.A) - int(alpha)} {
				if d < -3 || d > 3 {
					t.Errorf("%s: %v at %d, want %d with alpha %d", name, got, x, want, alpha)
					break
				}
			}
		}
	}
	lossless := decode(t, process(t, testdata(t, "lossless.webp"), 64)[picture.Thumbnail])
	jpegs := decode(t, process(t, testdata(t, "progressive.jpg"), 64)[picture.Thumbnail])
	if d := difference(t, lossless, jpegs); d > 12 {
		t.Errorf("lossless WebP and JPEG of one scene differ by %.1f", d)
	}
	film := decode(t, process(t, testdata(t, "animated.webp"), 64)[picture.Thumbnail])
	if d := difference(t, lossless, film); d > 14 {
		t.Errorf("lossless and lossy WebP of one scene differ by %.1f", d)
	}
}
