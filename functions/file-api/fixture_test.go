package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/infra/local/issuer"
	"github.com/toolboxai-solutions/satchel/infra/local/s3"
	"github.com/toolboxai-solutions/satchel/infra/openapi/answers"
	"github.com/toolboxai-solutions/satchel/infra/pgtest"
	"github.com/toolboxai-solutions/satchel/shared/httpapi"
	"github.com/toolboxai-solutions/satchel/shared/mediatype"
	"github.com/toolboxai-solutions/satchel/shared/outbox"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

const (
	incomingBucket   = "satchel-test-incoming"
	filesBucket      = "satchel-test-files"
	quarantineBucket = "satchel-test-quarantine"
)

// outside is what all tests of this process share: one S3 server, because there can be only one,
// and one issuer.
type outside struct {
	client *awss3.Client
	issuer *issuer.Issuer
	jwks   string
}

var outer = sync.OnceValues(startOutside)

// stopOutside ends what startOutside began, if a test began it.
var stopOutside = func() {}

func startOutside() (*outside, error) {
	dir, err := os.MkdirTemp("", "file-api")
	if err != nil {
		return nil, err
	}
	server, err := s3.Start(context.Background(), s3.Options{
		Dir: dir + "/s3", Buckets: s3.Versioned(incomingBucket, filesBucket, quarantineBucket),
	})
	if err != nil {
		return nil, err
	}
	signer, err := issuer.Open(dir+"/issuer", pgtest.Issuer)
	if err != nil {
		return nil, err
	}
	web := httptest.NewServer(signer.Handler())
	client := awss3.NewFromConfig(aws.Config{
		Region: server.Region, BaseEndpoint: &server.Endpoint,
		Credentials: credentials.NewStaticCredentialsProvider(server.AccessKey, server.SecretKey,
			""),
	})
	stopOutside = func() { web.Close(); _ = server.Stop(); _ = os.RemoveAll(dir) }
	return &outside{client: client, issuer: signer, jwks: web.URL + "/.well-known/jwks.json"}, nil
}

// answered is every answer that a test of this package got.
var answered answers.Recorder

func TestMain(m *testing.M) {
	code := m.Run()
	stopOutside()
	if code == 0 {
		code = answered.Report("openapi.json")
	}
	os.Exit(code)
}

// fixture is one organization's API on a database of its own.
type fixture struct {
	*outside
	t            *testing.T
	db           *pgtest.Database
	organization uuid.UUID
	handler      http.Handler
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	t.Parallel()
	o, err := outer()
	if err != nil {
		t.Fatal(err)
	}
	w := &fixture{outside: o, t: t, db: pgtest.New(t)}
	w.organization = w.db.Organization(t, "school")
	w.handler = w.api()
	return w
}

// api is one more instance of the function, with connections of its own.
func (w *fixture) api() http.Handler { return w.apiOn(w.db.DB(w.t, "file-api/http")) }

func (w *fixture) apiOn(db *tenantdb.DB) http.Handler {
	c := Config{
		Buckets: storedfile.Buckets{Incoming: incomingBucket, Files: filesBucket,
			Quarantine: quarantineBucket},
		MaxFileSize:  50 << 20,
		AllowedTypes: mediatype.Patterns{"image/*", "application/pdf", "text/*"},
		Auth: httpapi.AuthConfig{
			Issuer: pgtest.Issuer, JWKSURL: w.jwks, Audience: []string{issuer.Audience},
			OrganizationClaim: "organization_id", KeysMaxAge: time.Hour,
		},
	}
	return newAPI(c, db, w.client, outbox.Doorbell{},
		slog.New(slog.NewTextHandler(w.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})))
}

type user struct {
	pgtest.Person
	w     *fixture
	token string
}

func (w *fixture) user(role tenant.Role) user { return w.userOf(w.organization, role) }

func (w *fixture) userOf(organization uuid.UUID, role tenant.Role) user {
	w.t.Helper()
	p := w.db.Member(w.t, organization, role)
	token, err := w.issuer.Token(
		issuer.Claims{Subject: p.Subject, Organization: organization.String()})
	if err != nil {
		w.t.Fatal(err)
	}
	return user{Person: p, w: w, token: token}
}

// reply is an answer whose JSON is looked into by path: "file.id", "files.0.status".
type reply struct {
	t      *testing.T
	status int
	header http.Header
	raw    string
	body   any
}

func (u user) call(method, path string, body any, headers ...string) reply {
	u.w.t.Helper()
	return u.callOn(u.w.handler, method, path, body, headers...)
}

func (u user) callOn(handler http.Handler, method, path string, body any, headers ...string) reply {
	u.w.t.Helper()
	var payload io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		payload = strings.NewReader(b)
	default:
		encoded, err := json.Marshal(b)
		if err != nil {
			u.w.t.Error(err)
		}
		payload = bytes.NewReader(encoded)
	}
	r := httptest.NewRequest(method, path, payload)
	r.Header.Set("Authorization", "Bearer "+u.token)
	r.Header.Set("User-Agent", "test/1.0")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	recorded := httptest.NewRecorder()
	handler.ServeHTTP(recorded, r)
	a := reply{t: u.w.t, status: recorded.Code, header: recorded.Header(),
		raw: recorded.Body.String()}
	answered.Add(method, path, a.status, a.header, a.raw)
	if a.raw != "" {
		if err := json.Unmarshal([]byte(a.raw), &a.body); err != nil {
			u.w.t.Errorf("%s %s: %v in %s", method, path, err, a.raw)
		}
	}
	return a
}

