package storedfile

import (
	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/shared/outbox"
)

// EventSchema is the version of the payloads below, and a member of each. It grows when a member
// changes its meaning or goes, not when one is added.
const EventSchema = 1

// Payloads hold ids, states and numbers only, because they may travel through a third party.
type event struct {
	Schema int       `json:"schema"`
	FileID uuid.UUID `json:"file_id"`
}

func notification(topic string, file, uploader uuid.UUID, payload any) outbox.Notification {
	return outbox.Notification{Topic: topic, Subject: file, User: uploader, Payload: payload}
}

// Verdict is what was found out about a version of a file. What is unknown is zero.
type Verdict struct {
	Version       int
	Reason        Reason
	Size          int64 // bytes
	Width, Height int   // pixels
}

// Notification is file.available, or file.rejected when there is a reason.
func (v Verdict) Notification(file, uploader uuid.UUID) outbox.Notification {
	topic := "file.available"
	if v.Reason != "" {
		topic = "file.rejected"
	}
	return notification(topic, file, uploader, struct {
		event
		Version int    `json:"version"`
		Status  Status `json:"status"`
		Reason  Reason `json:"reason,omitempty"`
		Size    int64  `json:"size,omitempty"`
		Width   int    `json:"width,omitempty"`
		Height  int    `json:"height,omitempty"`
	}{event{EventSchema, file}, v.Version, v.Reason.Status(), v.Reason, v.Size, v.Width, v.Height})
}

// DeletedNotification is file.deleted: into the trash, or permanently.
func DeletedNotification(file, uploader uuid.UUID, was Status, permanent bool) outbox.Notification {
	return notification("file.deleted", file, uploader, struct {
		event
		Status    Status `json:"status"`
		Was       Status `json:"was"`
		Permanent bool   `json:"permanent"`
	}{event{EventSchema, file}, Deleted, was, permanent})
}

// RestoredNotification is file.restored: out of the trash, into the state that it had.
func RestoredNotification(file, uploader uuid.UUID, status Status) outbox.Notification {
	return notification("file.restored", file, uploader, struct {
		event
		Status Status `json:"status"`
	}{event{EventSchema, file}, status})
}
