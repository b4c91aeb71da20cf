package topic

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Version of an event's data, which is in each.
const Version = 1

// CatchUp is the name of the event that stands for those which waited for too long.
const CatchUp = "catch_up"

// Recorded is a notification with its place in a channel.
type Recorded struct {
	Organization uuid.UUID
	Channel      string
	Sequence     int64
	ID           uuid.UUID
	Topic        string
	Payload      []byte // a JSON object
	OccurredAt   time.Time
	Replayed     bool
}

// envelope is the data of an event.
type envelope struct {
	ID         uuid.UUID       `json:"id"`
	Channel    string          `json:"channel"`
	Sequence   int64           `json:"sequence"`
	Version    int             `json:"version"`
	OccurredAt time.Time       `json:"occurred_at"`
	Data       json.RawMessage `json:"data,omitempty"`
	Link       string          `json:"link,omitempty"` // where the rest is, when not all of it may or can travel
	Replayed   bool            `json:"replayed,omitempty"`
	From       int64           `json:"from,omitempty"` // of catch_up
	To         int64           `json:"to,omitempty"`
}

// Data is what is sent of a notification. On a channel that Pusher can read, that is ids, states,
// numbers and times of our own topics, and of what somebody posted only where it can be fetched.
// base is the API's address; "" leaves the link a path.
func (r Recorded) Data(base string) ([]byte, error) {
	e := r.envelope()
	if strings.HasPrefix(r.Channel, string(Encrypted)) {
		e.Data = r.Payload
		return json.Marshal(e)
	}
	template, ok := Find(r.Topic)
	if !ok {
		e.Link = r.link(base)
		return json.Marshal(e)
	}
	var payload map[string]any
	decoder := json.NewDecoder(strings.NewReader(string(r.Payload)))
	decoder.UseNumber()
	err := decoder.Decode(&payload)
	if err != nil {
		return nil, fmt.Errorf("read the payload of notification %s: %w", r.ID, err)
	}
	if e.Data, err = json.Marshal(template.Public(payload)); err != nil {
		return nil, fmt.Errorf("encode notification %s: %w", r.ID, err)
	}
	return json.Marshal(e)
}

// Small is what is sent in place of Data when that is larger than an event may be.
func (r Recorded) Small(base string) ([]byte, error) {
	e := r.envelope()
	e.Link = r.link(base)
	return json.Marshal(e)
}

func (r Recorded) envelope() envelope {
	return envelope{
		ID: r.ID, Channel: r.Channel, Sequence: r.Sequence, Version: Version,
		OccurredAt: r.OccurredAt.UTC(), Replayed: r.Replayed,
	}
}

func (r Recorded) link(base string) string { return base + "/v1/notifications/" + r.ID.String() }

// CatchUpData stands for the events of a channel from one sequence to another. Its id is a function
// of these, so that a repeat has the same.
func CatchUpData(channel string, from, to int64, now time.Time, base string) ([]byte, error) {
	id := uuid.NewSHA1(
		uuid.NameSpaceURL,
		fmt.Appendf(nil, "%s/%s/%d-%d", CatchUp, channel, from, to),
	)
	return json.Marshal(envelope{
		ID: id, Channel: channel, Sequence: to, Version: Version, OccurredAt: now.UTC(), From: from,
		To:   to,
		Link: fmt.Sprintf("%s/v1/notifications?channel=%s&after=%d", base, channel, from-1),
	})
}
