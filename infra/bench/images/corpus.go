package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	_ "image/gif"
	_ "image/jpeg"
	_ "image/png"

	_ "golang.org/x/image/webp"
)

// A file is a picture of the corpus.
type file struct {
	name, path string
	size       image.Point // as stored
	kind       string      // of a JPEG: process and sampling; otherwise the format
}

func (f file) megapixels() float64 { return float64(f.size.X*f.size.Y) / 1e6 }

func (f file) jpeg() bool { return strings.HasSuffix(f.name, ".jpg") }

func (f file) progressive() bool { return strings.HasPrefix(f.kind, "progressive") }

const source = "infra/bench/images"

// corpus makes the files and lists those that match.
func corpus(ctx context.Context, dir, only string) ([]file, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if out, err := exec.CommandContext(ctx, source+"/corpus.sh", dir).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("make the corpus: %w\n%s", err, out)
	}
	paths, err := filepath.Glob(filepath.Join(dir, only))
	if err != nil {
		return nil, err
	}
	var files []file
	for _, path := range paths {
		if filepath.Ext(path) == "" {
			continue // the list of checksums
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		config, kind, err := image.DecodeConfig(bytes.NewReader(data))
		if kind == "jpeg" && err == nil {
			kind, err = kindOf(data)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		size := image.Pt(config.Width, config.Height)
		files = append(files, file{filepath.Base(path), path, size, kind})
	}
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return files, nil
}

// kindOf names a JPEG's process and sampling by the segments before its first scan: ITU-T T.81,
// B.2.
func kindOf(data []byte) (string, error) {
	const sof0, sof2, sos, dri = 0xc0, 0xc2, 0xda, 0xdd
	kind, restart := "", ""
	for rest := data[2:]; len(rest) > 20 && rest[0] == 0xff; {
		marker, length := rest[1], int(binary.BigEndian.Uint16(rest[2:]))
		switch {
		case marker == dri && binary.BigEndian.Uint16(rest[4:]) > 0:
			restart = ", restart markers"
		case marker >= sof0 && marker <= sof2:
			kind = "baseline"
			if marker == sof2 {
				kind = "progressive"
			}
			sampling, known := map[byte]string{
				0x11: "4:4:4", 0x21: "4:2:2", 0x22: "4:2:0", 0x12: "4:4:0",
			}[rest[11]]
			if !known {
				sampling = fmt.Sprintf("%x", rest[11])
			}
			if rest[9] == 1 {
				sampling = "grey"
			}
			kind += " " + sampling
		case marker == sos:
			return kind + restart, nil
		}
		rest = rest[min(len(rest), 2+length):]
	}
	return "", errors.New("no scan")
}
