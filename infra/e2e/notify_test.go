package e2e

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	pusherclient "github.com/toolboxai-solutions/satchel/infra/e2e/pusher-client"
)

// browser is Pusher's own client, signed in as a user.
func (u user) browser() *pusherclient.Client {
	u.s.t.Helper()
	p := u.s.ready.Pusher
	return pusherclient.Start(u.s.t, pusherclient.Options{
		Host: fmt.Sprintf("%s:%d", p.Host, p.Port), Key: p.Key, Token: u.token,
		ChannelAuth: u.s.ready.API + "/v1/channels/auth",
		UserAuth:    u.s.ready.API + "/v1/channels/user-auth",
	})
}

// received is the data of an event.
type received struct {
	ID       string
	Sequence int64
	Data     struct {
		FileID string `json:"file_id"`
		Status string
	}
}

// A photo is uploaded, and a browser that is subscribed hears of it; one that was cut off meanwhile
// fetches what it missed, without a gap and without a repeat.
func TestABrowserHearsOfAPhotoAndCatchesUp(t *testing.T) {
	s := newSchool(t)
	pupil := s.user("member")
	browser := pupil.browser()
	browser.Await(t, "signed_in")
	channel := "private-org-" + s.id + "-user-" + pupil.id
	browser.Subscribe(t, channel)
	browser.Await(t, "subscribed")

	first := pupil.available(dot(t))
	line := browser.Await(t, "event")
	var heard received
	if err := json.Unmarshal(line.Data, &heard); err != nil {
		t.Fatal(err)
	}
	if line.Event != "file.available" || heard.Sequence != 1 || heard.Data.FileID != first ||
		heard.Data.Status != "available" || strings.Contains(string(line.Data), "dot.png") {
		t.Errorf("heard %s %s", line.Event, line.Data)
	}

	browser.Disconnect(t)
	browser.Await(t, "disconnected")
	missed := []string{pupil.available(dot(t)), pupil.available(text("notes"))}
	until(t, "the missed ones were sent to nobody", func() bool {
		return s.look(
			`SELECT count(*) FROM notification_attempts
				WHERE organization_id = $1 AND channel = $2`,
			s.id,
			channel,
		) == 3
	})
	browser.Connect(t)
	browser.Await(t, "subscribed")
	page := pupil.call("GET", fmt.Sprintf("/v1/notifications?channel=%s&after=%d",
		url.QueryEscape(channel), heard.Sequence), nil).want(200)
	if page.at("history_lost") != false || page.number("last_sequence") != 3 ||
		page.number("unread") != 3 {
		t.Errorf("the page is %s", page.raw)
	}
	for i, id := range missed {
		at := fmt.Sprintf("notifications.%d.", i)
		if page.number(at+"sequence") != int64(i+2) || page.str(at+"data.file_id") != id {
			t.Errorf("number %d is %s", i, page.raw)
		}
	}
	last := pupil.available(dot(t))
	line = browser.Await(t, "event")
	if err := json.Unmarshal(line.Data, &heard); err != nil || heard.Sequence != 4 ||
		heard.Data.FileID != last {
		t.Errorf("after that it hears %s, %v", line.Data, err)
	}
	pupil.call("POST", "/v1/notifications/"+heard.ID+"/ack", nil).want(200)
	if page := pupil.call("GET", "/v1/notifications?channel="+url.QueryEscape(channel),
		nil).want(200); page.number(
		"unread",
	) != 0 {
		t.Errorf("after the ack it is %s", page.raw)
	}
}

// What is posted to a member's encrypted channel is read by that browser, and by nobody on the way.
func TestABrowserReadsWhatIsEncrypted(t *testing.T) {
	s := newSchool(t)
	pupil, teacher := s.user("member"), s.user("staff")
	browser := pupil.browser()
	browser.Await(t, "signed_in")
	posted := teacher.call("POST", "/v1/notifications", map[string]any{
		"user_id": pupil.id, "event": "message.posted",
		"data":       map[string]string{"text": "Well done, Zoë!"},
		"not_before": "2020-01-01T00:00:00Z",
	}).want(202)
	channel := posted.str("channel")
	if !strings.HasPrefix(channel, "private-encrypted-") {
		t.Fatalf("posted to %s", channel)
	}
	browser.Subscribe(t, channel)
	browser.Await(t, "subscribed")
	teacher.call("POST", "/v1/notifications", map[string]any{
		"user_id": pupil.id, "event": "message.posted",
		"data": map[string]string{"text": "And again, Zoë!"},
	}).want(202)
	for {
		line := browser.Await(t, "event")
		if strings.Contains(string(line.Data), "And again, Zoë!") {
			break
		}
	}
	// What is scheduled has the dispatcher rung for it.
	teacher.call("POST", "/v1/notifications", map[string]any{
		"user_id": pupil.id, "event": "message.posted",
		"not_before": time.Now().Add(2 * time.Minute),
	}).want(202)
	// Another's browser is not let in, nor one that has not signed in.
	other := s.user("member").browser()
	other.Await(t, "signed_in")
	other.Subscribe(t, channel)
	if line := other.Await(t, "refused"); line.Status != 403 {
		t.Errorf("another is answered %+v", line)
	}
}

// A ring that was lost costs no more than the wait for the next sweep.
func TestTheSweepRings(t *testing.T) {
	s := newSchool(t)
	// within a channel's burst; a delivery that runs already may take some before the sweep looks
	const facts = 8
	for range facts {
		s.change(`INSERT INTO notification_inbox (organization_id, topic)
			VALUES ($1, 'file.restored')`, s.id)
		s.send("POST", "/local/schedules/notification-sweep", "", nil).want(200)
	}
	until(t, "they were sent", func() bool {
		return s.look(`SELECT count(*) FROM notification_attempts
			WHERE organization_id = $1`, s.id) == facts
	})
}
