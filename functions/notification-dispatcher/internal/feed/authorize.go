package feed

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/topic"
	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// maxSockets is how many connections of a member are on record at once.
const maxSockets = 100

// Connect records that a connection to Pusher is the caller's. The same connection may prove it
// again, and may not become somebody else's.
func (f Feed) Connect(ctx context.Context, tx pgx.Tx, by tenant.Caller, socket string) error {
	const trim = `
		SELECT count(*) FROM notification_sockets
		WHERE organization_id = $1 AND user_id = $2
			AND authenticated_at > now() - interval '1 hour'`
	var recent int
	if err := tx.QueryRow(ctx, trim, by.Organization, by.User).Scan(&recent); err != nil {
		return fmt.Errorf("count connections: %w", err)
	}
	if recent >= maxSockets {
		return fault.New(
			fault.Limited,
			"too-many-connections",
			"You have opened a hundred connections within an hour. Close some, and try again "+
				"later.",
		)
	}
	const record = `
		INSERT INTO notification_sockets AS s (organization_id, socket_id, user_id)
			VALUES ($1, $2, $3)
		ON CONFLICT (organization_id, socket_id) DO UPDATE SET authenticated_at = now()
		WHERE s.user_id = excluded.user_id`
	tag, err := tx.Exec(ctx, record, by.Organization, socket, by.User)
	if err != nil {
		return fmt.Errorf("record a connection: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return fault.New(fault.Forbidden, "connection-refused",
			"This connection belongs to somebody else. Open one of your own.")
	}
	return nil
}

// Admit says whether a connection of the caller's may subscribe to a channel.
func (f Feed) Admit(ctx context.Context, tx pgx.Tx, by tenant.Caller, socket, name string) error {
	c, ok := topic.Parse(name)
	if !ok || !f.Rules.MayHear(by, c) {
		return notYours()
	}
	if c.Kind == topic.Encrypted && !f.Encrypted {
		return notEncrypted()
	}
	const find = `SELECT user_id FROM notification_sockets
		WHERE organization_id = $1 AND socket_id = $2`
	var user uuid.UUID
	err := tx.QueryRow(ctx, find, by.Organization, socket).Scan(&user)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("look for a connection: %w", err)
	}
	if user != by.User {
		return fault.New(fault.Forbidden, "sign-in-first",
			"This connection has not proved whose it is. Call signin() before you subscribe.")
	}
	return nil
}
