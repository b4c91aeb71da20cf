package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/toolboxai-solutions/satchel/infra/openapi/answers"
)

// answered is every answer that a test got.
var answered answers.Recorder

// school is one organization, of one test.
type school struct {
	*platform
	t    *testing.T
	slug string
	id   string
}

// newSchool runs the test beside the others, in an organization of its own.
func newSchool(t *testing.T) *school {
	t.Helper()
	t.Parallel()
	return schoolOn(t, shared.platform)
}

func schoolOn(t *testing.T, p *platform) *school {
	t.Helper()
	s := &school{platform: p, t: t, slug: "e2e-" + strings.ToLower(rand.Text()[:12])}
	s.user("admin")
	return s
}

type user struct {
	s                *school
	token, id, email string
}

// user makes a new member of the school.
func (s *school) user(role string) user {
	s.t.Helper()
	return s.signIn(strings.ToLower(rand.Text()[:10])+"@example.test", role)
}

func (s *school) signIn(email, role string) user {
	s.t.Helper()
	a := s.send("POST", "/local/token", "",
		map[string]string{"organization": s.slug, "user": email, "role": role}).want(200)
	if s.id == "" { // the first member's sign-in, before any goroutine reads it
		s.id = a.str("organization_id")
	}
	return user{s: s, token: a.str("token"), id: a.str("user_id"), email: email}
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
	u.s.t.Helper()
	return u.s.send(method, path, u.token, body, headers...)
}

func (s *school) send(method, path, token string, body any, headers ...string) reply {
	s.t.Helper()
	a, err := s.try(method, path, token, body, headers...)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// try is for goroutines, which may not end a test.
func (s *school) try(method, path, token string, body any, headers ...string) (reply, error) {
	var payload io.Reader
	if body != nil {
		text, isText := body.(string)
		if !isText {
			encoded, err := json.Marshal(body)
			if err != nil {
				return reply{}, err
			}
			text = string(encoded)
		}
		payload = strings.NewReader(text)
	}
	request, err := http.NewRequest(method, s.ready.API+path, payload)
	if err != nil {
		return reply{}, err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return reply{}, err
	}
	a := reply{t: s.t, status: response.StatusCode, header: response.Header, raw: string(raw)}
	if a.header.Get("X-Request-Id") != "" { // else it is the gateway's, whose form is AWS's
		answered.Add(method, path, a.status, a.header, a.raw)
	}
	if len(raw) > 0 && strings.Contains(a.header.Get("Content-Type"), "json") {
		err = json.Unmarshal(raw, &a.body)
	}
	return a, err
}

func (a reply) want(status int) reply {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("answer %d %s, want %d", a.status, a.raw, status)
	}
	return a
}

// problem wants a refusal that a client can act on (RFC 9457).
func (a reply) problem(status int, code string) reply {
	a.t.Helper()
	a.want(status)
	if kind := a.header.Get("Content-Type"); kind != "application/problem+json" {
		a.t.Errorf("a problem of type %s", kind)
	}
	if a.at("code") != code || a.at("status") != float64(status) ||
		!strings.HasSuffix(a.str("type"), "#"+code) || a.str("title") == "" ||
		!strings.HasSuffix(a.str("detail"), ".") {
		a.t.Fatalf("problem %s, want %s", a.raw, code)
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
	text, ok := a.at(path).(string)
	if !ok {
		a.t.Fatalf("%s is no text in %s", path, a.raw)
	}
	return text
}

func (a reply) number(path string) int64 {
	a.t.Helper()
	n, ok := a.at(path).(float64)
	if !ok {
		a.t.Fatalf("%s is no number in %s", path, a.raw)
	}
	return int64(n)
}

// sent is a file that somebody wants to upload.
type sent struct {
	name, kind string
	content    []byte
	more       map[string]any // further members of the request
}

func (f sent) body() map[string]any {
	body := map[string]any{"filename": f.name, "content_type": f.kind, "size": len(f.content)}
	for name, value := range f.more {
		body[name] = value
	}
	return body
}

func text(content string) sent {
	return sent{name: "note.txt", kind: "text/plain", content: []byte(content)}
}

func (u user) reserve(f sent) reply {
	u.s.t.Helper()
	return u.call("POST", "/v1/files", f.body()).want(201)
}

// upload reserves, posts the form and returns the file's id.
func (u user) upload(f sent) string {
	u.s.t.Helper()
	a := u.reserve(f)
	if status, body := a.post(f.content); status != 204 {
		u.s.t.Fatalf("the form answers %d %s", status, body)
	}
	return a.str("file.id")
}

// post sends the form of an answer as a browser does.
func (a reply) post(content []byte) (int, string) {
	a.t.Helper()
	status, text, err := a.tryPost(content)
	if err != nil {
		a.t.Fatal(err)
	}
	return status, text
}

func (a reply) tryPost(content []byte) (int, string, error) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	fields, _ := a.at("upload.fields").(map[string]any)
	for name, value := range fields {
		if err := form.WriteField(name, fmt.Sprint(value)); err != nil {
			return 0, "", err
		}
	}
	part, err := form.CreateFormFile("file", "x")
	if err != nil {
		return 0, "", err
	}
	if _, err := part.Write(content); err != nil {
		return 0, "", err
	}
	if err := form.Close(); err != nil {
		return 0, "", err
	}
	response, err := http.Post(fmt.Sprint(a.at("upload.url")), form.FormDataContentType(), &body)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

// settled waits for the verdict.
func (u user) settled(id string) (a reply) {
	u.s.t.Helper()
	final := []string{"available", "quarantined", "error"}
	until(u.s.t, "a verdict on "+id, func() bool {
		a = u.call("GET", "/v1/files/"+id, nil).want(200)
		if slices.Contains(final, a.str("file.status")) {
			return true
		}
		u.s.pass(id)
		return false
	})
	return a
}

// available uploads something that has to be accepted.
func (u user) available(f sent) string {
	u.s.t.Helper()
	id := u.upload(f)
	if a := u.settled(id); a.at("file.status") != "available" {
		u.s.t.Fatalf("%s ended as %s", f.name, a.raw)
	}
	return id
}

// fetch asks for a link and follows it.
func (u user) fetch(id, variant string) (http.Header, []byte) {
	u.s.t.Helper()
	path := "/v1/files/" + id + "/download"
	if variant != "" {
		path += "?variant=" + variant
	}
	return follow(u.s.t, u.call("GET", path, nil).want(200).str("url"))
}

func follow(t *testing.T, link string) (http.Header, []byte) {
	t.Helper()
	response, err := http.Get(link)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != 200 {
		t.Fatalf("the link answers %d %s", response.StatusCode, content)
	}
	return response.Header, content
}
