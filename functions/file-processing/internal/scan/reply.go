package scan

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// overStreamLimit is clamd's whole answer when a stream is longer than its
// StreamMaxLength.
const overStreamLimit = "INSTREAM size limit exceeded. ERROR"

// readReply reads up to the zero byte that ends a reply. A reply without its
// end may be cut short, and "stream: OK" may then be the start of a signature.
func readReply(r io.Reader) (string, error) {
	reply, err := bufio.NewReader(io.LimitReader(r, maxReply)).ReadString(0)
	if err == io.EOF {
		return "", fmt.Errorf("reply %q has no end: %w", reply, io.ErrUnexpectedEOF)
	}
	if err != nil {
		return "", fmt.Errorf("read the reply: %w", err)
	}
	return strings.TrimSuffix(reply, "\x00"), nil
}

// judge turns clamd's reply to INSTREAM into a verdict. The prefixes are those
// that libclamav gives to what it could not look into (clamd.conf(5),
// AlertEncrypted and AlertExceedsMax); they are no malware, and no proof of
// its absence.
func judge(reply, engine string) (Verdict, error) {
	if reply == "stream: OK" {
		return Verdict{Engine: engine}, nil
	}
	if reply == overStreamLimit {
		return Verdict{}, fmt.Errorf("%w: longer than its StreamMaxLength", ErrLimitsExceeded)
	}
	rest, isStream := strings.CutPrefix(reply, "stream: ")
	signature, isFound := strings.CutSuffix(rest, " FOUND")
	switch {
	case !isStream || !isFound || signature == "":
		return Verdict{}, fmt.Errorf("%w: unexpected reply %q", ErrUnavailable, reply)
	case strings.HasPrefix(signature, "Heuristics.Encrypted."):
		return Verdict{}, fmt.Errorf("%w: %s", ErrEncrypted, signature)
	case strings.HasPrefix(signature, "Heuristics.Limits.Exceeded"):
		return Verdict{}, fmt.Errorf("%w: %s", ErrLimitsExceeded, signature)
	}
	return Verdict{Infected: true, Signature: signature, Engine: engine}, nil
}
