package main

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/library"
	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/httpapi"
	"github.com/toolboxai-solutions/satchel/shared/outbox"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

const (
	title   = "Satchel"
	version = "1"
)

func newAPI(c Config, db *tenantdb.DB, objects *s3.Client, bell outbox.Doorbell,
	log *slog.Logger) *httpapi.API {
	api := httpapi.New(httpapi.Config{
		Title: title, Version: version, DB: db, Auth: c.Auth, CORS: c.CORS, Document: document,
		Doorbell: bell.Ring, Log: log,
	})
	routes(api, c, &library.Library{
		Limits: library.Limits{MaxFileSize: c.MaxFileSize, Allowed: c.AllowedTypes,
			OpenUploads: c.MaxOpenUploads},
		Buckets: c.Buckets, Signer: library.NewSigner(objects), Now: time.Now,
	})
	return api
}

// handlers turn HTTP requests into calls of the library.
type handlers struct {
	library *library.Library
	base    string // of Location
	problem func(context.Context, error) *httpapi.Problem
}

func routes(api *httpapi.API, c Config, l *library.Library) {
	api.PrefixSchemas("FileAPI")
	h := handlers{library: l, base: c.PublicAPIURL, problem: api.Problem}
	create := op(http.MethodPost, "", "create-file",
		"Reserve space for a file and get an upload form", 409, 413, 415, 429)
	create.DefaultStatus = http.StatusCreated
	httpapi.Write(api, create, h.create)
	batch := op(http.MethodPost, "/batch", "create-files",
		"Reserve room for up to 100 files at once", 409)
	batch.Description = "In one transaction, with one result for each file in the order of the " +
		"request. " +
		"A file that is refused does not stop the others. The same request with the same " +
		"Idempotency-Key takes effect once."
	batch.MaxBodyBytes = maxBatchBody
	httpapi.Write(api, batch, h.createBatch)
	deletion := op(http.MethodPost, "/delete", "delete-files",
		"Put up to 100 files in the trash, or delete them permanently", 409)
	deletion.Description = "In one transaction, with one result for each id in the order of the " +
		"request. Repeating it changes nothing."
	httpapi.Write(api, deletion, h.removeBatch)
	httpapi.Read(api, op(http.MethodGet, "", "list-files",
		"List the files you can see, newest first"), h.list)
	httpapi.Read(api, op(http.MethodGet, "/{id}", "get-file", "Get one file", 404), h.get)
	httpapi.Write(api, op(http.MethodPatch, "/{id}", "change-file",
		"Update a file's details (JSON merge patch)", 403, 404, 409), h.change)
	remove := httpapi.Tells(op(http.MethodDelete, "/{id}", "delete-file",
		"Move a file to the trash, cancel its upload, or delete it permanently", 403, 404, 409))
	remove.Responses = map[string]*huma.Response{"204": {Description: "Deleted permanently, or an " +
		"upload that was cancelled. There is no body."}}
	httpapi.Write(api, remove, h.remove)
	httpapi.Write(api, httpapi.Tells(op(http.MethodPost, "/{id}/restore", "restore-file",
		"Restore a file from the trash", 403, 404, 409)), h.restore)
	httpapi.ReadRecorded(api, op(http.MethodGet, "/{id}/download", "download-file",
		"Get a download link that is valid for five minutes", 403, 404, 409), h.download)
	httpapi.Write(api, op(http.MethodPut, "/{id}/consent", "record-consent",
		"Record consent to a file being downloaded", 403, 404), h.consent)
	httpapi.Write(api, op(http.MethodDelete, "/{id}/consent", "withdraw-consent",
		"Withdraw the recorded consent", 403, 404, 409), h.withdraw)
	httpapi.Read(api, op(http.MethodGet, "/{id}/access-log", "list-accesses",
		"List a file's access log, newest first", 403, 404), h.accesses)
	httpapi.Read(api, huma.Operation{
		Method: http.MethodGet, Path: "/v1/usage", OperationID: "get-usage",
		Tags: []string{"files"}, Summary: "Get your organization's storage usage",
	}, h.usage)
}

