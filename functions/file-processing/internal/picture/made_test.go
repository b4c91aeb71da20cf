package picture_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/picture"
)

// secret stands for everything that must not be served. It is in each kind of metadata that is made
// here.
const secret = "SECRET-PLACE-51.4779N"

const samples = "../../../../infra/local/samples"

func sample(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(samples, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func process(t testing.TB, source []byte, thumbnail int) map[string]picture.Variant {
	t.Helper()
	result, err := picture.Process(t.Context(), source, picture.Options{Thumbnail: thumbnail})
	if err != nil {
		t.Fatal(err)
	}
	variants := map[string]picture.Variant{}
	for _, v := range result.Variants {
		variants[v.Name] = v
	}
	if len(variants) != 4 || len(result.Variants) != 4 {
		t.Fatalf("%d variants, want 4", len(result.Variants))
	}
	return variants
}

func decode(t testing.TB, v picture.Variant) image.Image {
	t.Helper()
	pixels, format, err := image.Decode(bytes.NewReader(v.Data))
	if err != nil {
		t.Fatalf("%s: %v", v.Name, err)
	}
	if "image/"+format != string(v.ContentType) {
		t.Fatalf("%s is %s, said to be %s", v.Name, format, v.ContentType)
	}
	if config, _, err := image.DecodeConfig(bytes.NewReader(v.Data)); err != nil ||
		config.Width != v.Width ||
		config.Height != v.Height {
		t.Fatalf(
			"%s is %d × %d, said to be %d × %d: %v",
			v.Name,
			config.Width,
			config.Height,
			v.Width,
			v.Height,
			err,
		)
	}
	return pixels
}

// quarters has another colour in each quarter: red, green, blue, white in reading order.
func quarters(width, height int) *image.NRGBA {
	pixels := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			c := color.NRGBA{255, 0, 0, 255}
			switch {
			case x >= width/2 && y >= height/2:
				c = color.NRGBA{255, 255, 255, 255}
			case x >= width/2:
				c = color.NRGBA{0, 255, 0, 255}
			case y >= height/2:
				c = color.NRGBA{0, 0, 255, 255}
			}
			pixels.SetNRGBA(x, y, c)
		}
	}
	return pixels
}

// textured is noise enough that no codec gets it small, and the same in every run.
func textured(width, height int) *image.NRGBA {
	pixels := image.NewNRGBA(image.Rect(0, 0, width, height))
	state := uint32(1)
	for i := range pixels.Pix {
		state = state*1664525 + 1013904223
		pixels.Pix[i] = byte(state>>24)/4 + byte(i/4%width*191/width)
		if i%4 == 3 {
			pixels.Pix[i] = 255
		}
	}
	return pixels
}

func jpegOf(t testing.TB, pixels image.Image, quality int) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := jpeg.Encode(&out, pixels, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func pngOf(t testing.TB, pixels image.Image) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := png.Encode(&out, pixels); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// exif is a TIFF structure with an orientation, a description and a GPS directory.
func exif(order binary.AppendByteOrder, orientation int) []byte {
	tiff := []byte("II*\x00")
	if order == binary.AppendByteOrder(binary.BigEndian) {
		tiff = []byte("MM\x00*")
	}
	entry := func(tag, kind uint16, count, value uint32) {
		tiff = order.AppendUint16(order.AppendUint16(tiff, tag), kind)
		tiff = order.AppendUint32(order.AppendUint32(tiff, count), value)
	}
	tiff = order.AppendUint32(tiff, 8)
	tiff = order.AppendUint16(tiff, 3)
	entry(0x010e, 2, uint32(len(secret)), 50)
	tiff = order.AppendUint16(order.AppendUint16(tiff, 0x0112), 3)
	tiff = order.AppendUint16(
		order.AppendUint16(order.AppendUint32(tiff, 1), uint16(orientation)),
		0,
	)
	entry(0x8825, 4, 1, 50)
	tiff = order.AppendUint32(tiff, 0)
	return append(tiff, secret...)
}

func segment(marker byte, body []byte) []byte {
	return append([]byte{0xff, marker, byte((len(body) + 2) >> 8), byte(len(body) + 2)}, body...)
}

// afterSOI puts segments behind a JPEG's first marker.
func afterSOI(source []byte, segments ...[]byte) []byte {
	return append(append(bytes.Clone(source[:2]), bytes.Join(segments, nil)...), source[2:]...)
}

func exifSegment(orientation int) []byte {
	return segment(0xe1, append([]byte("Exif\x00\x00"), exif(binary.BigEndian, orientation)...))
}

// profile is an ICC profile of n bytes with a table of a type that only colour management reads.
func profile(n int, space string) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i * 7)
	}
	binary.BigEndian.PutUint32(data, uint32(n))
	copy(data[16:], space)
	copy(data[36:], "acsp")
	copy(data[128:], "\x00\x00\x00\x01A2B0\x00\x00\x00\x90")
	binary.BigEndian.PutUint32(data[140:], uint32(n-144))
	copy(data[144:], "mAB ")
	return data
}

