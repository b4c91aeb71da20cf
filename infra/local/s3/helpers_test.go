package s3_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/config"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/toolboxai-solutions/satchel/infra/local/s3"
	"github.com/toolboxai-solutions/satchel/infra/template"
)

// The tests of this package do not run in parallel: versitygw allows one server
// per process and moves the working directory.

const incoming, files, quarantine = "satchel-incoming", "satchel-files", "satchel-quarantine"

// buckets has events of one go to a queue that is named like it.
func buckets() []template.Bucket {
	return []template.Bucket{
		{
			Name: incoming, Versioned: true,
			CORS: []template.CORSRule{{Origins: []string{"*"}, Methods: []string{"POST"},
				Headers: []string{"*"}, Exposed: []string{"ETag"}}},
			Notifications: []template.Notification{{Queue: incoming}},
		},
		{Name: files, Versioned: true},
		{Name: quarantine, Versioned: true},
	}
}

// recorder keeps what was notified.
type recorder struct {
	mu     sync.Mutex
	events [][]byte
}

func (r *recorder) notify(bucket string, event []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, append([]byte(bucket+" "), event...))
}

// take returns what was notified since the last take, and forgets it.
func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var taken []string
	for _, e := range r.events {
		taken = append(taken, string(e))
	}
	r.events = nil
	return taken
}

// records reads what take returned as a function would.
func records(t *testing.T, taken []string) []events.S3EventRecord {
	t.Helper()
	var all []events.S3EventRecord
	for _, e := range taken {
		bucket, body, _ := strings.Cut(e, " ")
		if bucket != incoming {
			t.Errorf("an event of bucket %s", bucket)
		}
		var event events.S3Event
		if err := json.Unmarshal([]byte(body), &event); err != nil {
			t.Fatal(err)
		}
		all = append(all, event.Records...)
	}
	return all
}

func start(t *testing.T, dir string) (*s3.Server, *recorder) {
	t.Helper()
	return startWith(t, s3.Options{Dir: dir})
}

func startWith(t *testing.T, o s3.Options) (*s3.Server, *recorder) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	told := &recorder{}
	o.Buckets = buckets()
	o.Notify = told.notify
	server, err := s3.Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	return server, told
}

func running(t *testing.T) (*s3.Server, *recorder) {
	t.Helper()
	return runningWith(t, s3.Options{Dir: t.TempDir()})
}

func runningWith(t *testing.T, o s3.Options) (*s3.Server, *recorder) {
	t.Helper()
	server, told := startWith(t, o)
	t.Cleanup(func() {
		if err := server.AwaitEnd(); err != nil {
			t.Error(err)
		}
	})
	told.take()
	return server, told
}

// onEachFileSystem runs the test on a server as it is with extended attributes
// (where this machine has them) and as it is without.
func onEachFileSystem(t *testing.T, test func(*testing.T, *s3.Server, *recorder)) {
	t.Run("as here", func(t *testing.T) {
		server, told := running(t)
		test(t, server, told)
	})
	t.Run("without extended attributes", func(t *testing.T) {
		server, told := runningWith(t, s3.WithoutAttributes(s3.Options{Dir: t.TempDir()}))
		test(t, server, told)
	})
}

// stockClient is the SDK as a function gets it: environment variables, no code.
func stockClient(t *testing.T, server *s3.Server) *awss3.Client {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_S3":   server.Endpoint,
		"AWS_REGION":            server.Region,
		"AWS_ACCESS_KEY_ID":     server.AccessKey,
		"AWS_SECRET_ACCESS_KEY": server.SecretKey,
		"AWS_CONFIG_FILE":       "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
		"AWS_PROFILE": "",
	} {
		t.Setenv(name, value)
	}
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return awss3.NewFromConfig(cfg)
}

func put(t *testing.T, client *awss3.Client, bucket, key, body string) *awss3.PutObjectOutput {
	t.Helper()
	out, err := client.PutObject(t.Context(),
		&awss3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(body)})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func get(t *testing.T, client *awss3.Client,
	in *awss3.GetObjectInput) (string, *awss3.GetObjectOutput) {
	t.Helper()
	out, err := client.GetObject(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body), out
}

// form is a browser's form: fields in order, then the file.
type form struct {
	fields   [][2]string
	file     string
	epilogue string
}

func (f form) post(t *testing.T, url string) (status int, body string) {
	t.Helper()
	var sent bytes.Buffer
	w := multipart.NewWriter(&sent)
	for _, field := range f.fields {
		w.WriteField(field[0], field[1])
	}
	part, err := w.CreateFormFile("file", "IMG_1234.JPG")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(part, f.file)
	w.Close()
	sent.WriteString(f.epilogue)
	response, err := http.Post(url, w.FormDataContentType(), &sent)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(answer)
}
