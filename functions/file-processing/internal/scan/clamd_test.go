package scan_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/scan"
	"github.com/toolboxai-solutions/satchel/infra/local/clamd"
)

const streamLimit = 1 << 20

// eicar is put together here so that the repository holds no file that a virus
// scanner on a developer's machine would take away.
func eicar() []byte {
	return []byte(`X5O!P%@AP[4\PZX54(P^)7CC)7}$` + `EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`)
}

// realClamd starts a private clamd that knows EICAR only, so that the results
// do not depend on the machine's database.
func realClamd(t *testing.T) (*scan.Client, *clamd.Clamd) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	daemon, err := clamd.Start(ctx,
		clamd.Options{StreamMaxLength: streamLimit, DatabaseDir: t.TempDir()})
	if errors.Is(err, clamd.ErrNotInstalled) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { daemon.Stop() })
	client, err := scan.New(daemon.Address)
	if err != nil {
		t.Fatal(err)
	}
	return client, daemon
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	client, _ := realClamd(t)
	padded := append(append(bytes.Repeat([]byte("school "), 20_000), eicar()...),
		bytes.Repeat([]byte{0}, 100_000)...)
	tests := []struct {
		name     string
		content  []byte
		infected bool
		err      error
	}{
		{name: "empty"},
		{name: "text", content: []byte("a photo of a volcano")},
		{name: "as long as the limit", content: bytes.Repeat([]byte("a"), streamLimit)},
		{name: "clean zip", content: zipped(t, []byte("essay"))},
		{name: "eicar", content: eicar(), infected: true},
		{name: "eicar padded on both sides", content: padded, infected: true},
		{name: "eicar zipped", content: zipped(t, eicar()), infected: true},
		{name: "eicar zipped twice", content: zipped(t, zipped(t, eicar())), infected: true},
		{name: "eicar in an encrypted zip", content: encryptedZip(t), err: scan.ErrEncrypted},
		{name: "a byte over the limit", content: bytes.Repeat([]byte("a"), streamLimit+1),
			err: scan.ErrLimitsExceeded},
		{name: "far over the limit", content: bytes.Repeat([]byte("a"), 32<<20),
			err: scan.ErrLimitsExceeded},
		{name: "eicar behind more zeros than a stream may have",
			content: zipped(t, append(make([]byte, 2*streamLimit), eicar()...)), infected: true},
		{name: "eicar behind more zeros than are scanned", content: zipped(t,
			append(make([]byte, 5*streamLimit), eicar()...)), err: scan.ErrLimitsExceeded},
		{name: "eicar behind more zeros than a file may have", content: zipped(t,
			append(make([]byte, 40*streamLimit), eicar()...)), err: scan.ErrLimitsExceeded},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			verdict, err := client.Scan(ctx, bytes.NewReader(tt.content))
			if !errors.Is(err, tt.err) {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if err != nil {
				if verdict != (scan.Verdict{}) {
					t.Errorf("a verdict %+v came with an error", verdict)
				}
				return
			}
			if verdict.Infected != tt.infected {
				t.Fatalf("infected %v, want %v", verdict.Infected, tt.infected)
			}
			if tt.infected != strings.HasPrefix(verdict.Signature, "Eicar-Test-Signature") {
				t.Errorf("signature %q", verdict.Signature)
			}
			if !strings.HasPrefix(verdict.Engine, "ClamAV ") {
				t.Errorf("engine %q", verdict.Engine)
			}
		})
	}
}

func TestOneReadServesHashAndScanner(t *testing.T) {
	t.Parallel()
	client, _ := realClamd(t)
	for _, content := range [][]byte{eicar(), bytes.Repeat([]byte("read once "), 50_000)} {
		hash := sha256.New()
		once := io.TeeReader(bytes.NewReader(content), hash)
		if _, err := client.Scan(t.Context(), once); err != nil {
			t.Fatal(err)
		}
		want := sha256.Sum256(content)
		if !bytes.Equal(hash.Sum(nil), want[:]) {
			t.Error("the verdict came before the content was read to its end")
		}
	}
}

func TestKilledMidStreamIsUnavailableAndComesBack(t *testing.T) {
	t.Parallel()
	client, daemon := realClamd(t)
	sent := 0
	content := readerFunc(func(p []byte) (int, error) {
		if sent += len(p); sent > 300<<10 {
			if err := daemon.Kill(); err != nil {
				return 0, err
			}
		}
		return len(p), nil
	})
	if _, err := client.Scan(t.Context(), content); !errors.Is(err, scan.ErrUnavailable) {
		t.Fatalf("killed mid-stream: %v", err)
	}
	if _, err := client.Scan(t.Context(), bytes.NewReader(nil)); !errors.Is(err,
		scan.ErrUnavailable) {
		t.Fatalf("while down: %v", err)
	}
	if err := daemon.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Scan(t.Context(), bytes.NewReader(nil)); err != nil {
		t.Fatalf("after its restart: %v", err)
	}
}

func TestFailingSourceIsNotTheScannersFault(t *testing.T) {
	t.Parallel()
	client, _ := realClamd(t)
	gone := errors.New("object is gone")
	_, err := client.Scan(t.Context(), io.MultiReader(strings.NewReader("half"),
		readerFunc(func([]byte) (int, error) { return 0, gone })))
	if !errors.Is(err, gone) || errors.Is(err, scan.ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func zipped(t *testing.T, content []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	entry, err := archive.Create("essay.txt")
	if err != nil {
		t.Fatal(err)
	}
	entry.Write(content)
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// encryptedZip holds EICAR under PKWARE's traditional encryption (APPNOTE.TXT
// 6.1), with a password that is not in the archive.
func encryptedZip(t *testing.T) []byte {
	t.Helper()
	plain := append(bytes.Repeat([]byte{7}, 12), eicar()...)
	secret := zipCrypto("volcano", plain)
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	entry, err := archive.CreateRaw(&zip.FileHeader{
		Name:               "essay.txt",
		Flags:              1,
		CompressedSize64:   uint64(len(secret)),
		UncompressedSize64: uint64(len(eicar())),
	})
	if err != nil {
		t.Fatal(err)
	}
	entry.Write(secret)
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