func profileSegments(data []byte) []byte {
	const room = 65519
	count := (len(data) + room - 1) / room
	var out []byte
	for i := range count {
		part := data[i*room : min((i+1)*room, len(data))]
		out = append(
			out,
			segment(
				0xe2,
				append([]byte("ICC_PROFILE\x00"+string([]byte{byte(i + 1), byte(count)})), part...),
			)...)
	}
	return out
}

func chunk(kind string, data []byte) []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	out = append(append(out, kind...), data...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[4:]))
}

// afterIHDR puts chunks behind a PNG's header.
func afterIHDR(source []byte, chunks ...[]byte) []byte {
	return append(append(bytes.Clone(source[:33]), bytes.Join(chunks, nil)...), source[33:]...)
}

func deflated(data []byte) []byte {
	var out bytes.Buffer
	writer := zlib.NewWriter(&out)
	_, _ = writer.Write(data)
	_ = writer.Close()
	return out.Bytes()
}

func riff(kind string, data []byte) []byte {
	out := binary.LittleEndian.AppendUint32([]byte(kind), uint32(len(data)))
	out = append(out, data...)
	return append(out, make([]byte, len(data)%2)...)
}

func webpOf(chunks ...[]byte) []byte {
	return riff("RIFF", append([]byte("WEBP"), bytes.Join(chunks, nil)...))
}

func vp8x(flags byte, width, height int) []byte {
	w, h := width-1, height-1
	return riff(
		"VP8X",
		[]byte{
			flags,
			0,
			0,
			0,
			byte(w),
			byte(w >> 8),
			byte(w >> 16),
			byte(h),
			byte(h >> 8),
			byte(h >> 16),
		},
	)
}

// creek is the VP8 chunk of the WebP sample, of 1600 × 1065 pixels.
func creek(t testing.TB) []byte { return sample(t, "creek.webp")[12:] }

// animation has three frames of which the first covers a part of the canvas only.
func animation(t testing.TB) []byte {
	t.Helper()
	palette := color.Palette{
		color.Transparent,
		color.NRGBA{255, 0, 0, 255},
		color.NRGBA{0, 0, 255, 255},
	}
	film := gif.GIF{LoopCount: 7, Config: image.Config{ColorModel: palette, Width: 64, Height: 48}}
	for i := range 3 {
		frame := image.NewPaletted(image.Rect(8*i, 8, 8*i+32, 40), palette)
		for j := range frame.Pix {
			frame.Pix[j] = byte(1 + (j/32+j+i)/8%2)
		}
		film.Image, film.Delay, film.Disposal = append(
			film.Image,
			frame,
		), append(
			film.Delay,
			10*(i+1),
		), append(
			film.Disposal,
			0,
		)
	}
	var out bytes.Buffer
	if err := gif.EncodeAll(&out, &film); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// withGIFSecrets puts a comment, a text and a foreign application's data before the first frame,
// and bytes after the end.
func withGIFSecrets(source []byte) []byte {
	block := func(head string) []byte {
		return append(append([]byte(head), byte(len(secret))), secret+"\x00"...)
	}
	first := 13 + 3<<(source[10]&7+1)
	return bytes.Join([][]byte{
		source[:first],
		block("\x21\xfe"), block("\x21\xff\x0bXMP DataXMP"),
		block(
			"\x21\xf9\x04\x00\x00\x00\x00\x00\x21\x01\x0c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		),
		source[first:], []byte(secret),
	}, nil)
}
