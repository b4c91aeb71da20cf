package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/library"
	"github.com/toolboxai-solutions/satchel/shared/httpapi"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// Page is a place in a list and how much of it to send.
type Page struct {
	Cursor string `query:"cursor" maxLength:"200" doc:"next_cursor of the previous page."`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"The most items on a page. There can be fewer: only next_cursor tells whether it is the last page."`
}

func (p Page) after() (*library.Position, error) {
	cursor, err := httpapi.ParseCursor(p.Cursor)
	if err != nil || cursor == nil {
		return nil, err
	}
	return &library.Position{Time: cursor.CreatedAt, ID: cursor.ID}, nil
}

// cut takes one item more than a page holds as the sign that there is another page, which begins
// after the last one that is sent.
func cut[T any](items []T, limit int, at func(T) httpapi.Cursor) ([]T, *string) {
	if len(items) <= limit {
		return items, nil
	}
	items = items[:limit]
	next := at(items[limit-1]).String()
	return items, &next
}

type listIn struct {
	Page
	Status      status   `query:"status" doc:"Deleted files are listed only when this is deleted."`
	Category    category `query:"category"`
	ContentType string   `query:"content_type" maxLength:"255" doc:"A prefix." example:"image/"`
	Name        string   `query:"name" maxLength:"255" doc:"A prefix of filename, case-sensitive."`
	UploadedBy  string   `query:"uploaded_by" format:"uuid"`
}

type listOut struct {
	Body struct {
		Files      []fileBody `json:"files" nullable:"false"`
		NextCursor *string    `json:"next_cursor" doc:"Null on the last page."`
	}
}

func (h handlers) list(ctx context.Context, tx pgx.Tx, by tenant.Caller,
	in *listIn) (*listOut, error) {
	after, err := in.after()
	if err != nil {
		return nil, err
	}
	uploader, err := uploaderOf(in.UploadedBy)
	if err != nil {
		return nil, err
	}
	files, err := h.library.List(ctx, tx, by, library.Filter{
		Status: storedfile.Status(in.Status), Category: library.Category(in.Category),
		ContentType: in.ContentType, Name: in.Name,
		UploadedBy: uploader, After: after, Limit: in.Limit + 1,
	})
	if err != nil {
		return nil, err
	}
	bodies := make([]fileBody, len(files))
	for i, file := range files {
		bodies[i] = bodyOf(by, file)
	}
	fits, err := thatFit(bodies)
	if err != nil {
		return nil, err
	}
	out := &listOut{}
	out.Body.Files, out.Body.NextCursor = cut(bodies, min(in.Limit, fits),
		func(f fileBody) httpapi.Cursor { return httpapi.Cursor{CreatedAt: f.CreatedAt, ID: f.ID} })
	return out, nil
}

// maxPageBytes keeps a page of files with long texts below the 6 MB that a Lambda may answer. It is
// half of that, because the body travels as a JSON string, in which each of its quotes and
// backslashes takes two bytes:
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const maxPageBytes = 2_900_000

// thatFit counts the items, from the first on, that one answer has room for; one always fits.
func thatFit[T any](items []T) (int, error) {
	size := 0
	for i, item := range items {
		encoded, err := json.Marshal(item)
		if err != nil {
			return 0, fmt.Errorf("measure a page: %w", err)
		}
		if size += len(encoded) + len(","); size > maxPageBytes {
			return max(1, i), nil
		}
	}
	return len(items), nil
}

func uploaderOf(s string) (uuid.UUID, error) {
	if s == "" {
		return uuid.Nil, nil
	}
	id, err := uuid.Parse(s)
	if err != nil || id == uuid.Nil {
		return uuid.Nil, invalid("invalid-request", "uploaded_by must be the id of a user.")
	}
	return id, nil
}

type accessIn struct {
	Target
	Page
}

type accessOut struct {
	Body struct {
		Entries    []accessBody `json:"entries" nullable:"false"`
		NextCursor *string      `json:"next_cursor" doc:"Null on the last page."`
	}
}

type accessBody struct {
	ID         uuid.UUID      `json:"id" format:"uuid"`
	FileID     uuid.UUID      `json:"file_id" format:"uuid"`
	UserID     *uuid.UUID     `json:"user_id" format:"uuid" nullable:"true" doc:"Null for the system itself."`
	Action     action         `json:"action"`
	Details    map[string]any `json:"details"`
	IPAddress  *netip.Addr    `json:"ip_address" doc:"Only for staff, for 30 days."`
	UserAgent  *string        `json:"user_agent" doc:"Only for staff, for 30 days."`
	OccurredAt time.Time      `json:"occurred_at"`
}

func (h handlers) accesses(ctx context.Context, tx pgx.Tx, by tenant.Caller,
	in *accessIn) (*accessOut, error) {
	after, err := in.after()
	if err != nil {
		return nil, err
	}
	entries, err := h.library.AccessLog(ctx, tx, by, in.file(), after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &accessOut{}
	entries, out.Body.NextCursor = cut(entries, in.Limit, func(a library.Access) httpapi.Cursor {
		return httpapi.Cursor{CreatedAt: a.OccurredAt, ID: a.ID}
	})
	out.Body.Entries = make([]accessBody, len(entries))
	for i, e := range entries {
		out.Body.Entries[i] = accessBody{
			ID: e.ID, FileID: e.File, UserID: e.User, Action: action(e.Action), Details: e.Details,
			IPAddress: e.IP, UserAgent: e.UserAgent, OccurredAt: e.OccurredAt.UTC(),
		}
	}
	return out, nil
}

type action library.Action

// Schema lists the actions.
func (action) Schema(huma.Registry) *huma.Schema { return enumeration(library.Actions()) }
