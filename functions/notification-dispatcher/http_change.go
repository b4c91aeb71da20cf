package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/feed"
	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/topic"
	"github.com/toolboxai-solutions/satchel/shared/httpapi"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

const (
	postRoute   = "POST /v1/notifications"
	replayRoute = "POST /v1/notifications/replay"
)

type notificationBody struct {
	ID         uuid.UUID       `json:"id" format:"uuid"`
	Channel    string          `json:"channel"`
	Sequence   *int64          `json:"sequence" doc:"Its number in the channel; null until it has one."`
	Event      string          `json:"event" example:"file.available"`
	Data       json.RawMessage `json:"data,omitempty" doc:"An object. Left out for an admin who may not hear the channel."`
	Priority   string          `json:"priority" enum:"low,normal,high,urgent"`
	OccurredAt time.Time       `json:"occurred_at"`
	Status     string          `json:"status" enum:"scheduled,queued,waiting,delivered,folded,dead" doc:"folded: it waited for too long, and a catch_up stands for it."`
	Reason     string          `json:"reason,omitempty" doc:"Why it is dead."`
	Attempts   []attemptBody   `json:"attempts,omitempty" doc:"Told to admins only."`
}

type attemptBody struct {
	At      time.Time `json:"at"`
	Outcome string    `json:"outcome" enum:"delivered,folded,failed,dead"`
	Status  int       `json:"status,omitempty" doc:"What Pusher answered."`
	Error   string    `json:"error,omitempty"`
}

func bodyOf(n feed.Notification) notificationBody {
	b := notificationBody{
		ID: n.ID, Channel: n.Channel, Sequence: sequenceOf(n), Event: n.Topic, Data: n.Payload,
		Priority:   n.Priority.String(),
		OccurredAt: n.OccurredAt.UTC(), Status: string(n.Status), Reason: n.Reason,
	}
	for _, a := range n.Attempts {
		b.Attempts = append(b.Attempts, attemptBody{a.At.UTC(), a.Outcome, a.Status, a.Error})
	}
	return b
}

func sequenceOf(n feed.Notification) *int64 {
	if n.Sequence == 0 {
		return nil
	}
	return &n.Sequence
}

type postIn struct {
	httpapi.IdempotencyKey
	Body struct {
		Channel   string         `json:"channel,omitempty" maxLength:"164" doc:"A channel's whole name. Give exactly one of channel, user_id and topic."`
		UserID    string         `json:"user_id,omitempty" format:"uuid" doc:"A member: their own channel."`
		Topic     string         `json:"topic,omitempty" maxLength:"40" doc:"The name of a topic's channel." example:"announcements"`
		Event     string         `json:"event" maxLength:"100" doc:"In lower case with dots." example:"lesson.started"`
		Data      map[string]any `json:"data,omitempty" doc:"What you like, up to 64 KiB as JSON with its numbers written out. It travels on private-encrypted- channels; elsewhere the event carries a link to it."`
		Priority  string         `json:"priority,omitempty" enum:"low,normal,high,urgent" doc:"Orders channels, never one channel's events. Default: normal."`
		NotBefore *time.Time     `json:"not_before,omitempty" doc:"Told then, and not before."`
		DedupeKey string         `json:"dedupe_key,omitempty" maxLength:"200" doc:"What your organization posts with the same key within a day is posted once."`
	}
}

type postOut struct {
	Body struct {
		ID       uuid.UUID `json:"id" format:"uuid"`
		Channel  string    `json:"channel"`
		Sequence *int64    `json:"sequence" doc:"Null until it has one: see GET /v1/notifications/{id}."`
		Status   string    `json:"status" enum:"scheduled,queued,waiting,delivered,folded,dead"`
	}
}

func (h *handlers) post(
	ctx context.Context,
	tx pgx.Tx,
	by tenant.Caller,
	in *postIn,
) (*postOut, error) {
	f, _, err := h.feed(ctx)
	if err != nil {
		return nil, err
	}
	hash, err := httpapi.HashRequest(in.Body)
	if err != nil {
		return nil, err
	}
	earlier, replay, err := httpapi.BeginIdempotent(ctx, tx, by, postRoute, in.Key, hash)
	if err != nil {
		return nil, err
	}
	if replay {
		return posted(f.Posted(ctx, tx, by, earlier))
	}
	p := feed.Post{
		Channel: in.Body.Channel, Topic: in.Body.Topic, Event: in.Body.Event, Data: in.Body.Data,
		Priority: topic.Normal, DedupeKey: in.Body.DedupeKey,
	}
	if in.Body.UserID != "" {
		p.User, _ = uuid.Parse(in.Body.UserID) // its format was checked
	}
	if in.Body.Priority != "" {
		if p.Priority, err = topic.ParsePriority(in.Body.Priority); err != nil {
			return nil, err
		}
	}
	if in.Body.NotBefore != nil {
		p.NotBefore = *in.Body.NotBefore
	}
	n, err := f.Post(ctx, tx, by, p)
	if err != nil {
		return nil, err
	}
	return posted(n, httpapi.CompleteIdempotent(ctx, tx, by, postRoute, in.Key, hash, n.ID))
}

