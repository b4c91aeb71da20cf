package main

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// sample is a file to send.
type sample struct {
	name, contentType string
	content           []byte
}

// photograph reads one of the real photographs of infra/local/samples.
func (w *fixture) photograph(name, contentType string) (sample, error) {
	content, err := os.ReadFile(filepath.Join(w.options.samples, name))
	return sample{name, contentType, content}, err
}

// asPhones writes a JPEG as phones do, in one scan (baseline), where many tools for the web write
// progressive ones.
func asPhones(s sample) (sample, error) {
	pixels, err := jpeg.Decode(bytes.NewReader(s.content))
	if err != nil {
		return s, err
	}
	var out bytes.Buffer
	err = jpeg.Encode(&out, pixels, &jpeg.Options{Quality: 92})
	return sample{s.name, s.contentType, out.Bytes()}, err
}

// text is a file of which no picture is made.
func text(size int) sample {
	const line = "All of this is text, and so nothing is to be decoded.\n"
	return sample{"notes.txt", "text/plain", []byte(strings.Repeat(line, size/len(line)+1)[:size])}
}

// snapshot is a JPEG of 1200 by 900 pixels, about as many bytes as a photograph of that size: soft
// shapes under the noise of a sensor.
func snapshot() (sample, error) {
	noise := rand.New(rand.NewPCG(1, 2))
	picture := image.NewRGBA(image.Rect(0, 0, 1200, 900))
	for y := range 900 {
		for x := range 1200 {
			grain := noise.IntN(12)
			picture.SetRGBA(x, y, color.RGBA{uint8(x/6 + grain), uint8(y/4 + grain),
				uint8((x+y)/10 + grain), 255})
		}
	}
	var out bytes.Buffer
	err := jpeg.Encode(&out, picture, &jpeg.Options{Quality: 85})
	return sample{"snapshot.jpg", "image/jpeg", out.Bytes()}, err
}
