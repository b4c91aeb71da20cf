package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// api is a server that does to each file what the file's name says.
type api struct {
	t       *testing.T
	url     string
	content map[string][]byte
	polls   int
	stuck   func() // called when a file was asked for and nothing happened to it
}

func serve(t *testing.T) *api {
	a := &api{t: t, content: map[string][]byte{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /local/token", func(w http.ResponseWriter,
		_ *http.Request) {
		a.answer(w, `{"token":"sesame"}`)
	})
	mux.HandleFunc("POST /v1/files", a.reserve)
	mux.HandleFunc("POST /storage", a.store)
	mux.HandleFunc("GET /v1/files", func(w http.ResponseWriter, _ *http.Request) {
		a.answer(w, `{"files":[{"id":"old","filename":"kept.txt","status":"available","size":4},{"id":"cut","filename":"grown.txt","status":"available","size":1}]}`)
	})
	mux.HandleFunc("GET /v1/files/{id}", a.get)
	mux.HandleFunc("GET /v1/files/{id}/download", func(w http.ResponseWriter, r *http.Request) {
		a.answer(w, fmt.Sprintf(`{"url":%q}`,
			a.url+"/signed/"+r.PathValue("id")+"/"+r.URL.Query().Get("variant")+"?secret"))
	})
	mux.HandleFunc("GET /signed/{id}/{variant}", func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(r.PathValue("variant") + " of " + r.PathValue("id")))
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	a.url = server.URL
	return a
}

func (a *api) answer(w http.ResponseWriter, body string) { _, _ = io.WriteString(w, body) }

func (a *api) reserve(w http.ResponseWriter, r *http.Request) {
	var ask struct {
		Filename    string
		ContentType string `json:"content_type"`
		Size        int64
	}
	if err := json.NewDecoder(r.Body).Decode(&ask); err != nil ||
		r.Header.Get("Authorization") != "Bearer sesame" {
		a.t.Errorf("reserve: %v, %v", err, r.Header)
	}
	if ask.Filename == "refused.txt" {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnsupportedMediaType)
		a.answer(w, `{"title":"Unsupported","detail":"send something else"}`)
		return
	}
	w.WriteHeader(http.StatusCreated)
	a.answer(w, fmt.Sprintf(`{"file":{"id":%q,"status":"pending"},"upload":{"method":"POST","url":%q,"fields":{"key":%q,"Content-Type":%q}}}`,
		ask.Filename, a.url+"/storage", ask.Filename, ask.ContentType))
}

func (a *api) store(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength <= 0 {
		a.t.Error("a presigned POST needs a Content-Length")
	}
	file, _, err := r.FormFile("file")
	if err != nil {
		a.t.Errorf("form: %v", err)
		return
	}
	key := r.FormValue("key")
	a.content[key], _ = io.ReadAll(file)
	w.WriteHeader(http.StatusNoContent)
}

func (a *api) get(w http.ResponseWriter, r *http.Request) {
	a.polls++
	switch id := r.PathValue("id"); {
	case a.polls%3 != 0:
		a.answer(w, `{"file":{"status":"processing"}}`)
	case id == "virus.txt":
		a.answer(w, `{"file":{"id":"virus.txt","status":"quarantined","reason":"infected"}}`)
	case id == "stuck.txt":
		a.polls = 0
		a.stuck()
		a.answer(w, `{"file":{"status":"processing"}}`)
	default:
		a.answer(w, fmt.Sprintf(`{"file":{"id":%q,"status":"available","variants":[{"name":"thumbnail","content_type":"image/png","size":1,"width":1,"height":1},
			{"name":"optimized","content_type":"image/jpeg","size":77,"width":30,"height":20}]}}`, id))
	}
}

func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func picture(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 40, 30))); err != nil {
		t.Fatal(err)
	}
	return file(t, "photo.png", b.String())
}

// line of the table that begins with a name, its columns joined by single spaces.
func line(out, name string) string {
	for l := range strings.Lines(out) {
		if strings.HasPrefix(l, name) {
			return strings.Join(strings.Fields(l), " ")
		}
	}
	return ""
}

func TestWhatBecameOfEachFileIsTold(t *testing.T) {
	t.Parallel()
	a, out, saved := serve(t), bytes.Buffer{}, filepath.Join(t.TempDir(), "pictures")
	photo := picture(t)
	err := Run(t.Context(), Options{API: a.url, Files: []string{photo, file(t, "virus.txt", "bad")},
		SaveTo: saved, Out: &out})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "Not every file was scanned") {
		t.Errorf("nothing scanned, and it does not say so:\n%s", out.String())
	}
	sent, _ := os.ReadFile(photo)
	if !bytes.Equal(a.content["photo.png"], sent) {
		t.Error("the storage did not get the file's bytes")
	}
	if got := line(out.String(), "photo.png"); !strings.Contains(got,
		fmt.Sprintf("available image/jpeg %d 77 40×30 → 30×20", len(sent))) {
		t.Errorf("photo: %q", got)
	}
	if got := line(out.String(), "virus.txt"); !strings.HasPrefix(got,
		"virus.txt quarantined text/plain 3 - -") || !strings.HasSuffix(got, "infected") {
		t.Errorf("virus: %q", got)
	}
	for name, want := range map[string]string{"01-photo-thumbnail.png": "thumbnail of photo.png",
		"01-photo-optimized.jpg": "optimized of photo.png"} {
		if got, err := os.ReadFile(filepath.Join(saved, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestEveryTellsUntilItIsStopped(t *testing.T) {
	t.Parallel()
	told := make(chan time.Duration)
	stop := every(time.Millisecond, func(passed time.Duration) {
		select {
		case told <- passed:
		case <-t.Context().Done():
		}
	})
	if first, second := <-told, <-told; second <= first {
		t.Errorf("%s passed, and then %s", first, second)
	}
	go func() { // one may be on its way
		for range told {
		}
	}()
	stop()
	close(told)
}

func TestOnlyFinalStatesAreSuccess(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"refused.txt": "refused text/plain",
		"stuck.txt": "failed text/plain"} {
		a, out := serve(t), bytes.Buffer{}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		a.stuck = cancel
		err := Run(ctx, Options{API: a.url, Files: []string{file(t, name, "text")}, Out: &out})
		if errors.Is(err, ErrUnfinished) != (name == "stuck.txt") ||
			!strings.HasPrefix(line(out.String(), name), name+" "+want) {
			t.Errorf("%s: %v\n%s", name, err, out.String())
		}
	}
	a, out := serve(t), bytes.Buffer{}
	err := Run(t.Context(), Options{API: a.url, Files: []string{"missing.jpg"}, Out: &out})
	if !errors.Is(err, ErrUnfinished) || !strings.Contains(out.String(), "no such file") {
		t.Errorf("missing: %v\n%s", err, out.String())
	}
}

func TestFilesOfAnEarlierRunAreNotSentAgain(t *testing.T) {
	t.Parallel()
	a, out := serve(t), bytes.Buffer{}
	err := Run(t.Context(), Options{API: a.url,
		Files: []string{file(t, "kept.txt", "text"), file(t, "grown.txt", "text")}, Reuse: true,
		Out: &out})
	if err != nil {
		t.Fatal(err)
	}
	if _, sent := a.content["kept.txt"]; sent ||
		!strings.Contains(line(out.String(), "kept.txt"), "kept") {
		t.Errorf("kept.txt was sent again:\n%s", out.String())
	}
	if _, sent := a.content["grown.txt"]; !sent {
		t.Error("grown.txt has another size and was not sent")
	}
}
