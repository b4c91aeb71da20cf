// Package outbox puts what is promised to be told into the transaction of the fact that it tells: either both are there afterwards, or neither.
package outbox

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Notification is one thing to tell.
type Notification struct {
	Topic   string    // lower case with dots: file.available
	Subject uuid.UUID // what it is about
	Payload any       // a JSON object of ids, states and numbers; no names, no free text. nil: {}
}

// Append adds n to what the organization's listeners are told once tx commits.
func Append(ctx context.Context, tx pgx.Tx, organization uuid.UUID, n Notification) error {
	payload := []byte("{}")
	if n.Payload != nil {
		var err error
		if payload, err = json.Marshal(n.Payload); err != nil {
			return fmt.Errorf("encode notification %s: %w", n.Topic, err)
		}
	}
	const insert = `INSERT INTO notifications (organization_id, topic, subject_id, payload) VALUES ($1, $2, $3, $4)`
	if _, err := tx.Exec(ctx, insert, organization, n.Topic, n.Subject, payload); err != nil {
		return fmt.Errorf("append notification %s of %s: %w", n.Topic, n.Subject, err)
	}
	return nil
}
