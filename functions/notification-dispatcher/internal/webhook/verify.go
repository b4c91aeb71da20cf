// Package webhook takes in what a platform's database tells by webhook, where it cannot run a
// trigger of ours: who sent it, whether that is new, and what it tells.
package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/shared/fault"
)

// Source is a sender that is known by its secret, and the organizations that it may speak of.
type Source struct {
	Name          string      `json:"name"`
	Secret        string      `json:"secret"` // whsec_ and base64 to sign with; any other is a bearer secret
	Organizations []uuid.UUID `json:"organizations"`
}

// minSecret is how many bytes a secret has at least; Standard Webhooks asks for 24.
const minSecret = 24

const signing = "whsec_"

// Validate checks what a source was configured as. The error names the source and no secret.
func (s Source) Validate() error {
	key := []byte(s.Secret)
	if text, ok := strings.CutPrefix(s.Secret, signing); ok {
		var err error
		if key, err = base64.StdEncoding.DecodeString(text); err != nil {
			return fmt.Errorf("source %q: the secret after %s is no base64", s.Name, signing)
		}
	}
	switch {
	case !sourceName.MatchString(s.Name):
		return errors.New("a source needs a name of lower-case letters, digits and hyphens")
	case len(key) < minSecret:
		return fmt.Errorf("source %q: the secret has fewer than %d bytes", s.Name, minSecret)
	case len(s.Organizations) == 0:
		return fmt.Errorf("source %q: it may speak of no organization", s.Name)
	}
	return nil
}

var sourceName = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)

// MaySpeakOf reports whether the source is allowed to tell of an organization.
func (s Source) MaySpeakOf(organization uuid.UUID) bool {
	return slices.Contains(s.Organizations, organization)
}

const (
	// tolerance is how far a signature's time may be off: the five minutes of Standard Webhooks.
	tolerance = 5 * time.Minute
	// signedFor is how long the id of a signed message is known: longer than any sender repeats
	// one.
	signedFor = 7 * 24 * time.Hour
	// bodyFor is how long the same body from a bearer counts as a repeat.
	bodyFor = 10 * time.Minute
)

// Message is a request of which it is known who sent it.
type Message struct {
	Source Source
	Key    string        // a repeat has the same
	Keep   time.Duration // for how long that is to be known
}

// Verify finds the source of a request: by a signature as Standard Webhooks has it, of which one
// among several may fit, or by a bearer secret.
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
func Verify(sources []Source, header http.Header, body []byte, now time.Time) (Message, error) {
	if header.Get("Webhook-Signature") != "" {
		return verifySigned(sources, header, body, now)
	}
	given, ok := strings.CutPrefix(header.Get("Authorization"), "Bearer ")
	if !ok {
		return Message{}, refused("The request has neither a signature nor a bearer secret.")
	}
	var found *Source
	for _, s := range sources { // all of them, so that the time tells nothing
		if !strings.HasPrefix(s.Secret, signing) && same(given, s.Secret) {
			found = &s
		}
	}
	if found == nil {
		return Message{}, refused("No source has this secret.")
	}
	sum := sha256.Sum256(body)
	return Message{
		*found,
		"hook:" + found.Name + ":body:" + hex.EncodeToString(sum[:]),
		bodyFor,
	}, nil
}

// same compares without telling by its time where two secrets differ, or how long they are.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// maxID is how long a message's id may be.
const maxID = 200

func verifySigned(
	sources []Source,
	header http.Header,
	body []byte,
	now time.Time,
) (Message, error) {
	id, sent := header.Get("Webhook-Id"), header.Get("Webhook-Timestamp")
	seconds, err := strconv.ParseInt(sent, 10, 64)
	if err != nil || id == "" || len(id) > maxID ||
		strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return Message{}, refused(
			"webhook-id or webhook-timestamp is missing or not as it should be.",
		)
	}
	if off := now.Sub(time.Unix(seconds, 0)); off > tolerance || off < -tolerance {
		return Message{}, refused(
			"webhook-timestamp is more than five minutes off. Sign with the time of sending.",
		)
	}
	var found *Source
	for _, s := range sources {
		if s.signed(header.Get("Webhook-Signature"), id, sent, body) {
			found = &s
		}
	}
	if found == nil {
		return Message{}, refused("No source has signed this request.")
	}
	return Message{*found, "hook:" + found.Name + ":" + id, signedFor}, nil
}

func (s Source) signed(signatures, id, sent string, body []byte) bool {
	text, ok := strings.CutPrefix(s.Secret, signing)
	key, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil {
		return false
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + sent + "."))
	mac.Write(body)
	want, fits := mac.Sum(nil), false
	for _, signature := range strings.Fields(signatures) {
		version, encoded, _ := strings.Cut(signature, ",")
		given, err := base64.StdEncoding.DecodeString(encoded)
		if version == "v1" && err == nil && hmac.Equal(given, want) {
			fits = true
		}
	}
	return fits
}

func refused(detail string) error {
	return fault.New(fault.Unauthenticated, "webhook-refused", detail)
}
