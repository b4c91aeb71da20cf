// Package fault names the kinds of failure that a caller can act on.
//
// An error is classified once, at the edge that knows what it means (a constraint, a refused token,
// a quota). Everything between that edge and the way out wraps it with %w; the way out turns the
// kind into a status or a retry and shows the client Detail only, never Cause.
package fault

import (
	"errors"
	"time"
)

// Kind says what a caller can do about a failure.
type Kind string

// The kinds, with the HTTP status that httpapi answers for each.
const (
	Invalid         Kind = "invalid"         // 422: the request must change
	Unauthenticated Kind = "unauthenticated" // 401: sign in (again)
	Forbidden       Kind = "forbidden"       // 403: someone else may do this
	NotFound        Kind = "not_found"       // 404: absent, or another tenant's, which is the same
	Conflict        Kind = "conflict"        // 409: the state has moved on
	TooLarge        Kind = "too_large"       // 413: over a limit of size
	Unsupported     Kind = "unsupported"     // 415: a type that is not taken
	Limited         Kind = "limited"         // 429: later, see RetryAfter
	Temporary       Kind = "temporary"       // 503: the same again may succeed
	Internal        Kind = "internal"        // 500: ours to repair
)

// Error is a classified failure.
type Error struct {
	Kind       Kind
	Code       string        // stable and kebab-case: "quota-exceeded"
	Detail     string        // a sentence for the client that says what to do
	Field      string        // for Invalid: where in the request, as body.size; empty when unknown
	RetryAfter time.Duration // for Limited and Temporary; zero when unknown
	Cause      error         // for logs; may be nil
}

// New returns a failure without a cause.
func New(kind Kind, code, detail string) *Error {
	return &Error{Kind: kind, Code: code, Detail: detail}
}

// Wrap classifies cause.
func Wrap(cause error, kind Kind, code, detail string) *Error {
	return &Error{Kind: kind, Code: code, Detail: detail, Cause: cause}
}

// After returns a copy that tells the client how long to wait.
func (e *Error) After(d time.Duration) *Error {
	later := *e
	later.RetryAfter = d
	return &later
}

// At returns a copy that tells the client which field is wrong.
func (e *Error) At(field string) *Error {
	there := *e
	there.Field = field
	return &there
}

// TypeURI is the type of a problem with code (RFC 9457): a URI that stays what it is, and leads to
// the page that explains the code.
func TypeURI(code string) string {
	return "https://github.com/toolboxai-solutions/satchel/blob/main/docs/problems.md#" + code
}

func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Code + ": " + e.Detail
	}
	return e.Code + ": " + e.Cause.Error()
}

func (e *Error) Unwrap() error { return e.Cause }

// KindOf returns the kind of the first classified error in err's chain: Internal when there is
// none.
func KindOf(err error) Kind {
	if classified, ok := errors.AsType[*Error](err); ok {
		return classified.Kind
	}
	return Internal
}

// CodeOf returns the code of the first classified error in err's chain, or "internal".
func CodeOf(err error) string {
	if classified, ok := errors.AsType[*Error](err); ok {
		return classified.Code
	}
	return "internal"
}
