package library

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/library/db"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// Action is what was done with a file: a value of file_access_logs.action.
type Action string

// The actions. Processing logs ActionProcess too.
const (
	ActionCreate   Action = "create"
	ActionView     Action = "view"
	ActionDownload Action = "download"
	ActionUpdate   Action = "update"
	ActionDelete   Action = "delete" // into the trash
	ActionRestore  Action = "restore"
	ActionPurge    Action = "purge" // permanently
	ActionProcess  Action = "process"
	ActionConsent  Action = "consent"
	ActionShare    Action = "share"
)

// Actions returns every action.
func Actions() []Action {
	return []Action{ActionCreate, ActionView, ActionDownload, ActionUpdate, ActionDelete,
		ActionRestore, ActionPurge, ActionProcess, ActionConsent, ActionShare}
}

// Access is one record of a file's access log.
type Access struct {
	ID         uuid.UUID
	File       uuid.UUID
	User       *uuid.UUID // nil: the system itself
	Action     Action
	Details    map[string]any
	IP         *netip.Addr // for staff only and for 30 days, like the user agent
	UserAgent  *string
	OccurredAt time.Time
}

// AccessLog returns a file's log to staff and to its uploader, newest first.
func (l *Library) AccessLog(ctx context.Context, tx pgx.Tx, by tenant.Caller, id uuid.UUID,
	after *Position,
	limit int) ([]Access, error) {
	r := l.begin(tx, by)
	file, err := r.file(ctx, id)
	if err != nil {
		return nil, err
	}
	if !canReadLog(by, file) {
		return nil, notAllowed(
			"Only the person who uploaded this file or staff can read its access log.")
	}
	before, beforeID := after.parts()
	rows, err := r.q.ListAccess(ctx, db.ListAccessParams{
		OrganizationID: r.organization, FileID: id, Before: before, BeforeID: beforeID,
		Page: int32(limit), WithOrigin: by.Role.AtLeast(tenant.Staff),
	})
	if err != nil {
		return nil, fmt.Errorf("read access log of file %s: %w", id, err)
	}
	entries := make([]Access, len(rows))
	for i, row := range rows {
		record := row.FileAccessLog
		entries[i] = Access{ID: record.ID, File: record.FileID, User: record.UserID,
			Action: Action(record.Action), IP: row.IpAddress, UserAgent: row.UserAgent,
			OccurredAt: record.OccurredAt}
		if err := json.Unmarshal(record.Details, &entries[i].Details); err != nil {
			return nil, fmt.Errorf("read access log record %s: %w", record.ID, err)
		}
	}
	return entries, nil
}
