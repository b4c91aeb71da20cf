package main

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/library"
	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/httpapi"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

const createRoute = "POST /v1/files"

type createIn struct {
	httpapi.IdempotencyKey
	Body createBody
}

type createBody struct {
	Filename        string         `json:"filename" minLength:"1" maxLength:"4096" doc:"In any script. A leading path is removed. The name can have up to 255 bytes of UTF-8 and no control characters." example:"Été à la mer.jpg"`
	ContentType     string         `json:"content_type,omitempty" maxLength:"255" doc:"Without it, and for application/octet-stream, the filename's extension decides." example:"image/jpeg"`
	Size            fileSize       `json:"size" doc:"In bytes, exactly."`
	Category        category       `json:"category,omitempty" doc:"Decides who sees the file and how long it is kept. Default: educational_content."`
	Title           *string        `json:"title,omitempty" maxLength:"200"`
	Description     *string        `json:"description,omitempty" maxLength:"4000"`
	Tags            []string       `json:"tags,omitempty" maxItems:"50" doc:"Each 1 to 64 bytes."`
	Metadata        map[string]any `json:"metadata,omitempty" doc:"What you like, up to 16 KiB as JSON."`
	RetentionDays   *int           `json:"retention_days,omitempty" minimum:"1" maximum:"36500" doc:"How long to keep the file. Default: as long as its category says."`
	SHA256          *string        `json:"sha256,omitempty" pattern:"^[0-9a-fA-F]{64}$" patternDescription:"64 hexadecimal digits" doc:"Of the content. An upload that differs is refused."`
	ContainsPII     bool           `json:"contains_pii,omitempty" doc:"Whether the file is about identifiable people."`
	RequiresConsent bool           `json:"requires_consent,omitempty" doc:"Whether the file can be downloaded only after consent is recorded."`
}

type fileSize int64

// Schema has a minimum for the document alone: below it the answer is empty-file, which says more
// than that a number is out of range.
func (fileSize) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeInteger, Format: "int64",
		Extensions: map[string]any{"minimum": 1}}
}

type createOut struct {
	Location string `header:"Location"`
	Body     createdBody
}

type createdBody struct {
	File   fileBody    `json:"file"`
	Upload *uploadBody `json:"upload" doc:"Null when the request is a repeat and the upload has arrived."`
}

// TransformSchema lets upload be null.
func (createdBody) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return httpapi.NullableObjects(s, "upload")
}

type uploadBody struct {
	Method    string            `json:"method" enum:"POST"`
	URL       string            `json:"url" format:"uri"`
	Fields    map[string]string `json:"fields" doc:"Send each as a field of multipart/form-data, and then the content as the last field, named file."`
	ExpiresAt time.Time         `json:"expires_at"`
}

func (h handlers) create(ctx context.Context, tx pgx.Tx, by tenant.Caller,
	in *createIn) (*createOut, error) {
	new, err := in.Body.newFile()
	if err != nil {
		return nil, err
	}
	hash, err := httpapi.HashRequest(in.Body)
	if err != nil {
		return nil, err
	}
	earlier, replay, err := httpapi.BeginIdempotent(ctx, tx, by, createRoute, in.Key, hash)
	if err != nil {
		return nil, err
	}
	if replay {
		file, upload, err := h.resume(ctx, tx, by, earlier)
		return h.created(by, file, upload, err)
	}
	id := uuid.New()
	made, err := h.library.Reserve(ctx, tx, by, new, id,
		func(batch *pgx.Batch) error {
			return httpapi.CompleteIdempotent(ctx, tenantdb.Queue{Batch: batch}, by, createRoute,
				in.Key, hash, id)
		})
	if err != nil {
		return nil, err
	}
	return h.created(by, made.File, &made.Upload, nil)
}

// resume is Resume of what an earlier request made: that it is there no more is no 404 of this one.
func (h handlers) resume(ctx context.Context, tx pgx.Tx, by tenant.Caller,
	id uuid.UUID) (library.File, *library.Upload, error) {
	file, upload, err := h.library.Resume(ctx, tx, by, id)
	if fault.KindOf(err) == fault.NotFound {
		err = fault.New(fault.Conflict, "not-created", "The first request with this "+
			"Idempotency-Key made no such file, or it was deleted since. Send it with a new key.")
	}
	return file, upload, err
}

func (h handlers) created(by tenant.Caller, file library.File, upload *library.Upload,
	err error) (*createOut, error) {
	if err != nil {
		return nil, err
	}
	out := &createOut{Location: h.base + "/v1/files/" + file.ID.String()}
	out.Body.File, out.Body.Upload = bodyOf(by, file), formOf(upload)
	return out, nil
}

func formOf(upload *library.Upload) *uploadBody {
	if upload == nil {
		return nil
	}
	return &uploadBody{Method: "POST", URL: upload.URL, Fields: upload.Fields,
		ExpiresAt: upload.ExpiresAt}
}

func (b createBody) newFile() (library.NewFile, error) {
	new := library.NewFile{
		Filename: b.Filename, ContentType: b.ContentType, Size: int64(b.Size),
		Category: library.Category(b.Category),
		Title:    b.Title, Description: b.Description, Tags: b.Tags, Metadata: b.Metadata,
		RetentionDays: b.RetentionDays, ContainsPII: b.ContainsPII,
		RequiresConsent: b.RequiresConsent,
	}
	if b.SHA256 != nil {
		sum, err := hex.DecodeString(*b.SHA256)
		if err != nil {
			return new, invalid("invalid-sha256", "sha256 must be 64 hexadecimal digits.")
		}
		new.SHA256 = sum
	}
	return new, checkTags(b.Tags)
}

// maxTag is in bytes; the number of tags is in the schema.
const maxTag = 64

func checkTags(tags []string) error {
	for _, tag := range tags {
		if tag == "" || len(tag) > maxTag {
			return invalid("invalid-tag",
				"A tag must have 1 to 64 bytes. Shorten it or leave it out.")
		}
	}
	return nil
}
