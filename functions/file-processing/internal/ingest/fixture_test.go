package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/scan"
	"github.com/toolboxai-solutions/satchel/infra/local/clamd"
	"github.com/toolboxai-solutions/satchel/infra/local/s3"
	"github.com/toolboxai-solutions/satchel/infra/pgtest"
	"github.com/toolboxai-solutions/satchel/shared/mediatype"
	"github.com/toolboxai-solutions/satchel/shared/objectkey"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
)

const (
	entry   = "file-processing/events"
	maxSize = 2 << 20
)

// The servers that the tests of this package share; only one S3 server fits into a process.
var servers struct {
	s3    func() (*s3.Server, error)
	clamd func() (*clamd.Clamd, error)
}

func TestMain(m *testing.M) {
	// The S3 server moves the working directory; nothing here reads a relative path.
	dir, err := os.MkdirTemp("", "ingest-")
	if err != nil {
		panic(err)
	}
	if err := useTempDir(filepath.Join(dir, "tmp")); err != nil {
		panic(err)
	}
	var stop []func() error
	var lock sync.Mutex
	servers.s3 = sync.OnceValues(func() (*s3.Server, error) {
		server, err := s3.Start(context.Background(), s3.Options{
			Dir: filepath.Join(dir, "s3"), Buckets: s3.Versioned("incoming", "files", "quarantine"),
		})
		if err == nil {
			lock.Lock()
			defer lock.Unlock()
			stop = append(stop, server.Stop)
		}
		return server, err
	})
	servers.clamd = sync.OnceValues(func() (*clamd.Clamd, error) {
		daemon, err := clamd.Start(context.Background(), clamd.Options{StreamMaxLength: 4 << 20})
		if err == nil {
			lock.Lock()
			defer lock.Unlock()
			stop = append(stop, daemon.Stop)
		}
		return daemon, err
	})
	code := m.Run()
	if spooled, err := filepath.Glob(filepath.Join(os.TempDir(), spoolPattern)); err != nil ||
		len(spooled) > 0 {
		fmt.Fprintln(os.Stderr, "uploads are left in the temporary directory:", spooled, err)
		code = 1
	}
	for _, s := range stop {
		if err := s(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// useTempDir gives this process a temporary directory of its own, which clamd's unprivileged user
// can enter too.
func useTempDir(dir string) error {
	return errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Mkdir(dir, 0o755),
		os.Setenv("TMPDIR", dir))
}

// fixture is everything around the processor: a database, a school with a quota, and an object
// store.
type fixture struct {
	*pgtest.Database
	t            *testing.T
	organization uuid.UUID
	uploader     uuid.UUID
	s3           *awss3.Client
	processor    *Processor
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	return fixtureOn(t, pgtest.New(t))
}

func fixtureOn(t *testing.T, database *pgtest.Database) *fixture {
	t.Helper()
	w := &fixture{Database: database, t: t, uploader: uuid.New()}
	w.organization = w.Organization(t, "school-"+uuid.NewString()[:8])
	w.exec(`INSERT INTO storage_quotas (organization_id) VALUES ($1)`, w.organization)
	w.s3 = s3Client(t, nil)
	w.processor = &Processor{
		Config: Config{
			Buckets: storedfile.Buckets{Incoming: "incoming", Files: "files",
				Quarantine: "quarantine"},
			MaxFileSize: maxSize, ThumbnailSize: 64, MaxAge: 120 * time.Hour,
			Allowed: mediatype.Patterns{"image/*", "application/pdf", "text/*"},
		},
		DB: w.DB(t, entry), S3: s3Client(t, &faultyStore{}), Log: slog.New(slog.DiscardHandler),
	}
	return w
}

// worker is another one, which remembers nothing.
func (w *fixture) worker() *Processor {
	p := w.processor
	return &Processor{Config: p.Config, DB: p.DB, S3: p.S3, Scanner: p.Scanner, Log: p.Log}
}

// s3Client retries nothing, so that a fault injected below it reaches the code under test.
func s3Client(t *testing.T, transport http.RoundTripper) *awss3.Client {
	t.Helper()
	server, err := servers.s3()
	if err != nil {
		t.Fatal(err)
	}
	config := aws.Config{
		Region: server.Region, BaseEndpoint: &server.Endpoint,
		Credentials: credentials.NewStaticCredentialsProvider(server.AccessKey,
			server.SecretKey, ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported,
		Retryer:                    func() aws.Retryer { return aws.NopRetryer{} },
	}
	if transport != nil {
		config.HTTPClient = &http.Client{Transport: transport}
	}
	return awss3.NewFromConfig(config)
}

// scanning switches the real clamd on.
func (w *fixture) scanning() *fixture {
	w.t.Helper()
	daemon, err := servers.clamd()
	if errors.Is(err, clamd.ErrNotInstalled) && os.Getenv("CI") != "true" {
		w.t.Skip(err)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return w.scanningAt(daemon.Address)
}

func (w *fixture) scanningAt(address string) *fixture {
	w.t.Helper()
	client, err := scan.New(address)
	if err != nil {
		w.t.Fatal(err)
	}
	w.processor.Scanner = client
	return w
}

// upload is what a client declares and then sends.
type upload struct {
	name, mime string
	content    []byte
	declare    int64  // bytes; 0: as many as content has
	checksum   []byte // nil: none is declared
	file       uuid.UUID
}

func (w *fixture) reserve(u *upload) objectkey.Key {
	w.t.Helper()
	if u.file == uuid.Nil {
		u.file = uuid.New()
	}
	if u.declare == 0 {
		u.declare = int64(len(u.content))
	}
	key := objectkey.Key{Organization: w.organization, File: u.file, Version: 1}
	extension := strings.TrimPrefix(filepath.Ext(u.name), ".")
	w.exec(`INSERT INTO files (organization_id, id, filename, original_filename, file_extension,
		file_size, mime_type, bucket_name, storage_path,
			checksum, uploaded_by, created_by)
				VALUES ($1, $2, $3, $3, $4, $5, $6, 'incoming', $7, $8, $9, $9)`,
		w.organization, u.file, u.name, extension, u.declare, u.mime, incomingKey(
			key), u.checksum, w.uploader)
	w.exec(`INSERT INTO file_uploads (organization_id, file_id, uploaded_by, reserved_bytes,
		expires_at)
		VALUES ($1, $2, $3, $4, now() + interval '15 minutes')`, w.organization, u.file, w.uploader, u.declare)
	w.exec(
		`UPDATE storage_quotas SET reserved_bytes = reserved_bytes + $2, file_count = file_count + 1
			WHERE organization_id = $1`,
		w.organization, u.declare)
	return key
}

// put stores a version under key, as a form would, and returns what the event says of it.
func (w *fixture) put(key string, content []byte) Object {
	w.t.Helper()
	out, err := w.s3.PutObject(context.Background(), &awss3.PutObjectInput{
		Bucket: aws.String("incoming"), Key: &key, Body: bytes.NewReader(content),
		ContentType: aws.String("text/html"),
		Metadata:    map[string]string{"note": "the uploader's words"},
	})
	if err != nil {
		w.t.Fatalf("upload: %v", err)
	}
	return Object{Bucket: "incoming", Key: key, Version: *out.VersionId}
}

func (w *fixture) send(u upload) (objectkey.Key, Object) {
	w.t.Helper()
	key := w.reserve(&u)
	return key, w.put(incomingKey(key), u.content)
}

func (w *fixture) process(o Object) Result {
	w.t.Helper()
	result, err := w.processor.Process(w.t.Context(), o)
	if err != nil {
		w.t.Fatalf("process: %v", err)
	}
	return result
}

func (w *fixture) exec(query string, args ...any) {
	w.t.Helper()
	if _, err := w.Superuser.Exec(context.Background(), query, args...); err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
}

// row reads the one row of a query into columns.
func (w *fixture) row(query string, args ...any) map[string]any {
	w.t.Helper()
	rows, err := w.Superuser.Query(context.Background(), query, args...)
	if err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
	row, err := pgx.CollectExactlyOneRow(rows, pgx.RowToMap)
	if err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
	return row
}

func (w *fixture) file(key objectkey.Key) map[string]any {
	w.t.Helper()
	return w.row(`SELECT * FROM files WHERE organization_id = $1 AND id = $2`, key.Organization,
		key.File)
}

// fence is of the attempt whose outputs the file has.
func (w *fixture) fence(key objectkey.Key) int64 {
	w.t.Helper()
	fence, _ := w.file(key)["current_fence"].(int64)
	return fence
}

// expect compares some columns of a row.
func expect(t *testing.T, row map[string]any, want map[string]any) {
	t.Helper()
	for column, value := range want {
		if got := fmt.Sprint(row[column]); got != fmt.Sprint(value) {
			t.Errorf("%s is %v, want %v", column, got, value)
		}
	}
}
