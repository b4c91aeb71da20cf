package main

import (
	"context"
	"encoding/binary"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/library"
	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/httpapi"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

const batchRoute = "POST /v1/files/batch"

// maxBatchBody leaves the answer, which repeats what was sent and adds a form to each file, below
// what a Lambda may answer.
const maxBatchBody = 1 << 20

type createBatchIn struct {
	httpapi.IdempotencyKey
	Body struct {
		Files []createBody `json:"files" minItems:"1" maxItems:"100" nullable:"false"`
	}
}

// result is what came of one file of a batch.
type result struct {
	Status  int              `json:"status" minimum:"200" maximum:"599" doc:"What a request for this file alone would be answered with."`
	ID      *uuid.UUID       `json:"id,omitempty" format:"uuid" doc:"The file, in an answer to delete-files, and where file is left out."`
	File    *fileBody        `json:"file" doc:"Left out where the answer would be too long with it: get it by its id."`
	Upload  *uploadBody      `json:"upload"`
	Problem *httpapi.Problem `json:"problem" doc:"Why there is no file."`
}

// TransformSchema lets what a result may lack be null.
func (result) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	return httpapi.NullableObjects(s, "file", "upload", "problem")
}

type batchOut struct {
	Body struct {
		Results []result `json:"results" nullable:"false"`
	}
}

func (h handlers) createBatch(ctx context.Context, tx pgx.Tx, by tenant.Caller,
	in *createBatchIn) (*batchOut, error) {
	hash, err := httpapi.HashRequest(in.Body)
	if err != nil {
		return nil, err
	}
	whole, replay, err := httpapi.BeginIdempotent(ctx, tx, by, batchRoute, in.Key, hash)
	if err != nil {
		return nil, err
	}
	if replay {
		return h.replayBatch(ctx, tx, by, whole, len(in.Body.Files))
	}
	whole = uuid.New()
	out := &batchOut{}
	out.Body.Results = make([]result, len(in.Body.Files))
	var files []library.NewFile
	var ids []uuid.UUID
	var places []int
	for i, body := range in.Body.Files {
		file, err := body.newFile()
		if err != nil {
			out.Body.Results[i] = h.refusal(ctx, err)
			continue
		}
		files, ids, places = append(files, file), append(ids, memberOf(whole, i)), append(places, i)
	}
	if len(files) == 0 {
		return out, nil
	}
	made, err := h.library.ReserveAll(ctx, tx, by, files, ids, func(batch *pgx.Batch) error {
		return httpapi.CompleteIdempotent(ctx, tenantdb.Queue{Batch: batch}, by, batchRoute, in.Key,
			hash, whole)
	})
	if err != nil {
		return nil, err
	}
	for n, m := range made {
		if m.Err != nil {
			out.Body.Results[places[n]] = h.refusal(ctx, m.Err)
			continue
		}
		file := bodyOf(by, m.File)
		out.Body.Results[places[n]] = result{Status: 201, File: &file, Upload: formOf(&m.Upload)}
	}
	return out, nil
}

// replayBatch answers from the files that the first request made.
func (h handlers) replayBatch(ctx context.Context, tx pgx.Tx, by tenant.Caller, whole uuid.UUID,
	files int) (*batchOut, error) {
	out := &batchOut{}
	for i := range files {
		file, upload, err := h.resume(ctx, tx, by, memberOf(whole, i))
		switch {
		case fault.KindOf(err) == fault.Conflict:
			out.Body.Results = append(out.Body.Results, h.refusal(ctx, err))
		case err != nil:
			return nil, err
		default:
			body := bodyOf(by, file)
			out.Body.Results = append(out.Body.Results,
				result{Status: 201, File: &body, Upload: formOf(upload)})
		}
	}
	return out.shortened()
}

// memberOf is the id of the file at place i of a batch: a function of the batch's, which is what an
// idempotency key remembers.
func memberOf(whole uuid.UUID, i int) uuid.UUID {
	return uuid.NewSHA1(whole, binary.BigEndian.AppendUint32(nil, uint32(i)))
}

// shortened leaves out the files that one answer has no room for: what was done to them is done.
func (o *batchOut) shortened() (*batchOut, error) {
	fits, err := thatFit(o.Body.Results)
	if err != nil {
		return nil, err
	}
	for i, r := range o.Body.Results[fits:] {
		if r.File != nil {
			o.Body.Results[fits+i].ID, o.Body.Results[fits+i].File = &r.File.ID, nil
		}
	}
	return o, nil
}

func (h handlers) refusal(ctx context.Context, err error) result {
	problem := h.problem(ctx, err)
	return result{Status: problem.Status, Problem: problem}
}

type removeBatchIn struct {
	Body struct {
		IDs       []string `json:"ids" minItems:"1" maxItems:"100" nullable:"false" doc:"Of files."`
		Permanent bool     `json:"permanent,omitempty" doc:"Delete them for good, and not into the trash."`
	}
}

func (h handlers) removeBatch(ctx context.Context, tx pgx.Tx, by tenant.Caller,
	in *removeBatchIn) (*batchOut, error) {
	ids := make([]uuid.UUID, len(in.Body.IDs))
	for i, id := range in.Body.IDs {
		ids[i] = Target{ID: id}.file()
	}
	removed, err := h.library.DeleteAll(ctx, tx, by, ids, in.Body.Permanent)
	if err != nil {
		return nil, err
	}
	out := &batchOut{}
	out.Body.Results = make([]result, len(ids))
	for i, r := range removed {
		switch {
		case r.Err != nil:
			out.Body.Results[i] = h.refusal(ctx, r.Err)
		case in.Body.Permanent:
			out.Body.Results[i] = result{Status: 204}
		default:
			file := bodyOf(by, r.File)
			out.Body.Results[i] = result{Status: 200, File: &file}
		}
		out.Body.Results[i].ID = optionalID(ids[i])
	}
	return out.shortened()
}

func optionalID(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}
