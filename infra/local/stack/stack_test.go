package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/jackc/pgx/v5"
)

// The functions that the tests reach, by the names that template.yaml gives them.
const (
	fileMaintenance = "satchel-file-api-maintenance"
	fileProcessing  = "satchel-file-processing-events"
	ingestQueue     = "IngestQueue"
)

// fakes is a directory with one small binary in the place of every function's.
func fakes(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, folder := range []string{"analytics-aggregation", "file-api", "file-processing",
		"notification-dispatcher"} {
		build := exec.Command("go", "build", "-o", bootstrap(dir, folder), "./testdata/fn")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	return dir
}

// place is a data directory that PostgreSQL's account can reach, which a test's own may not be.
func place(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "satchel-stack-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

func begin(t *testing.T, o Options) *Stack {
	t.Helper()
	progress := &bytes.Buffer{}
	o.Progress, o.Throwaway, o.NoSchedules, o.Clamd = progress, true, true, ScannerOff
	o.Visibility = 20 * time.Millisecond
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatalf("%v\n%s", err, progress)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	if !strings.Contains(progress.String(), "marked not scanned") {
		t.Errorf("progress says nothing of the scanner: %s", progress)
	}
	return s
}

func call(t *testing.T, method, url, body string, into any) int {
	t.Helper()
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s %s: %s: %v", method, url, text, err)
	}
	return response.StatusCode
}

type token struct {
	Token        string `json:"token"`
	Organization string `json:"organization_id"`
	User         string `json:"user_id"`
	Message      string
}

func (s *Stack) ask(t *testing.T, body string) (token, int) {
	t.Helper()
	var answer token
	status := call(t, "POST", s.Ready.API+"/local/token", body, &answer)
	return answer, status
}

// look reads one value with the eyes of whoever inspects.
func (s *Stack) look(t *testing.T, query string, arguments ...any) (value string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.Ready.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if err := conn.QueryRow(t.Context(), query, arguments...).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come about", what)
		}
	}
}

