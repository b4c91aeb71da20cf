package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	_ "image/jpeg"

	_ "golang.org/x/image/webp"
)

// A file is a picture of the corpus.
type file struct {
	name, path string
	size       image.Point // as stored
	bytes      int64
}

func (f file) megapixels() float64 { return float64(f.size.X*f.size.Y) / 1e6 }

func (f file) jpeg() bool { return strings.HasSuffix(f.name, ".jpg") }

const source = "infra/bench/images"

// corpus makes the files and lists those that match.
func corpus(ctx context.Context, dir, only string) ([]file, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if out, err := exec.CommandContext(ctx, source+"/corpus.sh", dir).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("make the corpus: %w\n%s", err, out)
	}
	if err := derive(dir); err != nil {
		return nil, err
	}
	paths, err := filepath.Glob(filepath.Join(dir, only))
	if err != nil {
		return nil, err
	}
	var files []file
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		config, _, err := image.DecodeConfig(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		files = append(files, file{filepath.Base(path), path,
			image.Pt(config.Width, config.Height), int64(len(data))})
	}
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return files, nil
}

// derive adds what libjpeg-turbo's tools cannot make: pictures that lie on their side, and PNG.
func derive(dir string) error {
	for _, name := range []string{"sunset-12mp", "dandelion-16mp"} {
		data, err := os.ReadFile(filepath.Join(dir, name+"-q95-420.jpg"))
		if err != nil {
			return err
		}
		for _, orientation := range []byte{3, 6, 8} {
			exif := []byte(
				"\xff\xe1\x00\x22Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03" +
					"\x00\x00\x00\x01\x00?\x00\x00\x00\x00\x00\x00",
			)
			exif[bytes.IndexByte(exif, '?')] = orientation
			turned := slices.Concat(data[:2], exif, data[2:])
			path := filepath.Join(
				dir,
				fmt.Sprintf("%s-q95-420-orientation-%d.jpg", name, orientation),
			)
			if err := os.WriteFile(path, turned, 0o600); err != nil {
				return err
			}
		}
	}
	for _, name := range []string{"bowl-alpha.png", "creek.webp"} {
		data, err := os.ReadFile(filepath.Join("infra/local/samples", name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return err
		}
	}
	pixels, err := open(filepath.Join(dir, "dogs-phone-half-q90-420.jpg"))
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := png.Encode(&out, pixels); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "dogs-phone-half.png"), out.Bytes(), 0o600)
}

func open(path string) (image.Image, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pixels, _, err := image.Decode(bytes.NewReader(data))
	return pixels, err
}
