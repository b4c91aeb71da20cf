package channel

import (
	"encoding/base64"
	"regexp"
	"strings"
)

// Pusher's limits. https://pusher.com/docs/channels/library_auth_reference/rest-api/
const (
	// MaxBatch is how many events one call takes.
	MaxBatch = 10
	// MaxData is how many bytes an event's data may have as it is sent; see Size.
	MaxData = 10 * 1024
	maxName = 200
)

// Prefixes of the channels that take a signature to subscribe to.
const (
	privatePrefix   = "private-"
	encryptedPrefix = "private-encrypted-"
	presencePrefix  = "presence-"
)

var channelName = regexp.MustCompile(`^[-a-zA-Z0-9_=@,.;]+$`)

// ValidName says whether a channel can have this name: at most 200 letters, digits and _-=@,.;
// characters.
func ValidName(channel string) bool {
	return len(channel) <= maxName && channelName.MatchString(channel)
}

// Size is how many bytes of data Pusher counts for an event: those of Data, and
// on a private-encrypted- channel those of what encrypting makes of it.
func Size(e Event) int {
	if !strings.HasPrefix(e.Channel, encryptedPrefix) {
		return len(e.Data)
	}
	const (
		form     = `{"nonce":"","ciphertext":""}`
		nonce    = 24
		overhead = 16 // of a NaCl secretbox
	)
	encoded := base64.StdEncoding.EncodedLen
	return len(form) + encoded(nonce) + encoded(len(e.Data)+overhead)
}

// examine refuses what need not be sent to know that it is refused.
func examine(e Event) (Outcome, bool) {
	switch {
	case !ValidName(e.Channel) || e.Name == "" || len(e.Name) > maxName:
		return Outcome{State: Refused, Reason: Invalid}, false
	case Size(e) > MaxData:
		return Outcome{State: Refused, Reason: TooLarge}, false
	}
	return Outcome{}, true
}
