package main

import (
	"context"
	"net/http"
	"net/url"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/channel"
	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/feed"
	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/webhook"
	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// formIn is what pusher-js sends: socket_id, and channel_name for a channel.
type formIn struct {
	RawBody []byte `contentType:"application/x-www-form-urlencoded"`
}

// form reads the fields that there are once.
func (in formIn) form(names ...string) (map[string]string, error) {
	values, err := url.ParseQuery(string(in.RawBody))
	found := map[string]string{}
	for _, name := range names {
		if err != nil || len(values[name]) != 1 {
			return nil, fault.New(fault.Invalid, "invalid-form",
				"Send socket_id, and channel_name for a channel, as a form, each once.")
		}
		found[name] = values.Get(name)
	}
	return found, nil
}

type connectOut struct {
	Body channel.Authentication
}

func (h *handlers) connect(
	ctx context.Context,
	tx pgx.Tx,
	by tenant.Caller,
	in *formIn,
) (*connectOut, error) {
	form, err := in.form("socket_id")
	if err != nil {
		return nil, err
	}
	f, pusher, err := h.feed(ctx)
	if err != nil {
		return nil, err
	}
	signed, err := pusher.AuthenticateUser(form["socket_id"], by.User.String())
	if err != nil {
		return nil, fault.Wrap(
			err,
			fault.Invalid,
			"invalid-form",
			"socket_id is none that Pusher gives.",
		)
	}
	return &connectOut{signed}, f.Connect(ctx, tx, by, form["socket_id"])
}

type admitOut struct {
	Body channel.Authorization
}

func (h *handlers) admit(
	ctx context.Context,
	tx pgx.Tx,
	by tenant.Caller,
	in *formIn,
) (*admitOut, error) {
	form, err := in.form("socket_id", "channel_name")
	if err != nil {
		return nil, err
	}
	f, pusher, err := h.feed(ctx)
	if err != nil {
		return nil, err
	}
	if err := f.Admit(ctx, tx, by, form["socket_id"], form["channel_name"]); err != nil {
		return nil, err
	}
	signed, err := pusher.AuthorizeChannel(
		form["socket_id"],
		form["channel_name"],
		by.User.String(),
	)
	if err != nil {
		return nil, fault.Wrap(
			err,
			fault.Invalid,
			"invalid-form",
			"socket_id is none that Pusher gives.",
		)
	}
	return &admitOut{signed}, nil
}

type hookIn struct {
	ID            string `header:"Webhook-Id" doc:"Standard Webhooks: the same for every repeat."`
	Timestamp     string `header:"Webhook-Timestamp" doc:"Seconds since 1970."`
	Signature     string `header:"Webhook-Signature" doc:"v1, and the signature in base64."`
	Authorization string `header:"Authorization" doc:"Bearer and the secret, for a sender that cannot sign."`
	RawBody       []byte `contentType:"application/json"`
}

type hookOut struct {
	Body struct {
		ID      *uuid.UUID `json:"id" format:"uuid" nullable:"true" doc:"Of the notification; null when there is none."`
		Ignored string     `json:"ignored,omitempty" doc:"Why nothing is told."`
	}
}

func (h *handlers) hook(ctx context.Context, in *hookIn) (*hookOut, error) {
	sources, err := h.secrets.webhooks(ctx, h.config.WebhookSecretARN)
	if err != nil {
		return nil, err
	}
	header := http.Header{}
	for name, value := range map[string]string{
		"Webhook-Id": in.ID, "Webhook-Timestamp": in.Timestamp, "Webhook-Signature": in.Signature,
		"Authorization": in.Authorization,
	} {
		if value != "" {
			header.Set(name, value)
		}
	}
	message, err := webhook.Verify(sources, header, in.RawBody, h.now())
	if err != nil {
		return nil, err
	}
	out := &hookOut{}
	fact, ignored, err := webhook.Read(in.RawBody)
	if err != nil || ignored != "" {
		out.Body.Ignored = ignored
		return out, err
	}
	if !message.Source.MaySpeakOf(fact.Organization) {
		out.Body.Ignored = "source does not speak of this organization"
		return out, nil
	}
	err = h.db.InTenant(ctx, fact.Organization, func(tx pgx.Tx) error {
		id, ignored, err := feed.TakeIn(ctx, tx, message, fact)
		out.Body.Ignored = ignored
		if id != uuid.Nil {
			out.Body.ID = &id
		}
		return err
	})
	if err == nil && out.Body.Ignored == "" {
		h.bell.Ring(ctx)
	}
	return out, err
}
