package channels

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/coder/websocket"
)

// Message is what a subscriber is told.
type Message struct {
	Event, Channel string
	// Data is the event's data as it was sent: no longer a JSON string of it.
	Data string
	// UserID is who sent a client event on a presence channel.
	UserID string
}

// Client is a subscriber for Go programs. It is not safe for concurrent use.
type Client struct {
	// SocketID is what an auth endpoint signs.
	SocketID string

	conn  *websocket.Conn
	later []Message // came while an answer was waited for
}

// Dial connects to the app with this key at host:port.
func Dial(ctx context.Context, host, key string) (*Client, error) {
	conn, _, err := websocket.Dial(ctx, "ws://"+host+"/app/"+key+"?protocol=7&client=satchel", nil)
	if err != nil {
		return nil, fmt.Errorf("connect to channels: %w", err)
	}
	conn.SetReadLimit(1 << 20)
	c := &Client{conn: conn}
	m, err := c.receive(ctx)
	if err != nil {
		return nil, err
	}
	var established struct {
		SocketID string `json:"socket_id"`
	}
	err = json.Unmarshal([]byte(m.Data), &established)
	if m.Event != "pusher:connection_established" || err != nil {
		c.Close()
		return nil, fmt.Errorf("connect to channels: %s %s", m.Event, m.Data)
	}
	c.SocketID = established.SocketID
	return c, nil
}

// Close cuts the connection.
func (c *Client) Close() { _ = c.conn.CloseNow() }

// Subscribe waits until the channel is subscribed to. auth and channelData are
// the auth endpoint's answer, empty for a public channel.
func (c *Client) Subscribe(ctx context.Context, channel, auth, channelData string) error {
	data := map[string]string{"channel": channel, "auth": auth}
	if channelData != "" {
		data["channel_data"] = channelData
	}
	if err := c.Send(ctx, "pusher:subscribe", "", data); err != nil {
		return err
	}
	return c.await(ctx, "subscribe to "+channel, "pusher_internal:subscription_succeeded", channel)
}

// Signin waits until the connection is a user's. auth and userData are the
// user-auth endpoint's answer.
func (c *Client) Signin(ctx context.Context, auth, userData string) error {
	data := map[string]string{"auth": auth, "user_data": userData}
	if err := c.Send(ctx, "pusher:signin", "", data); err != nil {
		return err
	}
	return c.await(ctx, "sign in to channels", "pusher:signin_success", "")
}

// Send sends an event; data is sent as JSON.
func (c *Client) Send(ctx context.Context, event, channel string, data any) error {
	inner, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("send %s: %w", event, err)
	}
	encoded := message{Event: event, Channel: channel, Data: inner}.encode()
	if err := c.conn.Write(ctx, websocket.MessageText, encoded); err != nil {
		return fmt.Errorf("send %s: %w", event, err)
	}
	return nil
}

// Next waits for the next message. A server's pings are answered here.
func (c *Client) Next(ctx context.Context) (Message, error) {
	if len(c.later) > 0 {
		m := c.later[0]
		c.later = c.later[1:]
		return m, nil
	}
	return c.receive(ctx)
}

// await keeps what else comes for Next.
func (c *Client) await(ctx context.Context, doing, event, channel string) error {
	for {
		m, err := c.receive(ctx)
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", doing, err)
		case m.Event == event && m.Channel == channel:
			c.later = append(c.later, m)
			return nil
		case m.Event == "pusher:error",
			m.Event == "pusher:subscription_error" && m.Channel == channel:
			return fmt.Errorf("%s: %s %s", doing, m.Event, m.Data)
		}
		c.later = append(c.later, m)
	}
}

func (c *Client) receive(ctx context.Context) (Message, error) {
	for {
		_, raw, err := c.conn.Read(ctx)
		if err != nil {
			return Message{}, fmt.Errorf("receive from channels: %w", err)
		}
		var m message
		if err := json.Unmarshal(raw, &m); err != nil {
			return Message{}, fmt.Errorf("receive from channels: %w", err)
		}
		if m.Event == "pusher:ping" {
			if err := c.Send(ctx, "pusher:pong", "", struct{}{}); err != nil {
				return Message{}, err
			}
			continue
		}
		data := string(m.Data)
		var inner string
		if json.Unmarshal(m.Data, &inner) == nil {
			data = inner
		}
		return Message{Event: m.Event, Channel: m.Channel, Data: data, UserID: m.UserID}, nil
	}
}
