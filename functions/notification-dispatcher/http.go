package main

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/channel"
	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/feed"
	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/topic"
	"github.com/toolboxai-solutions/satchel/shared/httpapi"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

const (
	title   = "Satchel"
	version = "1"
)

// handlers turn HTTP requests into calls of the feed.
type handlers struct {
	parts
	rules topic.Rules
}

func (p parts) api() *httpapi.API {
	api := httpapi.New(httpapi.Config{
		Title: title, Version: version, DB: p.db, Auth: p.config.Auth, CORS: p.config.CORS,
		Log: p.log, Now: p.now, Doorbell: p.bell.Ring,
	})
	rules, _ := topic.NewRules(p.config.Topics) // Validate has read them
	routes(api, &handlers{p, rules})
	return api
}

func routes(api *httpapi.API, h *handlers) {
	post := httpapi.Tells(op(http.MethodPost, "/v1/notifications", "post-notification",
		"Tell a channel, a member or a topic (staff and admins)", 403, 404, 409, 413, 429))
	post.DefaultStatus = http.StatusAccepted
	httpapi.Write(api, post, h.post)
	httpapi.Read(api, op(http.MethodGet, "/v1/notifications", "list-notifications",
		"Fetch what a channel had after a sequence: the same as the live stream", 403), h.list)
	httpapi.Read(
		api,
		op(
			http.MethodGet,
			"/v1/notifications/{id}",
			"get-notification",
			"Get one notification",
			404,
		),
		h.get,
	)
	httpapi.Own(api, op(http.MethodPost, "/v1/notifications/{id}/ack", "ack-notification",
		"Say that you have read a channel up to here", 404, 409), h.ack)
	httpapi.Write(
		api,
		httpapi.Tells(op(http.MethodPost, "/v1/notifications/replay", "replay-notifications",
			"Send again, with the same ids and sequences (admins)", 403, 409, 429)),
		h.replay,
	)
	mute := op(
		http.MethodPut,
		"/v1/notifications/mute",
		"mute-topic",
		"Keep a topic off your own channels",
		409,
	)
	mute.DefaultStatus = http.StatusNoContent
	httpapi.Own(api, mute, h.mute)
	unmute := op(
		http.MethodDelete,
		"/v1/notifications/mute",
		"unmute-topic",
		"Let a topic back on your own channels",
	)
	unmute.DefaultStatus = http.StatusNoContent
	httpapi.Own(api, unmute, h.unmute)
	httpapi.Own(api, op(http.MethodPost, "/v1/channels/user-auth", "authenticate-connection",
		"Prove to Pusher whose a connection is, as pusher-js's signin() asks", 403, 429), h.connect)
	httpapi.Read(api, op(http.MethodPost, "/v1/channels/auth", "authorize-channel",
		"Let a connection of yours subscribe to a channel, as pusher-js asks", 403), h.admit)
	hook := op(http.MethodPost, "/v1/hooks/database", "database-webhook",
		"Take in a change that a database tells of by webhook")
	httpapi.Open(api, hook, map[string]*huma.SecurityScheme{
		"webhookSecret": {Type: "http", Scheme: "bearer", Description: "The source's own secret."},
		"webhookSignature": {Type: "apiKey", In: "header", Name: "webhook-signature",
			Description: "As Standard Webhooks has it, with webhook-id and webhook-timestamp."},
	}, h.hook)
}

func op(method, path, id, summary string, errors ...int) huma.Operation {
	return huma.Operation{
		Method: method, Path: path, OperationID: id, Summary: summary,
		Tags:   []string{"notifications"},
		Errors: append([]int{http.StatusUnauthorized, http.StatusUnprocessableEntity}, errors...),
	}
}

// Target names a notification in a path.
type Target struct {
	ID string `path:"id" doc:"The notification's id." example:"3f0c9a52-7c0e-4f6b-9d35-0f2f8a1f6e11"`
}

// notification is the id. What is no id names nothing.
func (t Target) notification() uuid.UUID {
	id, err := uuid.Parse(t.ID)
	if err != nil || id.String() != t.ID {
		return uuid.Nil
	}
	return id
}

// feed is what a request works with. Whether there is a key for encrypted channels is part of a
// secret, so it may have to be read first.
func (h *handlers) feed(ctx context.Context) (feed.Feed, *channel.Pusher, error) {
	pusher, private, err := h.secrets.pusher(ctx, h.config)
	return feed.Feed{Rules: h.rules, Encrypted: private}, pusher, err
}

func (h *handlers) reader() feed.Feed { return feed.Feed{Rules: h.rules} }

type historyIn struct {
	Channel string `query:"channel" required:"true" maxLength:"164" doc:"The channel's whole name." example:"private-org-3f0c9a52-7c0e-4f6b-9d35-0f2f8a1f6e11-topic-files"`
	After   int64  `query:"after" minimum:"0" doc:"The last sequence that you have. 0: from the beginning."`
	Limit   int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"The most that a page holds. One of large payloads may hold fewer: compare with last_sequence."`
}

type historyOut struct {
	Body struct {
		Notifications []notificationBody `json:"notifications" nullable:"false"`
		LastSequence  int64              `json:"last_sequence" doc:"Of the channel. Ask again until you have it."`
		HistoryLost   bool               `json:"history_lost" doc:"Something after the sequence that you gave is gone, or that sequence is beyond the last one. Load what you show anew, then go on from here."`
		Unread        int64              `json:"unread" doc:"After the last that you acknowledged."`
	}
}

func (h *handlers) list(
	ctx context.Context,
	tx pgx.Tx,
	by tenant.Caller,
	in *historyIn,
) (*historyOut, error) {
	page, err := h.reader().List(ctx, tx, by, in.Channel, in.After, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &historyOut{}
	out.Body.LastSequence, out.Body.HistoryLost, out.Body.Unread = page.LastSequence,
		page.HistoryLost, page.Unread
	out.Body.Notifications = []notificationBody{}
	size := 0
	for _, n := range page.Notifications {
		if size += len(n.Payload); size > maxPageBytes && len(out.Body.Notifications) > 0 {
			break
		}
		out.Body.Notifications = append(out.Body.Notifications, bodyOf(n))
	}
	return out, nil
}

// maxPageBytes keeps a page below the 6 MB that a Lambda may answer, in which the body is a JSON
// string: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const maxPageBytes = 2_500_000

type notificationOut struct {
	Body struct {
		Notification notificationBody `json:"notification"`
	}
}

func (h *handlers) get(
	ctx context.Context,
	tx pgx.Tx,
	by tenant.Caller,
	in *Target,
) (*notificationOut, error) {
	n, err := h.reader().Get(ctx, tx, by, in.notification())
	if err != nil {
		return nil, err
	}
	out := &notificationOut{}
	out.Body.Notification = bodyOf(n)
	return out, nil
}
