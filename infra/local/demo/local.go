package demo

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	_ "image/gif" // the headers of what is sent
	_ "image/jpeg"
	_ "image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gabriel-vasile/mimetype"
	_ "golang.org/x/image/webp"
)

// local is a file that is to be sent.
type local struct {
	path, name  string
	contentType string
	size        int64
	pixels      string
}

// describe tells of a file what a browser would tell.
func describe(path string) (local, error) {
	f := local{path: path, name: filepath.Base(path), pixels: "-"}
	file, err := os.Open(path)
	if err != nil {
		return f, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return f, err
	}
	if !info.Mode().IsRegular() {
		return f, errors.New("not a file")
	}
	f.size = info.Size()
	head := make([]byte, 64<<10)
	n, err := io.ReadFull(file, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return f, err
	}
	f.contentType, _, _ = strings.Cut(mimetype.Detect(head[:n]).String(), ";")
	if c, _, err := image.DecodeConfig(io.MultiReader(bytes.NewReader(head[:n]),
		file)); err == nil {
		f.pixels = fmt.Sprintf("%d×%d", c.Width, c.Height)
	}
	return f, nil
}

// Samples lists the files of a directory that are meant to be sent: pictures and documents, no
// notes about them.
func Samples(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list samples: %w", err)
	}
	var paths []string
	for _, entry := range entries {
		sent := []string{".jpg", ".jpeg", ".png", ".gif", ".webp", ".pdf"}
		if slices.Contains(sent, filepath.Ext(entry.Name())) {
			paths = append(paths, filepath.Join(dir, entry.Name()))
		}
	}
	return paths, nil
}