func op(method, path, id, summary string, errors ...int) huma.Operation {
	return huma.Operation{
		Method: method, Path: "/v1/files" + path, OperationID: id, Summary: summary,
		Tags:   []string{"files"},
		Errors: append([]int{http.StatusUnauthorized, http.StatusUnprocessableEntity}, errors...),
	}
}

// Target names a file in a path.
type Target struct {
	ID string `path:"id" doc:"The file's id." example:"3f0c9a52-7c0e-4f6b-9d35-0f2f8a1f6e11"`
}

// file is the id. Anything else names no file, which is answered as for one that does not exist.
func (t Target) file() uuid.UUID {
	id, err := uuid.Parse(t.ID)
	if err != nil || id.String() != t.ID {
		return uuid.Nil
	}
	return id
}

type fileAnswer struct {
	Body struct {
		File fileBody `json:"file"`
	}
}

func answer(by tenant.Caller, file library.File, err error) (*fileAnswer, error) {
	if err != nil {
		return nil, err
	}
	out := &fileAnswer{}
	out.Body.File = bodyOf(by, file)
	return out, nil
}

func (h handlers) get(ctx context.Context, tx pgx.Tx, by tenant.Caller,
	in *Target) (*fileAnswer, error) {
	file, err := h.library.Get(ctx, tx, by, in.file())
	return answer(by, file, err)
}

type removal struct {
	Target
	Permanent bool `query:"permanent" doc:"Delete the file and its content permanently. By default it moves to the trash for 30 days."`
}

type removed struct {
	Status int
	Body   struct {
		File *fileBody `json:"file,omitempty"`
	}
}

func (h handlers) remove(ctx context.Context, tx pgx.Tx, by tenant.Caller,
	in *removal) (*removed, error) {
	if in.Permanent {
		return &removed{Status: http.StatusNoContent}, h.library.Purge(ctx, tx, by, in.file())
	}
	file, err := h.library.Delete(ctx, tx, by, in.file())
	if err != nil {
		return nil, err
	}
	out := &removed{Status: http.StatusOK}
	body := bodyOf(by, file)
	out.Body.File = &body
	return out, nil
}

func (h handlers) restore(ctx context.Context, tx pgx.Tx, by tenant.Caller,
	in *Target) (*fileAnswer, error) {
	file, err := h.library.Restore(ctx, tx, by, in.file())
	return answer(by, file, err)
}

type consentIn struct {
	Target
	Body struct {
		GivenBy string `json:"given_by" minLength:"1" maxLength:"200" doc:"Who gave consent, by the name the school uses."`
		Basis   string `json:"basis" minLength:"1" maxLength:"500" doc:"The evidence, for example: signed form of 2026-09-01."`
	}
}

func (h handlers) consent(ctx context.Context, tx pgx.Tx, by tenant.Caller,
	in *consentIn) (*fileAnswer, error) {
	file, err := h.library.RecordConsent(ctx, tx, by, in.file(), in.Body.GivenBy, in.Body.Basis)
	return answer(by, file, err)
}

func (h handlers) withdraw(ctx context.Context, tx pgx.Tx, by tenant.Caller,
	in *Target) (*fileAnswer, error) {
	file, err := h.library.WithdrawConsent(ctx, tx, by, in.file())
	return answer(by, file, err)
}

type downloadIn struct {
	Target
	Variant string `query:"variant" maxLength:"64" doc:"One of the file's variants. By default optimized for images and original for anything else." example:"thumbnail"`
}

type downloadOut struct {
	Body struct {
		URL       string    `json:"url" format:"uri" doc:"Keep this URL secret: whoever has it can download the file."`
		ExpiresAt time.Time `json:"expires_at"`
	}
}

func (h handlers) download(ctx context.Context, tx pgx.Tx, by tenant.Caller,
	in *downloadIn) (*downloadOut, error) {
	if httpapi.HeadOnly(ctx) {
		_, err := h.library.Locate(ctx, tx, by, in.file(), &in.Variant)
		return &downloadOut{}, err
	}
	link, err := h.library.Download(ctx, tx, by, in.file(), in.Variant)
	if err != nil {
		return nil, err
	}
	out := &downloadOut{}
	out.Body.URL, out.Body.ExpiresAt = link.URL, link.ExpiresAt
	return out, nil
}

func invalid(code, detail string) error { return fault.New(fault.Invalid, code, detail) }