func (a reply) want(status int, code ...string) reply {
	a.t.Helper()
	if a.status != status || len(code) > 0 && a.at("code") != code[0] {
		a.t.Fatalf("answer %d %s, want %d %v", a.status, a.raw, status, code)
	}
	return a
}

func (a reply) at(path string) any {
	here := a.body
	for name := range strings.SplitSeq(path, ".") {
		switch v := here.(type) {
		case map[string]any:
			here = v[name]
		case []any:
			var i int
			if _, err := fmt.Sscan(name, &i); err != nil || i >= len(v) {
				return nil
			}
			here = v[i]
		default:
			return nil
		}
	}
	return here
}

func (a reply) str(path string) string {
	a.t.Helper()
	s, ok := a.at(path).(string)
	if !ok {
		a.t.Fatalf("%s is no string in %s", path, a.raw)
	}
	return s
}

// ids lists the ids of a list of files.
func (a reply) ids() []string {
	a.t.Helper()
	ids := []string{}
	for i := range a.at("files").([]any) {
		ids = append(ids, a.str(fmt.Sprintf("files.%d.id", i)))
	}
	return ids
}

func newFile(changes ...any) map[string]any {
	body := map[string]any{"filename": "lesson.pdf", "content_type": "application/pdf",
		"size": 1000}
	for i := 0; i < len(changes); i += 2 {
		body[changes[i].(string)] = changes[i+1]
	}
	return body
}

// create reserves a file and returns its id.
func (u user) create(changes ...any) string {
	u.w.t.Helper()
	return u.call("POST", "/v1/files", newFile(changes...)).want(201).str("file.id")
}

// available reserves a file and gives it the verdict that processing would.
func (u user) available(changes ...any) string {
	u.w.t.Helper()
	id := u.create(changes...)
	u.w.settle(id, "available", "")
	return id
}

// settle ends an upload as file-processing does, without its objects.
func (w *fixture) settle(id, status, reason string) {
	w.t.Helper()
	accepted := status == "available"
	w.exec(`WITH upload AS (DELETE FROM file_uploads WHERE file_id = $1
		RETURNING organization_id, reserved_bytes)
		UPDATE storage_quotas q SET reserved_bytes = q.reserved_bytes - u.reserved_bytes,
			used_bytes = q.used_bytes + CASE WHEN $2 THEN u.reserved_bytes
				ELSE 0 END, file_count = q.file_count - CASE WHEN $2 THEN 0 ELSE 1 END
		FROM upload u WHERE q.organization_id = u.organization_id`, id, accepted)
	w.exec(`UPDATE files SET status = $2, status_reason = nullif($3, ''), quota_bytes = CASE WHEN $4
		THEN file_size ELSE 0 END,
		bucket_name = $5, storage_path = replace(storage_path, 'incoming/', 'original/')
			WHERE id = $1`, id, status, reason, accepted, filesBucket)
}

func (w *fixture) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.db.Superuser.Exec(context.Background(), sql, args...); err != nil {
		w.t.Fatal(err)
	}
}

func (w *fixture) number(sql string, args ...any) (n int64) {
	w.t.Helper()
	if err := w.db.Superuser.QueryRow(context.Background(), sql, args...).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// quota is used, reserved and files of the fixture's organization.
func (w *fixture) quota() (used, reserved, files int64) {
	w.t.Helper()
	err := w.db.Superuser.QueryRow(context.Background(),
		`SELECT used_bytes, reserved_bytes, file_count FROM storage_quotas
			WHERE organization_id = $1`,
		w.organization).Scan(&used, &reserved, &files)
	if err != nil {
		w.t.Fatal(err)
	}
	return used, reserved, files
}

func (w *fixture) wantQuota(used, reserved, files int64) {
	w.t.Helper()
	if u, r, f := w.quota(); u != used || r != reserved || f != files {
		w.t.Errorf("quota: %d used, %d reserved, %d files; want %d, %d, %d", u, r, f, used,
			reserved, files)
	}
}

// post sends a form as a browser does.
func (w *fixture) post(a reply, content []byte) int {
	w.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, value := range a.at("upload.fields").(map[string]any) {
		if err := form.WriteField(name, value.(string)); err != nil {
			w.t.Fatal(err)
		}
	}
	part, err := form.CreateFormFile("file", "x")
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := part.Write(content); err != nil {
		w.t.Fatal(err)
	}
	if err := form.Close(); err != nil {
		w.t.Fatal(err)
	}
	response, err := http.Post(a.str("upload.url"), form.FormDataContentType(), &body)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode
}

func (w *fixture) time(s string) time.Time {
	w.t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		w.t.Fatal(err)
	}
	return at
}
