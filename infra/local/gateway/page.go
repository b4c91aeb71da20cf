package gateway

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
)

// page is the start page. html/template escapes what is put into it, file names among it.
//
//go:embed page.html
var page string

// A fileOfPage is what the page shows of a file.
type fileOfPage struct {
	ID, Filename, Title, Status string
	Reason                      string `json:"status_reason"`
	Type                        string `json:"content_type"`
	Size                        int64
	Variants                    []struct {
		Name                string
		Size, Width, Height int64
	}
}

// Thumbnail reports whether there is one to show.
func (f fileOfPage) Thumbnail() bool {
	for _, v := range f.Variants {
		if v.Name == "thumbnail" {
			return true
		}
	}
	return false
}

// start shows in a browser what is here.
func (l Local) start(w http.ResponseWriter, r *http.Request) {
	shown := struct {
		Organization string
		Files        []fileOfPage
		Queues       []Queue
	}{Organization: l.Organization, Queues: l.Queues()}
	answer, err := l.get(r.Context(), l.Organization, "/v1/files?limit=50")
	if err == nil && answer.Code != http.StatusOK {
		err = fmt.Errorf("the files' list answers %d: %s", answer.Code, answer.Body)
	}
	if err == nil {
		err = json.Unmarshal(answer.Body.Bytes(), &struct{ Files *[]fileOfPage }{&shown.Files})
	}
	parsed, broken := template.New("start").Parse(page)
	if err != nil || broken != nil {
		l.Log.Error("no start page", "error", err, "page", broken)
		message(w, http.StatusInternalServerError, "the page could not be filled: see the log")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy",
		"default-src 'none'; img-src *; style-src 'unsafe-inline'")
	_ = parsed.Execute(w, shown)
}
