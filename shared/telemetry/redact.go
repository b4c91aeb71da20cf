package telemetry

import (
	"io"
	"regexp"
	"sync"
)

const redacted = "[redacted]"

// Redactor is a writer of whole log lines that removes secrets from each. It works on the finished
// line, so that a secret cannot hide in an error's text, a nested value or a field that somebody
// adds later.
type Redactor struct{ Out io.Writer }

// Write writes the redacted line and reports line's own length, as io.Writer asks.
func (r Redactor) Write(line []byte) (int, error) {
	if _, err := r.Out.Write(Redact(line)); err != nil {
		return 0, err
	}
	return len(line), nil
}

// Redact replaces in text: values of JSON members named like a secret; query parameters and
// assignments named like one, which covers signed URLs (X-Amz-Signature, X-Amz-Credential,
// X-Amz-Security-Token) and share links; Bearer and Basic credentials; anything shaped like a JWT
// (RFC 7519, section 3); the password of a URL (RFC 3986, section 3.2.1).
func Redact(text []byte) []byte {
	for _, r := range rules() {
		text = r.pattern.ReplaceAll(text, []byte(r.replacement))
	}
	return text
}

type rule struct {
	pattern     *regexp.Regexp
	replacement string
}

const secretName = `[\w.-]*(?:authorization|password|passwd|secret|token|cookie|signature|credential|api_?key|access_?key)`

// rules compiles once, at the first line: a cold start that logs nothing pays nothing.
var rules = sync.OnceValue(func() []rule {
	compile := regexp.MustCompile
	return []rule{
		{compile(`(?i)("` + secretName + `"\s*:\s*)"(?:[^"\\]|\\.)*"`), `${1}"` + redacted + `"`},
		{compile(`(?i)(\\"` + secretName + `\\"\s*:\s*)\\"(?:[^"\\]|\\\\.)*\\"`),
			`${1}\"` + redacted + `\"`},
		{compile(`(?i)(` + secretName + `=)[^&\s"'\\,;]+`), `${1}` + redacted},
		{compile(`(?i)\b(bearer|basic)\s+[\w.~+/=-]{12,}`), `${1} ` + redacted},
		{compile(`\beyJ[\w-]+\.[\w-]+\.[\w-]*`), redacted},
		{compile(`(://[^:/@\s"]*:)[^@/\s"]+@`), `${1}` + redacted + `@`},
	}
})
