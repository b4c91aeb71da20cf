package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

// heard is an event that reached a subscribed client.
type heard struct {
	event, file string
	after       time.Duration // since the transaction that it tells of
}

// frame is a message of Pusher's protocol.
type frame struct {
	Event   string          `json:"event"`
	Channel string          `json:"channel,omitempty"`
	Data    json.RawMessage `json:"data,omitempty"`
}

// Follow prints each event of the organization's files when it reaches a subscribed client, until
// ctx ends.
func Follow(ctx context.Context, o Options) error {
	c, err := signIn(ctx, o.API, o.Organization, o.User)
	if err != nil {
		return err
	}
	all, err := c.listen(ctx, o, "private-org-"+c.organization+"-topic-files")
	if err != nil {
		return err
	}
	for h := range all {
		fmt.Fprintf(o.Out, "  %s  %s  file %s  %d ms after its transaction\n",
			time.Now().Format(time.TimeOnly), h.event, h.file, h.after.Milliseconds())
	}
	return nil
}

// listen connects as a browser does: it proves whose the connection is, and subscribes to a
// channel. What is heard from then on comes on the channel that is returned.
func (c *client) listen(ctx context.Context, o Options, name string) (<-chan heard, error) {
	conn, _, err := websocket.Dial(ctx,
		"ws://"+o.Pusher+"/app/"+o.Key+"?protocol=7&client=demo&version=1", nil)
	if err != nil {
		return nil, fmt.Errorf("connect for notifications: %w", err)
	}
	var hello struct {
		SocketID string `json:"socket_id"`
	}
	if err := await(ctx, conn, "pusher:connection_established", &hello); err != nil {
		return nil, err
	}
	var signed map[string]string
	if err := c.form(ctx, "/v1/channels/user-auth", url.Values{"socket_id": {hello.SocketID}},
		&signed); err != nil {
		return nil, fmt.Errorf("sign the connection in: %w", err)
	}
	if err := send(ctx, conn, "pusher:signin", signed); err != nil {
		return nil, err
	}
	if err := await(ctx, conn, "pusher:signin_success", nil); err != nil {
		return nil, err
	}
	var admitted map[string]string
	if err := c.form(ctx, "/v1/channels/auth",
		url.Values{"socket_id": {hello.SocketID}, "channel_name": {name}}, &admitted); err != nil {
		return nil, fmt.Errorf("be let into a channel: %w", err)
	}
	admitted["channel"] = name
	if err := send(ctx, conn, "pusher:subscribe", admitted); err != nil {
		return nil, err
	}
	if err := await(ctx, conn, "pusher_internal:subscription_succeeded", nil); err != nil {
		return nil, err
	}
	all := make(chan heard, 1000)
	go hear(ctx, conn, all)
	return all, nil
}

// hear ends with the connection.
func hear(ctx context.Context, conn *websocket.Conn, all chan<- heard) {
	defer close(all)
	defer func() { _ = conn.CloseNow() }()
	for {
		var f frame
		if wsjson.Read(ctx, conn, &f) != nil {
			return
		}
		var data struct {
			OccurredAt time.Time `json:"occurred_at"`
			Data       struct {
				FileID string `json:"file_id"`
			}
		}
		if unwrap(f.Data, &data) == nil && !data.OccurredAt.IsZero() {
			all <- heard{f.Event, data.Data.FileID, time.Since(data.OccurredAt)}
		}
	}
}

func send(ctx context.Context, conn *websocket.Conn, event string, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	return wsjson.Write(ctx, conn, frame{Event: event, Data: text})
}

func await(ctx context.Context, conn *websocket.Conn, event string, into any) error {
	for {
		var f frame
		if err := wsjson.Read(ctx, conn, &f); err != nil {
			return fmt.Errorf("wait for %s: %w", event, err)
		}
		switch {
		case f.Event == event && into != nil:
			return unwrap(f.Data, into)
		case f.Event == event:
			return nil
		case f.Event == "pusher:error":
			return fmt.Errorf("wait for %s: %s", event, f.Data)
		}
	}
}

// unwrap reads data, which Pusher sends as JSON within a JSON string.
func unwrap(data json.RawMessage, into any) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	return json.Unmarshal([]byte(text), into)
}

// form sends a form as pusher-js does.
func (c *client) form(ctx context.Context, path string, fields url.Values, into any) error {
	request, err := http.NewRequestWithContext(ctx, "POST", c.api+path,
		bytes.NewBufferString(fields.Encode()))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var text bytes.Buffer
	if err := c.send(request, &text); err != nil {
		return err
	}
	return json.Unmarshal(text.Bytes(), into)
}

// patienceForEvents is how long the last events may take after the last file.
const patienceForEvents = 10 * time.Second

// awaitEvents waits until the event of each file that was sent and came to an end has reached the
// client that listens, and notes when. What has not come by then has no event.
func awaitEvents(ctx context.Context, arrivals <-chan heard, rows []row) error {
	ctx, cancel := context.WithTimeout(ctx, patienceForEvents)
	defer cancel()
	awaited := map[string]*row{}
	for i := range rows {
		if r := &rows[i]; r.err == nil && !r.kept {
			awaited[r.file.ID] = r
		}
	}
	for len(awaited) > 0 {
		select {
		case h, open := <-arrivals:
			if !open {
				return errors.New("the connection for notifications broke")
			}
			if r := awaited[h.file]; r != nil {
				r.event = h.after
				delete(awaited, h.file)
			}
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}
