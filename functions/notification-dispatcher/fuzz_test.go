package main

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/channel"
	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/topic"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// FuzzChannelAuth holds that no body is signed for another channel, connection or user than the one
// that was decided about: what the rules parse and what is signed are the same text.
func FuzzChannelAuth(f *testing.F) {
	pusher, err := channel.New(channel.Config{AppID: "1", Key: "key", Secret: "not-a-real-secret",
		Cluster: "eu", EncryptionKey: encryptionKey})
	if err != nil {
		f.Fatal(err)
	}
	rules, err := topic.NewRules([]string{"announcements:member"})
	if err != nil {
		f.Fatal(err)
	}
	by := tenant.Caller{Organization: uuid.MustParse("3f0c9a52-7c0e-4f6b-9d35-0f2f8a1f6e11"),
		User: uuid.MustParse("8a1f6e11-7c0e-4f6b-9d35-0f2f3f0c9a52"), Role: tenant.Member}
	own := topic.Of(topic.Private, by.Organization)
	for _, name := range []string{own.String(), own.To(by.User).String(),
		own.About("announcements").String(), own.About("files").String(),
		"presence-" + strings.TrimPrefix(own.String(), "private-"),
		"private-encrypted-" + strings.TrimPrefix(own.String(), "private-"),
		own.String() + ":{}", "PRIVATE-" + own.String(), ""} {
		f.Add([]byte(form("socket_id", "1.1", "channel_name", name)))
	}
	for _, body := range []string{"socket_id=1.1;channel_name=x", "socket_id=1.1&socket_id=1.2",
		"%zz", "channel_name=%00&socket_id=1.1%0a", "socket_id=1.1:presence&channel_name=-"} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		fields, err := formIn{RawBody: body}.form("socket_id", "channel_name")
		if err != nil {
			return
		}
		if values, err := url.ParseQuery(string(body)); err != nil ||
			len(values["socket_id"]) != 1 || values.Get("channel_name") != fields["channel_name"] {
			t.Fatalf("%q was read as %v", body, fields)
		}
		socket, name := fields["socket_id"], fields["channel_name"]
		c, ok := topic.Parse(name)
		if !ok || !rules.MayHear(by, c) {
			return
		}
		if c.String() != name || c.Organization != by.Organization ||
			c.User != uuid.Nil && c.User != by.User || c.Topic != "" && c.Topic != "announcements" {
			t.Fatalf("%q may be heard as %+v", name, c)
		}
		signed, err := pusher.AuthorizeChannel(socket, name, by.User.String())
		if err != nil {
			return
		}
		// The signature covers socket:channel or socket:channel:data: no part may hold a colon.
		if strings.ContainsAny(socket+name, ":\n\x00") {
			t.Fatalf("signed %q for %q", name, socket)
		}
		var member struct {
			ID string `json:"user_id"`
		}
		if signed.ChannelData != "" && (json.Unmarshal([]byte(signed.ChannelData), &member) != nil ||
			member.ID != by.User.String()) {
			t.Fatalf("joins as %s", signed.ChannelData)
		}
	})
}
