package e2e

import (
	"bytes"
	"encoding/json"
	"image"
	_ "image/gif"
	_ "image/jpeg"
	_ "image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	_ "golang.org/x/image/webp"
)

const secret = "SECRET-AUTHOR-NOTE"

func variants() []string {
	return []string{"optimized", "thumbnail", "thumbnail_small", "thumbnail_large"}
}

// withSecrets puts a note and a place wherever a format has room for them, and after its end.
func withSecrets(t *testing.T, kind string) []byte {
	t.Helper()
	pixels := drawing(700, 500)
	xmp := "http://ns.adobe.com/xap/1.0/\x00<x:xmpmeta>" + secret + "</x:xmpmeta>"
	switch kind {
	case "image/jpeg":
		plain := jpegOf(t, pixels)
		out := bytes.Clone(plain[:2])
		for _, s := range []struct {
			marker  byte
			content string
		}{{0xe1, "Exif\x00\x00" + string(tiffWith(1, secret))}, {0xe1, xmp}, {0xed,
			"Photoshop 3.0\x00" + secret}, {0xfe, secret}} {
			out = append(out, 0xff, s.marker, byte((len(s.content)+2)>>8), byte(len(s.content)+2))
			out = append(out, s.content...)
		}
		return append(append(out, plain[2:]...), secret...)
	case "image/png":
		plain := pngOf(t, pixels)
		out := bytes.Clone(plain[:33]) // signature and IHDR
		out = chunk(out, "eXIf", tiffWith(1, secret))
		out = chunk(out, "tEXt", []byte("Author\x00"+secret))
		out = chunk(out, "iTXt", []byte("XML:com.adobe.xmp\x00\x00\x00\x00\x00"+xmp))
		return append(append(out, plain[33:]...), secret...)
	case "image/gif":
		plain := gifOf(t, pixels)
		out := bytes.Clone(plain[:len(plain)-1])
		out = append(append(out, 0x21, 0xfe, byte(len(secret))), secret...)
		return append(append(out, 0, 0x3b), secret...)
	}
	plain := sample(t, "creek.webp")
	return append(bytes.Clone(plain), secret...)
}

func TestVariantsHoldNoMetadata(t *testing.T) {
	for name, kind := range map[string]string{"a.jpg": "image/jpeg", "a.png": "image/png",
		"a.gif": "image/gif", "a.webp": "image/webp"} {
		t.Run(kind, func(t *testing.T) {
			s := newSchool(t)
			u := s.user("member")
			source := withSecrets(t, kind)
			id := u.available(sent{name: name, kind: kind, content: source})
			a := u.settled(id)
			if len(a.at("file.variants").([]any)) != 4 {
				t.Errorf("variants %v", a.at("file.variants"))
			}
			for _, v := range variants() {
				header, content := u.fetch(id, v)
				wantClean(t, v, content)
				if v == "optimized" && len(content) > len(source) {
					t.Errorf("optimized grew from %d to %d bytes", len(source), len(content))
				}
				if got := header.Get("Content-Type"); !strings.HasPrefix(got, "image/") {
					t.Errorf("%s is served as %s", v, got)
				}
			}
			wantOriginalKept(t, u, id)
		})
	}
}

// wantClean looks for what a camera or an author writes into a picture, in the bytes and, where it
// is installed, with exiftool.
func wantClean(t *testing.T, what string, content []byte) {
	t.Helper()
	for _, trace := range []string{secret, "Exif\x00", "eXIf", "EXIF", "xmpmeta", "ns.adobe.com",
		"Photoshop", "tEXt", "iTXt", "zTXt"} {
		if bytes.Contains(content, []byte(trace)) {
			t.Errorf("%s holds %q", what, trace)
		}
	}
	if _, _, err := image.Decode(bytes.NewReader(content)); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	tool, err := exec.LookPath("exiftool")
	if err != nil {
		return
	}
	path := filepath.Join(t.TempDir(), what)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tool, "-j", "-G0", "-a", "-u", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	var tags []map[string]any
	if err := json.Unmarshal(out, &tags); err != nil {
		t.Fatal(err)
	}
	for tag, value := range tags[0] {
		group, name, _ := strings.Cut(tag, ":")
		switch group {
		case "EXIF", "XMP", "IPTC", "MakerNotes", "Photoshop":
			t.Errorf("%s has %s = %v", what, tag, value)
		}
		if strings.Contains(name, "GPS") || strings.Contains(name, "Comment") || name == "Warning" {
			t.Errorf("%s has %s = %v", what, tag, value)
		}
	}
}

// wantOriginalKept shows that the original of a picture is there, and that no door leads to it.
func wantOriginalKept(t *testing.T, u user, id string) {
	t.Helper()
	u.s.wantStored(id, "original", "variant/optimized", "variant/thumbnail",
		"variant/thumbnail_large", "variant/thumbnail_small")
	for _, v := range []string{"original", "Original", "../original",
		"../../../original/" + id + "/1", "1"} {
		u.call("GET", "/v1/files/"+id+"/download?variant="+v, nil).problem(404, "variant-not-found")
	}
}

