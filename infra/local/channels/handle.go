package channels

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// handle does what a client's message asks for.
func (c *socket) handle(raw []byte) {
	var m message
	if err := json.Unmarshal(raw, &m); err != nil {
		c.complain(0, "The message is no JSON object with an event.")
		return
	}
	switch {
	case m.Event == "pusher:ping":
		c.queue(message{Event: "pusher:pong", Data: text("{}")}.encode())
	case m.Event == "pusher:pong":
	case m.Event == "pusher:subscribe":
		c.subscribe(m)
	case m.Event == "pusher:unsubscribe":
		var in struct{ Channel string }
		if parse(m.Data, &in) {
			c.server.hub.unsubscribe(c, in.Channel)
		}
	case m.Event == "pusher:signin":
		c.signin(m)
	case strings.HasPrefix(m.Event, "client-"):
		c.clientEvent(m)
	default:
		c.complain(0, "Unknown event "+strconv.Quote(m.Event))
	}
}

// parse reads an event's data: an object, or as in most events a string with one.
func parse(data json.RawMessage, into any) bool {
	var inner string
	if json.Unmarshal(data, &inner) == nil {
		data = json.RawMessage(inner)
	}
	return json.Unmarshal(data, into) == nil
}

func (c *socket) subscribe(m message) {
	var in struct {
		Channel     string
		Auth        string
		ChannelData string `json:"channel_data"`
	}
	if !parse(m.Data, &in) || !validChannel(in.Channel) {
		c.refuse(in.Channel, "InvalidChannelName", "Invalid channel name.", 400)
		return
	}
	if strings.HasPrefix(in.Channel, serverToUser) && in.Channel != serverToUser+c.user {
		c.refuse(in.Channel, "AuthError", "The connection is not signed in as this user.", 401)
		return
	}
	signed := c.id + ":" + in.Channel
	if in.ChannelData != "" {
		signed += ":" + in.ChannelData
	}
	if isGuarded(in.Channel) && !c.server.isAuthorized(signed, in.Auth) {
		c.refuse(in.Channel, "AuthError", "The signature does not match: check the secret.", 401)
		return
	}
	who := member{ID: c.user}
	if isPresence(in.Channel) {
		var why string
		if who, why = memberOf(in.ChannelData, c.user); why != "" {
			c.refuse(in.Channel, "AuthError", why, 400)
			return
		}
	}
	if answer := c.server.hub.subscribe(c, in.Channel, who); answer.Event != "" {
		c.queue(answer.encode())
	}
}

// memberOf reads who joins a presence channel. A connection that signed in as user may do without
// channel_data.
func memberOf(channelData, user string) (m member, why string) {
	if channelData == "" && user != "" {
		return member{ID: user}, ""
	}
	var in struct {
		ID   any             `json:"user_id"`
		Info json.RawMessage `json:"user_info"`
	}
	if json.Unmarshal([]byte(channelData), &in) != nil {
		return member{}, "channel_data is missing or no JSON object."
	}
	m = member{Info: in.Info}
	switch id := in.ID.(type) {
	case string:
		m.ID = id
	case float64:
		m.ID = strconv.FormatFloat(id, 'f', -1, 64)
	}
	switch {
	case m.ID == "" || len(m.ID) > maxUserID:
		return member{}, "channel_data needs a user_id of at most 128 characters."
	case len(channelData) > maxMemberInfo:
		return member{}, "channel_data has at most 1024 bytes."
	}
	return m, ""
}

func (c *socket) signin(m message) {
	var in struct {
		Auth     string
		UserData string `json:"user_data"`
	}
	var user struct{ ID string }
	if !parse(m.Data, &in) || !c.server.isAuthorized(c.id+"::user::"+in.UserData, in.Auth) ||
		json.Unmarshal([]byte(in.UserData), &user) != nil || user.ID == "" {
		c.end(codeUnauthorized, "Connection not authorized")
		return
	}
	c.server.hub.identify(c, user.ID)
	data := object(map[string]string{"user_data": in.UserData})
	c.queue(message{Event: "pusher:signin_success", Data: data}.encode())
}

func (c *socket) clientEvent(m message) {
	switch _, ok := c.rate.take(1, time.Now()); {
	case !ok:
		c.complain(codeClientEvent, "A connection may send 10 client events a second")
	case !isGuarded(m.Channel) || isEncrypted(m.Channel):
		c.complain(0, "Client events are only for private and presence channels")
	case len(m.Event) > maxName || len(m.Data) > maxData:
		c.complain(codeClientEvent, "The client event is too large")
	case !c.server.hub.relay(c, message{Event: m.Event, Channel: m.Channel, Data: m.Data}):
		c.complain(0, "The connection is not subscribed to the client event's channel")
	}
}

// refuse answers a subscription.
func (c *socket) refuse(channel, kind, why string, status int) {
	c.queue(refusal(channel, kind, why, status).encode())
}

// complain answers anything else; the connection stays.
func (c *socket) complain(code int, why string) { c.queue(failure(code, why).encode()) }
