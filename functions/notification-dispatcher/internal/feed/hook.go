package feed

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/webhook"
)

// TakeIn puts a webhook's fact into the inbox once, and returns the notification's id; a repeat
// gets that of the first. With a reason nothing is told.
func TakeIn(
	ctx context.Context,
	tx pgx.Tx,
	m webhook.Message,
	f webhook.Fact,
) (id uuid.UUID, ignored string, err error) {
	var known bool
	const find = `SELECT EXISTS (SELECT FROM organizations WHERE id = $1)`
	if err := tx.QueryRow(ctx, find, f.Organization).Scan(&known); err != nil {
		return uuid.Nil, "", fmt.Errorf("look for organization %s: %w", f.Organization, err)
	}
	if !known {
		return uuid.Nil, "organization is unknown", nil
	}
	id = uuid.New()
	earlier, err := TakeKey(ctx, tx, f.Organization, m.Key, id, m.Keep)
	if err != nil {
		return uuid.Nil, "", err
	}
	if earlier != uuid.Nil {
		return earlier, "repeated", nil
	}
	payload, err := json.Marshal(f.Payload)
	if err != nil {
		return uuid.Nil, "", fmt.Errorf("encode a webhook's fact: %w", err)
	}
	const insert = `
		INSERT INTO notification_inbox (organization_id, id, topic, subject_id, payload, priority)
		VALUES ($1, $2, $3, $4, $5, $6)`
	if _, err := tx.Exec(ctx, insert, f.Organization, id, f.Topic, f.Subject, payload,
		f.Priority); err != nil {
		return uuid.Nil, "", fmt.Errorf("take in a webhook's fact: %w", err)
	}
	return id, "", nil
}
