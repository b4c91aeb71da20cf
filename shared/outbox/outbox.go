// Package outbox puts what is promised to be told into the transaction of the fact that it tells:
// either both are there afterwards, or neither.
package outbox

import (
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Notification is one thing to tell.
type Notification struct {
	Topic   string    // lower case with dots: file.available
	Subject uuid.UUID // what it is about
	User    uuid.UUID // the member whom it concerns; uuid.Nil: none
	Payload any       // a JSON object of ids, states and numbers; no names, no free text. nil: {}
}

// Queue adds n to the statements of a transaction: it costs no round trip and waits for no lock,
// and what is told is told in the order of the transactions that one client ran after another.
func Queue(batch *pgx.Batch, organization uuid.UUID, n Notification) error {
	payload := []byte("{}")
	if n.Payload != nil {
		var err error
		if payload, err = json.Marshal(n.Payload); err != nil {
			return fmt.Errorf("encode notification %s: %w", n.Topic, err)
		}
	}
	var user *uuid.UUID
	if n.User != uuid.Nil {
		user = &n.User
	}
	const insert = `INSERT INTO notification_inbox (organization_id, topic, subject_id, user_id,
		payload) VALUES ($1, $2, $3, $4, $5)`
	batch.Queue(insert, organization, n.Topic, n.Subject, user, payload)
	return nil
}
