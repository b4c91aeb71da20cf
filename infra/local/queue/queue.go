package queue

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/toolboxai-solutions/satchel/infra/template"
)

// attribute is what a sender says beside the body.
type attribute struct {
	DataType    string
	StringValue *string `json:",omitempty"`
	BinaryValue []byte  `json:",omitempty"`
}

type message struct {
	ID         string               `json:"id"`
	Body       string               `json:"body"`
	Attributes map[string]attribute `json:"attributes,omitempty"`
	Sent       time.Time            `json:"sent"`
	// Visible is when it may be handed out.
	Visible time.Time `json:"visible"`
	// First is when it was handed out first, and Receives how often it was.
	First    time.Time `json:"first,omitzero"`
	Receives int       `json:"receives,omitempty"`
}

// queue is one queue's messages in the order they came. It does not lock and
// does no I/O.
type queue struct {
	template.Queue
	messages []*message
}

func (q *queue) count(now time.Time) (waiting, delayed, inFlight int) {
	for _, m := range q.messages {
		switch {
		case !m.Visible.After(now):
			waiting++
		case m.Receives > 0:
			inFlight++
		default:
			delayed++
		}
	}
	return waiting, delayed, inFlight
}

// due returns up to limit messages that may be handed out, and those that were
// handed out as often as they may be and belong into the dead-letter queue.
func (q *queue) due(now time.Time, limit int) (due, dead []*message) {
	for _, m := range q.messages {
		switch {
		case m.Visible.After(now):
		case q.MaxReceives > 0 && m.Receives >= q.MaxReceives:
			dead = append(dead, m)
		case len(due) < limit:
			due = append(due, m)
		}
	}
	return due, dead
}

// next is when the next hidden message becomes visible; zero when none is hidden.
func (q *queue) next(now time.Time) time.Time {
	var next time.Time
	for _, m := range q.messages {
		if m.Visible.After(now) && (next.IsZero() || m.Visible.Before(next)) {
			next = m.Visible
		}
	}
	return next
}

func (q *queue) find(id string) *message {
	i := slices.IndexFunc(q.messages, func(m *message) bool { return m.ID == id })
	if i < 0 {
		return nil
	}
	return q.messages[i]
}

func (q *queue) remove(id string) {
	q.messages = slices.DeleteFunc(q.messages, func(m *message) bool { return m.ID == id })
}

// A receipt handle names a message and which of its receives it belongs to: once
// the message is handed out again, the handle of the time before deletes nothing.

func receiptHandle(m *message) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%s/%d", m.ID, m.Receives))
}

func parseReceiptHandle(handle string) (id string, receive int, err error) {
	raw, err := base64.RawURLEncoding.DecodeString(handle)
	if err == nil {
		var count string
		id, count, _ = strings.Cut(string(raw), "/")
		receive, err = strconv.Atoi(count)
	}
	if err != nil {
		return "", 0, apiError{code: "ReceiptHandleIsInvalid",
			message: "The input receipt handle is invalid."}
	}
	return id, receive, nil
}
