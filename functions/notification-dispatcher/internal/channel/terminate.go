package channel

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/pusher/pusher-http-go/v5"
)

// TerminateConnections ends every connection that authenticated as user. Those
// that never did are not found; see the documentation of the auth endpoints. The error is
// an *Outage, that of ctx, or ErrInvalid.
//
// Pusher's library does not have this call yet, so it is signed here.
// https://pusher.com/docs/channels/server_api/terminating-user-connections/
func (p *Pusher) TerminateConnections(ctx context.Context, user string) error {
	if !userID.MatchString(user) {
		return fmt.Errorf("terminate connections: %w", ErrInvalid)
	}
	path := "/apps/" + p.client.AppID + "/users/" + user + "/terminate_connections"
	c := p.call(ctx, func(client pusher.Client) error {
		return p.post(ctx, client.HTTPClient, path, "{}")
	})
	err := c.err
	if err == nil {
		switch verdict, outage := c.answer.judge(p.now()); verdict {
		case failed:
			err = outage
		case refused:
			err = fmt.Errorf("answered %d: %s", c.answer.status, c.answer.detail())
		}
	}
	if err != nil {
		return fmt.Errorf("terminate connections of user %s: %w", user, err)
	}
	return nil
}

// post signs as Pusher's HTTP API asks: method, path and sorted query, joined by line ends.
// https://pusher.com/docs/channels/library_auth_reference/rest-api/#authentication
func (p *Pusher) post(ctx context.Context, client *http.Client, path, body string) error {
	sum := md5.Sum([]byte(body)) // what Pusher has the signature cover
	query := url.Values{
		"auth_key":       {p.client.Key},
		"auth_timestamp": {strconv.FormatInt(p.now().Unix(), 10)},
		"auth_version":   {"1.0"},
		"body_md5":       {hex.EncodeToString(sum[:])},
	}
	unescaped, err := url.QueryUnescape(query.Encode()) // sorted by name
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, []byte(p.client.Secret))
	mac.Write([]byte("POST\n" + path + "\n" + unescaped))
	query.Set("auth_signature", hex.EncodeToString(mac.Sum(nil)))
	u := url.URL{Scheme: "http", Host: p.client.Host, Path: path, RawQuery: query.Encode()}
	if p.client.Secure {
		u.Scheme = "https"
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := client.Do(r)
	if err != nil {
		return err
	}
	return response.Body.Close()
}
