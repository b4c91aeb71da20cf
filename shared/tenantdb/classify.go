package tenantdb

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/toolboxai-solutions/satchel/shared/fault"
)

// pause is what a client is asked to wait when Postgres is away or overloaded.
const pause = 5 * time.Second

// classify gives an error of Postgres its kind. What is classified already keeps its kind, and pgx.ErrNoRows stays what it is: only the caller
// knows whether an absent row is a fault.
func classify(err error) error {
	if err == nil || fault.KindOf(err) != fault.Internal || errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return classifyCode(err, pg.Code)
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return outOfTime(err)
	}
	if unreachable(err) {
		return unavailable(err)
	}
	return err
}

// classifyCode reads a SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html
func classifyCode(err error, code string) error {
	switch code {
	case "40001", "40P01", "55P03": // serialization failure, deadlock, lock not available
		return fault.Wrap(err, fault.Temporary, "busy", "Another change was in the way. Try again.").After(time.Second)
	case "57014": // statement timeout
		return outOfTime(err)
	case "25P03": // idle in transaction for too long
		return unavailable(err)
	case "23505": // unique violation
		return fault.Wrap(err, fault.Conflict, "already-exists", "This exists already.")
	case "22021", "22P05": // a NUL or another character that Postgres cannot keep
		return fault.Wrap(err, fault.Invalid, "invalid-text", "The text has a character that cannot be stored. Remove control characters and send it again.")
	}
	switch code[:2] {
	case "08", "53", "57": // connection, resources, operator intervention: a restart shows as 57P01
		return unavailable(err)
	}
	return err
}

func unavailable(err error) error {
	return fault.Wrap(err, fault.Temporary, "database-unavailable", "The database cannot be reached just now. Try again in a moment.").After(pause)
}

func outOfTime(err error) error {
	return fault.Wrap(err, fault.Temporary, "out-of-time", "The work did not end in time. Try again.").After(pause)
}

func unreachable(err error) bool {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return !errors.Is(err, ErrPowerfulRole)
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || pgconn.SafeToRetry(err)
}
