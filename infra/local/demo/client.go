package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// pollEvery is how often the state of a file is asked for.
const pollEvery = 50 * time.Millisecond

// File is what the API tells of a file.
type File struct {
	ID, Filename, Status, Reason string
	Size                         int64
	Variants                     []Variant
	VirusScanned                 bool `json:"virus_scanned"`
}

// Variant is one thing that can be downloaded of a file.
type Variant struct {
	Name          string
	ContentType   string `json:"content_type"`
	Size          int64
	Width, Height int
}

// final tells whether nothing more will happen by itself.
func (f File) final() bool {
	switch f.Status {
	case "available", "quarantined", "error", "archived", "deleted":
		return true
	}
	return false
}

// Problem is an answer that is no success (RFC 9457).
type Problem struct {
	Status        int
	Title, Detail string
}

func (p *Problem) Error() string {
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	return fmt.Sprintf("%d: %s", p.Status, text)
}

// client talks to the public API as a browser would.
type client struct {
	api, token         string
	organization, user string // ids
	http               *http.Client
}

// signIn asks the local issuer for a token.
func signIn(ctx context.Context, api, organization, user string) (*client, error) {
	c := &client{api: api, http: &http.Client{Timeout: 2 * time.Minute}}
	var answer struct {
		Token        string
		Organization string `json:"organization_id"`
		User         string `json:"user_id"`
	}
	err := c.call(ctx, "POST", "/local/token",
		map[string]string{"organization": organization, "user": user, "role": "staff"}, &answer)
	if err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	c.token, c.organization, c.user = answer.Token, answer.Organization, answer.User
	return c, nil
}

// upload reserves the file and sends it with the form that it was given for.
func (c *client) upload(ctx context.Context, f local) (string, error) {
	var reserved struct {
		File   File
		Upload struct {
			Method, URL string
			Fields      map[string]string
		}
	}
	ask := map[string]any{"filename": f.name, "content_type": f.contentType, "size": f.size}
	if err := c.call(ctx, "POST", "/v1/files", ask, &reserved); err != nil {
		return "", err
	}
	content, err := os.Open(f.path)
	if err != nil {
		return "", err
	}
	defer func() { _ = content.Close() }()

	var form bytes.Buffer
	parts := multipart.NewWriter(&form)
	for name, value := range reserved.Upload.Fields {
		if err := parts.WriteField(name, value); err != nil {
			return "", err
		}
	}
	if _, err := parts.CreateFormFile("file", f.name); err != nil {
		return "", err
	}
	head := form.Len()
	if err := parts.Close(); err != nil {
		return "", err
	}
	all := form.Bytes()
	body := io.MultiReader(bytes.NewReader(all[:head]), content, bytes.NewReader(all[head:]))
	request, err := http.NewRequestWithContext(ctx, reserved.Upload.Method, reserved.Upload.URL,
		body)
	if err != nil {
		return "", err
	}
	request.ContentLength = int64(len(all)) + f.size
	request.Header.Set("Content-Type", parts.FormDataContentType())
	if err := c.send(request, nil); err != nil {
		return "", fmt.Errorf("send to storage: %w", err)
	}
	return reserved.File.ID, nil
}

// await polls until the file is in a final state.
func (c *client) await(ctx context.Context, id string) (File, error) {
	for {
		var answer struct{ File File }
		if err := c.call(ctx, "GET", "/v1/files/"+id, nil, &answer); err != nil {
			return File{}, err
		}
		if answer.File.final() {
			return answer.File, nil
		}
		select {
		case <-ctx.Done():
			return answer.File, fmt.Errorf("still %s: %w", answer.File.Status, ctx.Err())
		case <-time.After(pollEvery):
		}
	}
}

// list returns the newest files that may be seen.
func (c *client) list(ctx context.Context) ([]File, error) {
	var answer struct{ Files []File }
	return answer.Files, c.call(ctx, "GET", "/v1/files", nil, &answer)
}

// save downloads a variant by the signed URL that the API answers.
func (c *client) save(ctx context.Context, id, variant, path string) error {
	var signed struct{ URL string }
	if err := c.call(ctx, "GET", "/v1/files/"+id+"/download?variant="+url.QueryEscape(variant), nil,
		&signed); err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, "GET", signed.URL, nil)
	if err != nil {
		return err
	}
	var content bytes.Buffer
	if err := c.send(request, &content); err != nil {
		return err
	}
	return os.WriteFile(path, content.Bytes(), 0o600)
}

func (c *client) call(ctx context.Context, method, path string, ask, answer any) error {
	var body io.Reader
	if ask != nil {
		text, err := json.Marshal(ask)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.api+path, body)
	if err != nil {
		return err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	var text bytes.Buffer
	if err := c.send(request, &text); err != nil {
		return err
	}
	if err := json.Unmarshal(text.Bytes(), answer); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

// send returns a *Problem for an answer that is no success. An error of the transport would repeat
// the URL, which may be a signed one.
func (c *client) send(request *http.Request, into io.Writer) error {
	response, err := c.http.Do(request)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err
		}
		return fmt.Errorf("%s %s: %w", request.Method, request.URL.Path, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode >= 300 {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 4<<10))
		problem := Problem{}
		if json.Unmarshal(text, &problem) != nil {
			problem.Detail = strings.TrimSpace(string(text))
		}
		problem.Status = response.StatusCode
		if problem.Title == "" {
			problem.Title = http.StatusText(response.StatusCode)
		}
		return &problem
	}
	if into == nil {
		into = io.Discard
	}
	_, err = io.Copy(into, response.Body)
	return err
}
