package maintenance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/library"
	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/maintenance/db"
)

// RedriveCommand is the event that has files processed again which ended without a verdict, by a
// fault of something around them. What is left out does not narrow; one of file, organization and
// time must be said.
type RedriveCommand struct {
	Command      string     `json:"command"`
	File         *uuid.UUID `json:"file_id"`
	Organization *uuid.UUID `json:"organization_id"`
	// EndedFrom and EndedBefore are when the files ended: from the one on, before the other.
	EndedFrom   *time.Time `json:"ended_from"`
	EndedBefore *time.Time `json:"ended_before"`
	DryRun      bool       `json:"dry_run"` // says what would be done, each file by itself
}

// RedriveSummary says what a redrive did, or would do.
type RedriveSummary struct {
	DryRun   bool                    `json:"dry_run"`
	Found    int                     `json:"found"`
	Redriven int                     `json:"redriven"`
	Refused  map[library.Refusal]int `json:"refused"`
	Failed   int                     `json:"failed"`   // a fault of something around: try again
	Complete bool                    `json:"complete"` // false: the time was over, so run it again
}

func readRedrive(raw json.RawMessage) (c RedriveCommand, err error) {
	strict := json.NewDecoder(bytes.NewReader(raw))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&c); err != nil {
		return c, fmt.Errorf("read redrive: %w: send file_id, organization_id, ended_from, "+
			"ended_before (times as 2026-11-27T08:00:00Z) and dry_run", err)
	}
	switch {
	case c.File == nil && c.Organization == nil && c.EndedFrom == nil:
		return c, errors.New("redrive: say file_id, organization_id or ended_from")
	case c.EndedFrom != nil && c.EndedBefore != nil && !c.EndedFrom.Before(*c.EndedBefore):
		return c, errors.New("redrive: ended_from must be before ended_before")
	}
	return c, nil
}

// Redrive reads a RedriveCommand and does it. Done twice, it does nothing more: what is being
// processed again is not found any more. One that is infected is never found.
func (m *Runner) Redrive(ctx context.Context, raw json.RawMessage) (RedriveSummary, error) {
	c, err := readRedrive(raw)
	if err != nil {
		return RedriveSummary{}, err
	}
	done := RedriveSummary{DryRun: c.DryRun, Refused: map[library.Refusal]int{}}
	var after db.FilesGivenUpRow
	for {
		found, err := across(ctx, m, "find files without a verdict",
			func(q *db.Queries) ([]db.FilesGivenUpRow, error) {
				return q.FilesGivenUp(ctx, db.FilesGivenUpParams{
					AfterOrganization: after.OrganizationID, AfterID: after.ID,
					OrganizationID: c.Organization, FileID: c.File, EndedFrom: c.EndedFrom,
					EndedBefore: c.EndedBefore, Page: page,
				})
			})
		if err != nil {
			return done, err
		}
		for _, file := range found {
			if timeIsOver(ctx) {
				return done, nil
			}
			done.Found++
			m.redriveOne(ctx, file, c.DryRun, &done)
		}
		if len(found) < page {
			done.Complete = true
			return done, nil
		}
		after = found[len(found)-1]
	}
}

func timeIsOver(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && time.Until(deadline) < deadlineMargin
}

func (m *Runner) redriveOne(ctx context.Context, file db.FilesGivenUpRow, dryRun bool,
	done *RedriveSummary) {
	ctx, cancel := context.WithTimeout(ctx, 2*requestTime)
	defer cancel()
	refusal, err := m.tryRedrive(ctx, file, dryRun)
	switch {
	case err != nil:
		done.Failed++
		m.Log.ErrorContext(ctx, "a file was not redriven", "organization_id",
			file.OrganizationID, "file_id", file.ID, "error", err)
	case refusal != library.NoRefusal:
		done.Refused[refusal]++
	default:
		done.Redriven++
	}
}

// errDryRun undoes what was tried.
var errDryRun = errors.New("dry run")

// tryRedrive makes the row, which is the truth, and then rings. When nobody hears it, the next run
// of maintenance follows the upload up as any other.
func (m *Runner) tryRedrive(ctx context.Context, file db.FilesGivenUpRow,
	dryRun bool) (refusal library.Refusal, err error) {
	stored, err := m.versions(ctx, file.BucketName, file.StoragePath)
	if err != nil {
		return refusal, err
	}
	if len(stored) == 0 {
		return library.RefusedMissing, nil
	}
	version := stored[0]
	err = m.DB.InTenant(ctx, file.OrganizationID, func(tx pgx.Tx) error {
		refusal, err = m.System.Redrive(ctx, tx, library.GivenUp{
			Organization: file.OrganizationID, File: file.ID, Bucket: file.BucketName,
			Key: file.StoragePath, Version: version.id, Size: version.size,
		})
		if err == nil && dryRun {
			return errDryRun
		}
		return err
	})
	if errors.Is(err, errDryRun) {
		return refusal, nil
	}
	if err != nil || refusal != library.NoRefusal {
		return refusal, err
	}
	return refusal, m.requeue(ctx, file.BucketName, file.StoragePath, version)
}