// One after another: the S3 server has the process's working directory.
func TestStack(t *testing.T) {
	o := Options{DataDir: place(t), BinDir: fakes(t)}
	s := begin(t, o)

	t.Run("gateway reaches the function with its own role", func(t *testing.T) {
		var answer struct{ Path, Database, Queue string }
		if status := call(t, "GET", s.Ready.API+"/v1/files/x", "", &answer); status != 200 ||
			answer.Path != "/v1/files/x" {
			t.Errorf("%d %+v", status, answer)
		}
		if answer.Database != s.Ready.Roles["file-api/http"] ||
			!strings.Contains(answer.Database, "satchel_file_api_http:") {
			t.Error("the function has another database role")
		}
	})
	t.Run("token makes what is missing", s.testToken)
	t.Run("schedule fires now", func(t *testing.T) {
		var answer struct {
			Schedule string
			Result   struct{ Fired, Function string }
			Message  string
		}
		status := call(t, "POST", s.Ready.API+"/local/schedules/file-maintenance", "", &answer)
		if status != 200 || answer.Result.Fired != "file-maintenance" ||
			answer.Result.Function != fileMaintenance {
			t.Errorf("%d %+v", status, answer)
		}
		if status := call(t, "POST", s.Ready.API+"/local/schedules/none", "",
			&answer); status != 404 {
			t.Errorf("unknown schedule: %d", status)
		}
	})
	t.Run("storage event reaches the function", s.testStorage)
	t.Run("another stack may not have the directory", func(t *testing.T) {
		if _, err := Start(t.Context(), o); !errors.Is(err, ErrInUse) ||
			!strings.Contains(err.Error(), "-data") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("ready-file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "ready.json")
		if err := s.Ready.Write(path); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		var got map[string]any
		if err != nil || json.Unmarshal(text, &got) != nil {
			t.Fatalf("%s: %v", text, err)
		}
		for _, key := range []string{"api", "issuer", "database_url", "roles", "s3"} {
			if got[key] == nil {
				t.Errorf("no %s in %s", key, text)
			}
		}
		if s.look(t, "SELECT count(*)::text FROM organizations WHERE slug IN "+
			"('oak-street-school', 'riverside-academy')") != "2" {
			t.Error("the two organizations are not there")
		}
	})

	t.Run("second run has the same users, also at another port", func(t *testing.T) {
		before, _ := s.ask(t, `{"organization":"kept","user":"ada@example.org"}`)
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		other := o
		other.Port = port(t, t.TempDir(), 0)
		s = begin(t, other)
		if want := address(other.Port); s.Ready.API != "http://"+want ||
			s.Ready.S3.Endpoint != "http://"+address(other.Port+1) {
			t.Errorf("at %s and %s, want %s and the next", s.Ready.API, s.Ready.S3.Endpoint, want)
		}
		after, _ := s.ask(t, `{"organization":"kept","user":"ada@example.org"}`)
		if before.User != after.User || before.Organization != after.Organization {
			t.Errorf("%+v, then %+v", before, after)
		}
	})
	t.Run("fresh forgets", func(t *testing.T) {
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		fresh := o
		fresh.Fresh = true
		s = begin(t, fresh)
		if got := s.look(t, "SELECT count(*)::text FROM users"); got != "0" {
			t.Errorf("%s users are left", got)
		}
	})
}

func (s *Stack) testToken(t *testing.T) {
	first, status := s.ask(t,
		`{"organization":"north-school","user":"ada@example.org","role":"staff"}`)
	if status != 200 || first.Token == "" {
		t.Fatalf("%d %+v", status, first)
	}
	role := func() string {
		return s.look(t, "SELECT role FROM memberships WHERE organization_id = $1 AND user_id = $2",
			first.Organization, first.User)
	}
	if got := role(); got != "staff" {
		t.Errorf("role %s", got)
	}
	if again, _ := s.ask(t, `{"organization":"north-school","user":"ada@example.org"}`); again.User != first.User || role() != "staff" {
		t.Errorf("without a role: %+v, now %s", again, role())
	}
	if again, _ := s.ask(t, `{"organization":"north-school","user":"ada@example.org","role":"admin"}`); again.Organization != first.Organization || role() != "admin" {
		t.Errorf("with another role: %+v, now %s", again, role())
	}
	for _, wrong := range []string{`{"organization":"No Slug","user":"a"}`, `{"organization":"a"}`,
		`{"organization":"a","user":"b","role":"god"}`, `nonsense`} {
		if answer, status := s.ask(t, wrong); status != 400 || answer.Message == "" {
			t.Errorf("%s: %d %+v", wrong, status, answer)
		}
	}
}

func (s *Stack) testStorage(t *testing.T) {
	client := s3.NewFromConfig(aws.Config{
		Region: s.Ready.S3.Region, BaseEndpoint: &s.Ready.S3.Endpoint,
		Credentials: credentials.NewStaticCredentialsProvider(s.Ready.S3.AccessKey,
			s.Ready.S3.SecretKey, ""),
	})
	logged := func(text string) int {
		content, err := os.ReadFile(s.LogPath())
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(content), text)
	}
	for _, key := range []string{"incoming/good", "incoming/poison"} {
		_, err := client.PutObject(t.Context(),
			&s3.PutObjectInput{Bucket: &s.Ready.S3.Buckets.Incoming, Key: &key,
				Body: strings.NewReader("x")})
		if err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the good event", func() bool {
		return logged(`"function":"`+fileProcessing+`"`) > 0 &&
			logged("incoming/good") == 1
	})
	until(t, "the dead letter", func() bool {
		var answer struct {
			Queues []struct {
				Name        string
				Depth       int
				InFlight    int `json:"in_flight"`
				DeadLetters int `json:"dead_letters"`
			}
		}
		call(t, "GET", s.Ready.API+"/local/queues", "", &answer)
		for _, q := range answer.Queues {
			if q.Name == ingestQueue {
				return q.Depth == 0 && q.InFlight == 0 && q.DeadLetters == 1
			}
		}
		return false
	})
	if got := logged("incoming/poison"); got != 10 { // as in template.yaml
		t.Errorf("the poison came %d times, want 10", got)
	}
}
