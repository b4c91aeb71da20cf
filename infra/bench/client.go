package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"

	"github.com/google/uuid"
)

// client sends files through the public API as a browser does.
type client struct {
	api, token string
	http       *http.Client
}

func (w *fixture) signIn(ctx context.Context, slug, user string) (*client, error) {
	c := &client{api: w.Ready.API, http: &http.Client{Timeout: patience}}
	var answer struct{ Token string }
	ask := map[string]string{"organization": slug, "user": user, "role": "staff"}
	if err := c.call(ctx, "/local/token", http.StatusOK, ask, &answer); err != nil {
		return nil, err
	}
	c.token = answer.Token
	return c, nil
}

// upload reserves the file and sends it with the form that it was given for.
func (c *client) upload(ctx context.Context, s sample) (uuid.UUID, error) {
	var reserved struct {
		File   struct{ ID uuid.UUID }
		Upload struct {
			URL    string
			Fields map[string]string
		}
	}
	ask := map[string]any{"filename": s.name, "content_type": s.contentType, "size": len(s.content)}
	if err := c.call(ctx, "/v1/files", http.StatusCreated, ask, &reserved); err != nil {
		return uuid.Nil, err
	}
	var form bytes.Buffer
	parts := multipart.NewWriter(&form)
	for name, value := range reserved.Upload.Fields {
		if err := parts.WriteField(name, value); err != nil {
			return uuid.Nil, err
		}
	}
	file, err := parts.CreateFormFile("file", s.name)
	if err != nil {
		return uuid.Nil, err
	}
	if _, err := file.Write(s.content); err != nil {
		return uuid.Nil, err
	}
	if err := parts.Close(); err != nil {
		return uuid.Nil, err
	}
	return reserved.File.ID, c.post(ctx, reserved.Upload.URL, parts.FormDataContentType(),
		http.StatusNoContent, &form, nil)
}

func (c *client) call(ctx context.Context, path string, want int, ask, answer any) error {
	text, err := json.Marshal(ask)
	if err != nil {
		return err
	}
	return c.post(ctx, c.api+path, "application/json", want, bytes.NewReader(text), answer)
}

func (c *client) post(ctx context.Context, url, contentType string, want int, body io.Reader,
	answer any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", contentType)
	if c.token != "" && answer != nil { // the storage has its own signature in the form
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != want {
		return fmt.Errorf("POST %s: %s: %s", request.URL.Path, response.Status, text)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}
