package ingest

import (
	"archive/zip"
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"math/rand/v2"
	"testing"
)

// eicar is the test file that every scanner knows (https://www.eicar.org), in two parts so that no
// scanner takes this source for it.
func eicar() []byte {
	return []byte(`X5O!P%@AP[4\PZX54(P^)7CC)7}` + `$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`)
}

// photo is a picture with detail, so that its formats have something to encode.
func photo(width, height int) *image.NRGBA {
	noise := rand.New(rand.NewPCG(1, 2))
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			m.SetNRGBA(x, y, color.NRGBA{uint8(x), uint8(y), uint8(noise.IntN(64)), 255})
		}
	}
	return m
}

func sampleJPEG(t testing.TB) []byte {
	var b bytes.Buffer
	must(t, jpeg.Encode(&b, photo(200, 120), &jpeg.Options{Quality: 95}))
	return b.Bytes()
}

func samplePNG(t testing.TB) []byte {
	var b bytes.Buffer
	must(t, png.Encode(&b, photo(200, 120)))
	return b.Bytes()
}

func sampleGIF(t testing.TB) []byte {
	var b bytes.Buffer
	must(t, gif.Encode(&b, photo(200, 120), nil))
	return b.Bytes()
}

// sampleWebP is one lossy pixel.
func sampleWebP(t testing.TB) []byte {
	b, err := base64.StdEncoding.DecodeString(
		"UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA")
	must(t, err)
	return b
}

func samplePDF() []byte {
	return []byte("%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 " +
		"0 obj<</Type/Pages/Kids[]/Count 0>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n")
}

func sampleHTML() []byte {
	return []byte(
		"<!DOCTYPE html><html><body><script>alert(document.domain)</script></body></html>")
}

func sampleSVG() []byte {
	return []byte(
		`<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>`)
}

// sampleEXE is the beginning of a program for Windows: the DOS header, and the PE header that it
// points to.
func sampleEXE() []byte {
	b := make([]byte, 512)
	copy(b, "MZ")
	binary.LittleEndian.PutUint32(b[0x3c:], 0x80)
	copy(b[0x80:], "PE\x00\x00\x4c\x01")
	return b
}

func sampleZIP(t testing.TB, content []byte, flags uint16) []byte {
	var b bytes.Buffer
	archive := zip.NewWriter(&b)
	header := &zip.FileHeader{
		Name: "inside.txt", Method: zip.Store, Flags: flags, CRC32: crc32.ChecksumIEEE(content),
		CompressedSize64: uint64(len(content)), UncompressedSize64: uint64(len(content)),
	}
	entry, err := archive.CreateRaw(header)
	must(t, err)
	_, err = entry.Write(content)
	must(t, err)
	must(t, archive.Close())
	return b.Bytes()
}

// bombPNG is a small file that claims, and holds, side × side black pixels of one bit.
func bombPNG(t testing.TB, side int) []byte {
	var pixels bytes.Buffer
	deflate, err := zlib.NewWriterLevel(&pixels, zlib.BestCompression)
	must(t, err)
	row := make([]byte, 1+(side+7)/8)
	for range side {
		_, err := deflate.Write(row)
		must(t, err)
	}
	must(t, deflate.Close())
	var b bytes.Buffer
	b.WriteString("\x89PNG\r\n\x1a\n")
	header := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(side)),
		uint32(side))
	writeChunk(&b, "IHDR", append(header, 1, 0, 0, 0, 0))
	writeChunk(&b, "IDAT", pixels.Bytes())
	writeChunk(&b, "IEND", nil)
	return b.Bytes()
}

func writeChunk(w io.Writer, name string, data []byte) {
	chunk := append([]byte(name), data...)
	_ = binary.Write(w, binary.BigEndian, uint32(len(data)))
	_, _ = w.Write(chunk)
	_ = binary.Write(w, binary.BigEndian, crc32.ChecksumIEEE(chunk))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
