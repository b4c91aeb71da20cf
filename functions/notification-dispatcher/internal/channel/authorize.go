package channel

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/pusher/pusher-http-go/v5"
)

// ErrInvalid says that what was to be signed is nothing that Pusher would take.
var ErrInvalid = errors.New("not a socket id, a guarded channel or a user id")

// Authorization lets one connection subscribe to one channel. It is the answer
// that pusher-js expects of an authorization endpoint.
type Authorization struct {
	Auth string `json:"auth"`
	// ChannelData says who joins a presence channel.
	ChannelData string `json:"channel_data,omitempty"`
	// SharedSecret decrypts an encrypted channel; it never goes to Pusher.
	SharedSecret string `json:"shared_secret,omitempty"`
}

// Authentication makes a connection a user's. It is the answer that pusher-js
// expects of an authentication endpoint.
type Authentication struct {
	Auth     string `json:"auth"`
	UserData string `json:"user_data"`
}

var (
	socketID = regexp.MustCompile(`^[0-9]{1,20}\.[0-9]{1,20}$`)
	userID   = regexp.MustCompile(`^[0-9A-Za-z_-]{1,128}$`)
)

// AuthorizeChannel signs for a private-, private-encrypted- or presence- channel.
// Whether this user may hear it is the caller's to know. The others on a presence
// channel see user, so it is an opaque id.
//
// What is signed is joined by colons, and a presence channel's is "socket:channel:data".
// A channel's name with a colon in it would be a signature for somebody else's
// presence: a name that Pusher does not allow is never signed.
func (p *Pusher) AuthorizeChannel(socket, name, user string) (Authorization, error) {
	guarded := strings.HasPrefix(name, privatePrefix) || strings.HasPrefix(name, presencePrefix)
	if !socketID.MatchString(socket) || !guarded || !ValidName(name) || !userID.MatchString(user) {
		return Authorization{}, fmt.Errorf("authorize a channel: %w", ErrInvalid)
	}
	form := []byte(url.Values{"socket_id": {socket}, "channel_name": {name}}.Encode())
	sign := p.client.AuthorizePrivateChannel
	if strings.HasPrefix(name, presencePrefix) {
		sign = func(form []byte) ([]byte, error) {
			return p.client.AuthorizePresenceChannel(form, pusher.MemberData{UserID: user})
		}
	}
	var a Authorization
	if err := signed(sign, form, &a); err != nil {
		return Authorization{}, fmt.Errorf("authorize channel %s: %w", name, err)
	}
	return a, nil
}

// AuthenticateUser signs that a connection is user's, so that events for the user
// reach it and TerminateConnections ends it.
func (p *Pusher) AuthenticateUser(socket, user string) (Authentication, error) {
	if !socketID.MatchString(socket) || !userID.MatchString(user) {
		return Authentication{}, fmt.Errorf("authenticate a user: %w", ErrInvalid)
	}
	sign := func(form []byte) ([]byte, error) {
		return p.client.AuthenticateUser(form, map[string]any{"id": user})
	}
	var a Authentication
	if err := signed(sign, []byte(url.Values{"socket_id": {socket}}.Encode()), &a); err != nil {
		return Authentication{}, fmt.Errorf("authenticate user %s: %w", user, err)
	}
	return a, nil
}

func signed(sign func([]byte) ([]byte, error), form []byte, into any) error {
	text, err := sign(form)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}
