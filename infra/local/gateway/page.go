package gateway

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"time"
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

// healthOfPage is how the agents are.
type healthOfPage struct {
	Status  string
	Score   *float64
	Reasons []string
	Parts   []struct {
		Name, Unit   string
		Value, Score *float64
	}
}

// An eventOfPage was told on the channel of files.
type eventOfPage struct {
	Event, Status string
	Sequence      int64
	OccurredAt    time.Time `json:"occurred_at"`
	Data          struct {
		FileID string `json:"file_id"`
	}
}

// lastEvents is how many events the page shows.
const lastEvents = 10

// start shows in a browser what is here.
func (l Local) start(w http.ResponseWriter, r *http.Request) {
	shown := struct {
		API, Organization string
		Files             []fileOfPage
		Health            healthOfPage
		Events            []eventOfPage
		Queues            []Queue
	}{API: "http://" + r.Host, Organization: l.Organization, Queues: l.Queues()}
	var err error
	shown.Events, err = l.events(r.Context())
	parsed, broken := template.New("start").Funcs(template.FuncMap{"figure": figure}).Parse(page)
	err = errors.Join(err, broken,
		l.read(r.Context(), "/v1/files?limit=50", &struct{ Files *[]fileOfPage }{&shown.Files}),
		l.read(r.Context(), "/v1/analytics/health", &shown.Health))
	if err != nil {
		l.Log.Error("no start page", "error", err)
		message(w, http.StatusInternalServerError, "the page could not be filled: see the log")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy",
		"default-src 'none'; img-src *; style-src 'unsafe-inline'")
	_ = parsed.Execute(w, shown)
}

func figure(value *float64) string {
	if value == nil {
		return "no data"
	}
	return strconv.FormatFloat(*value, 'f', 1, 64)
}

// events are the last of what was told of files.
func (l Local) events(ctx context.Context) ([]eventOfPage, error) {
	var told struct {
		Notifications []eventOfPage
		Last          int64 `json:"last_sequence"`
	}
	path := "/v1/notifications?limit=%d&after=%d&channel=private-org-" +
		organizationID(l.Organization).String() + "-topic-files"
	if err := l.read(ctx, fmt.Sprintf(path, 1, 0), &told); err != nil {
		return nil, err
	}
	after := max(0, told.Last-lastEvents)
	told.Notifications = nil
	err := l.read(ctx, fmt.Sprintf(path, lastEvents, after), &told)
	slices.Reverse(told.Notifications)
	return told.Notifications, err
}

// read asks the API for what the page shows.
func (l Local) read(ctx context.Context, path string, into any) error {
	answer, err := l.get(ctx, l.Organization, path)
	if err != nil {
		return err
	}
	if answer.Code != http.StatusOK {
		return fmt.Errorf("%s answers %d: %s", path, answer.Code, answer.Body)
	}
	return json.Unmarshal(answer.Body.Bytes(), into)
}