func posted(n feed.Notification, err error) (*postOut, error) {
	if err != nil {
		return nil, err
	}
	out := &postOut{}
	out.Body.ID, out.Body.Channel, out.Body.Sequence, out.Body.Status = n.ID, n.Channel, sequenceOf(
		n,
	), string(
		n.Status,
	)
	return out, nil
}

type ackIn struct {
	Target
	Channel string `query:"channel" maxLength:"164" doc:"Which of its channels, where it went to several. Default: the first that you may hear."`
}

type ackOut struct {
	Body struct {
		Channel  string `json:"channel"`
		Sequence int64  `json:"sequence"`
		Unread   int64  `json:"unread"`
	}
}

func (h *handlers) ack(
	ctx context.Context,
	tx pgx.Tx,
	by tenant.Caller,
	in *ackIn,
) (*ackOut, error) {
	n, page, err := h.reader().Ack(ctx, tx, by, in.notification(), in.Channel)
	if err != nil {
		return nil, err
	}
	out := &ackOut{}
	out.Body.Channel, out.Body.Sequence, out.Body.Unread = n.Channel, n.Sequence, page.Unread
	return out, nil
}

type replayIn struct {
	httpapi.IdempotencyKey
	Body struct {
		Status  string     `json:"status" enum:"dead,delivered,folded"`
		Channel string     `json:"channel,omitempty" maxLength:"164" doc:"Default: all of the organization's."`
		From    *time.Time `json:"from,omitempty" doc:"Recorded at or after this."`
		To      *time.Time `json:"to,omitempty" doc:"Recorded before this."`
		DryRun  bool       `json:"dry_run,omitempty" doc:"Only count."`
	}
}

type replayOut struct {
	Body struct {
		Replayed int  `json:"replayed" doc:"At most 1000 in one call, the oldest first."`
		DryRun   bool `json:"dry_run"`
	}
}

// replay is repeated under its key by what it did: the count travels in the id that is kept.
func (h *handlers) replay(
	ctx context.Context,
	tx pgx.Tx,
	by tenant.Caller,
	in *replayIn,
) (*replayOut, error) {
	hash, err := httpapi.HashRequest(in.Body)
	if err != nil {
		return nil, err
	}
	earlier, again, err := httpapi.BeginIdempotent(ctx, tx, by, replayRoute, in.Key, hash)
	if err != nil {
		return nil, err
	}
	out := &replayOut{}
	out.Body.DryRun = in.Body.DryRun
	if again {
		out.Body.Replayed = int(earlier[0])<<8 | int(earlier[1])
		return out, nil
	}
	r := feed.Replay{
		Status:  feed.Status(in.Body.Status),
		Channel: in.Body.Channel,
		DryRun:  in.Body.DryRun,
	}
	if in.Body.From != nil {
		r.From = *in.Body.From
	}
	if in.Body.To != nil {
		r.To = *in.Body.To
	}
	if out.Body.Replayed, err = h.reader().Replay(ctx, tx, by, r); err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(by.RequestID))
	id := uuid.UUID(sum[:16])
	id[0], id[1] = byte(out.Body.Replayed>>8), byte(out.Body.Replayed)
	return out, httpapi.CompleteIdempotent(ctx, tx, by, replayRoute, in.Key, hash, id)
}

type muteIn struct {
	Body struct {
		Topic string `json:"topic" maxLength:"100" doc:"A topic, or all of a kind as file.*." example:"file.available"`
	}
}

func (h *handlers) mute(
	ctx context.Context,
	tx pgx.Tx,
	by tenant.Caller,
	in *muteIn,
) (*struct{}, error) {
	return nil, h.reader().Mute(ctx, tx, by, strings.TrimSpace(in.Body.Topic))
}

type unmuteIn struct {
	Topic string `query:"topic" required:"true" maxLength:"100" doc:"As it was muted."`
}

func (h *handlers) unmute(
	ctx context.Context,
	tx pgx.Tx,
	by tenant.Caller,
	in *unmuteIn,
) (*struct{}, error) {
	return nil, h.reader().Unmute(ctx, tx, by, in.Topic)
}