// A phone photo that lies on its side, with the place where it was taken: every variant stands
// upright and tells nothing.
func TestPhonePhotoStandsUpright(t *testing.T) {
	s := newSchool(t)
	u := s.user("member")
	// 3088 × 2048, orientation 6: to be turned clockwise by 90°
	source := sample(t, "dogs-phone.jpg")
	lying, _, err := image.Decode(bytes.NewReader(source))
	if err != nil {
		t.Fatal(err)
	}
	id := u.available(sent{name: "IMG_0001.JPG", kind: "image/jpeg", content: source})
	if a := u.settled(id); a.number("file.width") != 2048 || a.number("file.height") != 3088 {
		t.Errorf("%d × %d", a.number("file.width"), a.number("file.height"))
	}
	for v, height := range map[string]int{"optimized": 3088, "thumbnail": 300,
		"thumbnail_small": 150, "thumbnail_large": 600} {
		_, content := u.fetch(id, v)
		wantClean(t, v, content)
		got, _, err := image.Decode(bytes.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		size := got.Bounds().Size()
		if size.Y != height || size.X >= size.Y {
			t.Errorf("%s is %v, want a height of %d", v, size, height)
		}
		if off := apart(lying, got); off > 20 {
			t.Errorf("%s is another picture, or not turned right: %d of 255 apart", v, off)
		}
	}
	wantOriginalKept(t, u, id)
}

// apart compares a lying picture with its upright form in a grid of patches: the mean difference of
// brightness, of 255.
func apart(lying, upright image.Image) int {
	const grid, patch = 12, 5
	sum := 0
	for gy := range grid {
		for gx := range grid {
			var a, b int
			for i := range patch * patch {
				fx := (float64(gx) + (float64(i%patch)+0.5)/patch) / grid
				fy := (float64(gy) + (float64(i/patch)+0.5)/patch) / grid
				a += brightness(upright, fx, fy)
				// turned clockwise by 90°: what is left was at the bottom
				b += brightness(lying, fy, 1-fx)
			}
			sum += max(a-b, b-a) / (patch * patch)
		}
	}
	return sum / (grid * grid)
}

func brightness(m image.Image, fx, fy float64) int {
	r := m.Bounds()
	red, green, blue, _ := m.At(r.Min.X+int(fx*float64(r.Dx())),
		r.Min.Y+int(fy*float64(r.Dy()))).RGBA()
	return int(red+green+blue) / 3 >> 8
}

func TestTransparencyIsKept(t *testing.T) {
	s := newSchool(t)
	u := s.user("member")
	id := u.available(
		sent{name: "bowl.png", kind: "image/png", content: sample(t, "bowl-alpha.png")})
	for _, v := range variants() {
		_, content := u.fetch(id, v)
		m, _, err := image.Decode(bytes.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, _, alpha := m.At(m.Bounds().Min.X, m.Bounds().Min.Y).RGBA(); alpha != 0 {
			t.Errorf("%s: the corner's alpha is %d", v, alpha)
		}
	}
}

func TestSmallPicturesAreNotEnlarged(t *testing.T) {
	s := newSchool(t)
	u := s.user("member")
	id := u.available(dot(t))
	for _, v := range variants() {
		_, content := u.fetch(id, v)
		m, _, err := image.DecodeConfig(bytes.NewReader(content))
		if err != nil || m.Width != 3 || m.Height != 2 {
			t.Errorf("%s is %d × %d: %v", v, m.Width, m.Height, err)
		}
	}
}

// What a browser would run is stored and sent as bytes to save, whatever it was called or declared.
func TestActiveContentIsOnlySaved(t *testing.T) {
	svg :=
		`<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`
	html := "<!DOCTYPE html><html><body><script>alert(1)</script></body></html>"
	for _, f := range []sent{
		{name: "drawing.svg", kind: "image/svg+xml", content: []byte(svg)},
		{name: "page.html", kind: "text/html", content: []byte(html)},
		{name: "page.txt", kind: "text/plain", content: []byte(html)},
		{name: "data.xml", kind: "text/xml", content: []byte(svg)},
		{name: "code.js", kind: "text/javascript", content: []byte("alert(1)")},
	} {
		t.Run(f.name, func(t *testing.T) {
			s := newSchool(t)
			u := s.user("member")
			id := u.available(f)
			link := u.call("GET", "/v1/files/"+id+"/download", nil).want(200).str("url")
			header, content := follow(t, link)
			if !bytes.Equal(content, f.content) ||
				header.Get("Content-Type") != "application/octet-stream" ||
				!strings.HasPrefix(header.Get("Content-Disposition"), "attachment;") {
				t.Errorf("served: %v", header)
			}
			for _, bent := range []string{
				strings.Replace(link, "application%2Foctet-stream", "text%2Fhtml", 1),
				strings.Replace(link, "attachment", "inline", 1),
			} {
				if bent == link {
					t.Fatalf("nothing to bend in %s", strings.SplitN(link, "X-Amz", 2)[0])
				}
				wantForbidden(t, bent)
			}
			key := "original/" + s.id + "/" + id + "/1/1"
			if kind := s.storedType(key); kind != "application/octet-stream" {
				t.Errorf("stored as %s", kind)
			}
		})
	}
}
