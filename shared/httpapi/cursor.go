package httpapi

import (
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/shared/fault"
)

// Cursor is the place in a list, newest first, after which the next page begins. It is no secret
// and no permission: the page's query is bound to the caller's organization whatever the cursor
// says.
type Cursor struct {
	CreatedAt time.Time `json:"t"`
	ID        uuid.UUID `json:"id"`
}

// String returns the cursor as a client gets it: opaque, so that its form can change.
func (c Cursor) String() string {
	c.CreatedAt = c.CreatedAt.UTC().Truncate(time.Microsecond) // as Postgres keeps it
	encoded, err := json.Marshal(c)
	if err != nil {
		return "" // a year beyond 9999, which Postgres's clock does not reach
	}
	return base64.RawURLEncoding.EncodeToString(encoded)
}

// ParseCursor reads what a client sent back; nil for "", which asks for the first page. Anything
// that String did not make is 422 invalid-cursor.
func ParseCursor(s string) (*Cursor, error) {
	if s == "" {
		return nil, nil
	}
	var c Cursor
	decoded, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err == nil {
		err = json.Unmarshal(decoded, &c)
	}
	if err != nil || c.ID == uuid.Nil || c.String() != s {
		return nil, fault.New(fault.Invalid, "invalid-cursor", "This cursor is not valid. "+
			"Send next_cursor exactly as it was returned, or start again without one.")
	}
	return &c, nil
}
