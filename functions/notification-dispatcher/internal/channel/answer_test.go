package channel

import (
	"strings"
	"testing"
	"time"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]struct {
		verdict verdict
		cause   Cause
		maybe   bool
	}{
		200: {verdict: accepted},
		202: {verdict: accepted},
		301: {failed, Misconfigured, false},
		307: {failed, Misconfigured, false},
		400: {verdict: refused},
		401: {failed, Misconfigured, false},
		403: {failed, Misconfigured, false},
		404: {failed, Misconfigured, false},
		407: {failed, Misconfigured, false},
		408: {failed, Unavailable, true},
		409: {verdict: refused},
		413: {verdict: refused},
		422: {verdict: refused},
		425: {failed, Unavailable, false},
		429: {failed, Limited, false},
		431: {verdict: refused},
		500: {failed, Unavailable, true},
		502: {failed, Unavailable, true},
		503: {failed, Unavailable, true},
		504: {failed, Unavailable, true},
		599: {failed, Unavailable, true},
	} {
		a := answer{status: status, body: []byte(`{}`)}
		verdict, outage := a.judge(time.Now())
		if verdict != want.verdict || (outage != nil) != (verdict == failed) {
			t.Errorf("%d: verdict %d, outage %v", status, verdict, outage)
			continue
		}
		if outage == nil {
			continue
		}
		maybe := a.maybeDelivered()
		if outage.Cause != want.cause || outage.Status != status || maybe != want.maybe {
			t.Errorf("%d: %s, perhaps delivered %v", status, outage.Cause, maybe)
		}
	}
}

func TestJudgeOfAnAcceptanceByItsBody(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer  answer
		verdict verdict
	}{
		"Pusher's":           {answer{body: []byte("{}\n")}, accepted},
		"torn":               {answer{body: []byte("{"), torn: true}, accepted},
		"torn at once":       {answer{torn: true}, accepted},
		"a page":             {answer{body: []byte("<html>Welcome")}, failed},
		"nothing":            {answer{}, failed},
		"another JSON value": {answer{body: []byte(`"ok"`)}, failed},
	} {
		c.answer.status = 200
		if verdict, _ := c.answer.judge(time.Now()); verdict != c.verdict {
			t.Errorf("%s: verdict %d", name, verdict)
		}
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "0": 0, "-7": 0, "soon": 0, "1.5": 0, "99999999999999999999": 0,
		"7":                             7 * time.Second,
		"3600":                          time.Hour,
		"3601":                          time.Hour,
		"9223372036854775807":           time.Hour,
		"Sun, 01 Mar 2026 12:00:30 GMT": 30 * time.Second,
		"Sun, 01 Mar 2026 11:00:00 GMT": 0,
		"Fri, 01 Mar 2030 11:00:00 GMT": time.Hour,
	} {
		if got := wait(header, now); got != want {
			t.Errorf("%q is %s, want %s", header, got, want)
		}
	}
}

func TestDetailIsShortAndOnOneLine(t *testing.T) {
	t.Parallel()
	a := answer{body: []byte("a\r\nb\xff " + strings.Repeat("é", 1000))}
	if got := a.detail(); !strings.HasPrefix(got, "a b? é") || len([]rune(got)) != maxDetail+1 {
		t.Errorf("detail %q", got)
	}
}
