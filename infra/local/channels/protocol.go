package channels

import (
	"encoding/json"
	"regexp"
	"strings"
	"time"
)

// Pusher's limits.
const (
	maxBatch      = 10
	maxChannels   = 100       // of one event
	maxData       = 10 * 1024 // bytes of an event's data
	maxName       = 200       // of a channel and of an event
	maxMembers    = 100       // of a presence channel
	maxUserID     = 128
	maxMemberInfo = 1024 // bytes of a presence member's channel_data
	maxClientRate = 10   // client events a second of one connection
	maxClockSkew  = 600 * time.Second

	activityTimeout = 120 * time.Second
	pongTimeout     = 30 * time.Second
)

// Error codes of the WebSocket. By their hundreds a client does not come back,
// comes back after a pause, or comes back at once.
const (
	codeUnknownApp         = 4001
	codeOverConnections    = 4004
	codeBadVersion         = 4006
	codeUnsupportedVersion = 4007
	codeNoVersion          = 4008
	codeUnauthorized       = 4009
	codeReconnect          = 4200
	codeNoPong             = 4201
	codeClientEvent        = 4301
)

var channelName = regexp.MustCompile(`^[-a-zA-Z0-9_=@,.;]+$`)

const serverToUser = "#server-to-user-"

func validChannel(name string) bool {
	return len(name) <= maxName && channelName.MatchString(strings.TrimPrefix(name, serverToUser))
}

func isPresence(channel string) bool  { return strings.HasPrefix(channel, "presence-") }
func isEncrypted(channel string) bool { return strings.HasPrefix(channel, "private-encrypted-") }

// isGuarded says that subscribing takes a signature.
func isGuarded(channel string) bool {
	return strings.HasPrefix(channel, "private-") || isPresence(channel)
}

// A message of the WebSocket, either way.
type message struct {
	Event   string          `json:"event"`
	Channel string          `json:"channel,omitempty"`
	Data    json.RawMessage `json:"data,omitempty"`
	UserID  string          `json:"user_id,omitempty"`
}

func (m message) encode() []byte {
	text, err := json.Marshal(m)
	if err != nil {
		panic("a message of strings and JSON that was parsed: " + err.Error())
	}
	return text
}

// text makes a JSON string of s: what events carry is JSON within a string.
func text(s string) json.RawMessage {
	quoted, err := json.Marshal(s)
	if err != nil {
		panic("a string: " + err.Error())
	}
	return quoted
}

// object makes a JSON string that holds v as JSON.
func object(v any) json.RawMessage {
	inner, err := json.Marshal(v)
	if err != nil {
		panic("a map of strings and numbers: " + err.Error())
	}
	return text(string(inner))
}

// failure is a pusher:error. Code 0 is said as null.
func failure(code int, why string) message {
	data := struct {
		Code    *int   `json:"code"`
		Message string `json:"message"`
	}{Message: why}
	if code != 0 {
		data.Code = &code
	}
	inner, err := json.Marshal(data)
	if err != nil {
		panic("a number and a string: " + err.Error())
	}
	return message{Event: "pusher:error", Data: inner}
}

// refusal is a pusher:subscription_error.
func refusal(channel, kind, why string, status int) message {
	data := object(map[string]any{"type": kind, "error": why, "status": status})
	return message{Event: "pusher:subscription_error", Channel: channel, Data: data}
}

// internal is what a client's library handles and its user does not see.
func internal(event, channel string, data any) message {
	return message{Event: "pusher_internal:" + event, Channel: channel, Data: object(data)}
}
