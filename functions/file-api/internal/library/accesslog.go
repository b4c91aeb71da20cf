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

// Access is one line of a file's access log.
type Access struct {
	ID         uuid.UUID
	File       uuid.UUID
	User       *uuid.UUID // nil: the system itself
	Action     string
	Details    map[string]any
	IP         *netip.Addr // told to staff only, like the user agent
	UserAgent  *string
	OccurredAt time.Time
}

// AccessLog returns a file's log to staff and to its uploader, newest first.
func (l *Library) AccessLog(ctx context.Context, tx pgx.Tx, by tenant.Caller, id uuid.UUID, after *Position,
	limit int) ([]Access, error) {
	d := l.desk(tx, by)
	file, err := d.file(ctx, id)
	if err != nil {
		return nil, err
	}
	if !canReadLog(by, file) {
		return nil, notYours("Only its uploader and staff may read the access log of this file.")
	}
	before, beforeID := after.parts()
	rows, err := d.q.ListAccess(ctx, db.ListAccessParams{
		OrganizationID: d.organization, FileID: id, Before: before, BeforeID: beforeID,
		Page: int32(limit),
	})
	if err != nil {
		return nil, fmt.Errorf("read access log of file %s: %w", id, err)
	}
	entries := make([]Access, len(rows))
	for i, row := range rows {
		entries[i] = Access{ID: row.ID, File: row.FileID, User: row.UserID, Action: row.Action,
			OccurredAt: row.OccurredAt}
		if by.Role.AtLeast(tenant.Staff) {
			entries[i].IP, entries[i].UserAgent = row.IpAddress, row.UserAgent
		}
		if err := json.Unmarshal(row.Details, &entries[i].Details); err != nil {
			return nil, fmt.Errorf("read access log line %s: %w", row.ID, err)
		}
	}
	return entries, nil
}
