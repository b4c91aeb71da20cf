package e2e

import (
	"archive/zip"
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/color/palette"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"testing"
)

// eicar is the file that every scanner takes for a virus, in two parts so that none takes this
// source for it.
func eicar() []byte {
	return []byte(`X5O!P%@AP[4\PZX54(P^)7CC)7}$` + `EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`)
}

func sample(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(shared.root, "infra", "local", "samples", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// drawing has no two rows alike, so that a picture that is cut or turned shows it.
func drawing(width, height int) image.Image {
	pixels := image.NewPaletted(image.Rect(0, 0, width, height), palette.Plan9)
	for y := range height {
		for x := range width {
			pixels.SetColorIndex(x, y, uint8(x*y/7+x+3*y))
		}
	}
	return pixels
}

func jpegOf(t *testing.T, pixels image.Image) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := jpeg.Encode(&out, pixels, nil); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func pngOf(t *testing.T, pixels image.Image) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := png.Encode(&out, pixels); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func gifOf(t *testing.T, pixels image.Image) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := gif.Encode(&out, pixels, nil); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// dot is the smallest picture that is worth a thumbnail.
func dot(t *testing.T) sent {
	t.Helper()
	pixels := image.NewNRGBA(image.Rect(0, 0, 3, 2))
	pixels.Set(1, 1, color.NRGBA{200, 10, 10, 255})
	return sent{name: "dot.png", kind: "image/png", content: pngOf(t, pixels)}
}

// hugePNG claims 30,000 × 30,000 pixels, truthfully, in about 100 KB.
func hugePNG(t *testing.T) []byte {
	t.Helper()
	const side = 30_000
	var packed bytes.Buffer
	squeeze, err := zlib.NewWriterLevel(&packed, zlib.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	row := make([]byte, 1+side/8)
	for range side {
		if _, err := squeeze.Write(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := squeeze.Close(); err != nil {
		t.Fatal(err)
	}
	header := binary.BigEndian.AppendUint32(nil, side)
	header = binary.BigEndian.AppendUint32(header, side)
	out := []byte("\x89PNG\r\n\x1a\n")
	out = chunk(out, "IHDR", append(header, 1, 0, 0, 0, 0)) // one bit of grey
	out = chunk(out, "IDAT", packed.Bytes())
	return chunk(out, "IEND", nil)
}

func chunk(png []byte, kind string, content []byte) []byte {
	png = binary.BigEndian.AppendUint32(png, uint32(len(content)))
	start := len(png)
	png = append(append(png, kind...), content...)
	return binary.BigEndian.AppendUint32(png, crc32.ChecksumIEEE(png[start:]))
}

// zipOf stores one entry; with a password it is encrypted as APPNOTE.TXT 6.1 says.
func zipOf(t *testing.T, name string, content []byte, password string) []byte {
	t.Helper()
	header := &zip.FileHeader{Name: name, Method: zip.Store, CRC32: crc32.ChecksumIEEE(content),
		UncompressedSize64: uint64(len(content))}
	stored := content
	if password != "" {
		header.Flags |= 1
		check := make([]byte, 12)
		check[11] = byte(header.CRC32 >> 24)
		stored = zipCrypto(password, append(check, content...))
	}
	header.CompressedSize64 = uint64(len(stored))
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	entry, err := archive.CreateRaw(header)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := entry.Write(stored); err != nil {
		t.Fatal(err)
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zipCrypto(password string, plain []byte) []byte {
	keys := [3]uint32{0x12345678, 0x23456789, 0x34567890}
	update := func(b byte) {
		keys[0] = crc32.IEEETable[byte(keys[0])^b] ^ keys[0]>>8
		keys[1] = (keys[1]+keys[0]&0xff)*134775813 + 1
		keys[2] = crc32.IEEETable[byte(keys[2])^byte(keys[1]>>24)] ^ keys[2]>>8
	}
	for _, b := range []byte(password) {
		update(b)
	}
	out := make([]byte, len(plain))
	for i, b := range plain {
		mask := uint16(keys[2]) | 2
		out[i] = b ^ byte(mask*(mask^1)>>8)
		update(b)
	}
	return out
}

// damaged overwrites a part with 0xff.
func damaged(content []byte, from, length int) []byte {
	out := bytes.Clone(content)
	for i := from; i < from+length; i++ {
		out[i] = 0xff
	}
	return out
}

// tiffWith is the inside of an Exif block: an orientation, an author's note, and a GPS directory.
func tiffWith(orientation uint16, note string) []byte {
	const directory, gps, text = 8, 8 + 2 + 3*12 + 4, 8 + 2 + 3*12 + 4 + 2 + 2*12 + 4
	rational := text + len(note) + 1
	out := []byte("II*\x00")
	u16 := func(v ...uint16) {
		for _, n := range v {
			out = binary.LittleEndian.AppendUint16(out, n)
		}
	}
	u32 := func(v ...int) {
		for _, n := range v {
			out = binary.LittleEndian.AppendUint32(out, uint32(n))
		}
	}
	u32(directory)
	u16(3)
	u16(0x010e, 2)
	u32(len(note)+1, text)
	u16(0x0112, 3)
	u32(1)
	u16(orientation, 0)
	u16(0x8825, 4)
	u32(1, gps)
	u32(0)
	u16(2)
	u16(1, 2)
	u32(2)
	out = append(out, 'N', 0, 0, 0)
	u16(2, 5)
	u32(3, rational)
	u32(0)
	out = append(append(out, note...), 0)
	u32(51, 1, 28, 1, 40, 1)
	return out
}
