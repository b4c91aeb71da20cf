package tenantdb

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/toolboxai-solutions/satchel/shared/fault"
)

// pause is what a client is asked to wait when Postgres is away or overloaded.
const pause = 5 * time.Second

// readOnly is what a session gets that may only read: after a failover, or with storage that ran
// full.
const readOnly = "25006"

// classify gives an error of Postgres its kind. What is classified already keeps its kind, and
// pgx.ErrNoRows stays what it is: only the caller knows whether an absent row is a fault.
func classify(err error) error {
	if err == nil || fault.KindOf(err) != fault.Internal || errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return classifyCode(err, pg)
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
func classifyCode(err error, pg *pgconn.PgError) error {
	switch pg.Code {
	case "40001", "40P01", "55P03": // serialization failure, deadlock, lock not available
		return fault.Wrap(err, fault.Temporary, "busy",
			"Another change was in the way. Try again.").After(time.Second)
	case "57014": // statement timeout
		return outOfTime(err)
	case "25P03", // idle in transaction for too long
		readOnly:
		return unavailable(err)
	case "22012": // division by zero: nobody's input is a divisor
		return err
	case "23505": // unique violation
		return fault.Wrap(err, fault.Conflict, "already-exists", "This exists already.")
	case "22021", "22P05": // a NUL or another character that Postgres cannot keep
		return InvalidText(err)
	}
	switch pg.Code[:2] {
	case "22", "23", "54": // data exception, integrity constraint, a limit of Postgres itself
		return fault.Wrap(err, fault.Invalid, "invalid-value",
			"A value cannot be stored: it is out of range, too long or does not fit the "+
				"others.").At(columnOf(pg))
	case "08", "28", "53", "57": // connection, sign-in, resources, operator intervention (a restart
		// shows as 57P01): a password or a token that is refused is no fault of the request
		return unavailable(err)
	}
	return err
}

// InvalidText is the failure of a text that Postgres cannot keep; cause may be nil.
func InvalidText(cause error) error {
	return fault.Wrap(cause, fault.Invalid, "invalid-text",
		"The text has a character that cannot be stored. Remove control characters and send it "+
			"again.")
}

// columnOf names the column of an error that has one, or whose constraint's name was made of it, as
// Postgres does: <table>_<column>_check.
func columnOf(pg *pgconn.PgError) string {
	if pg.ColumnName != "" {
		return pg.ColumnName
	}
	column, check := strings.CutSuffix(pg.ConstraintName, "_check")
	column, own := strings.CutPrefix(column, pg.TableName+"_")
	if !check || !own {
		return ""
	}
	return column
}

func unavailable(err error) error {
	return fault.Wrap(err, fault.Temporary, "database-unavailable",
		"The database cannot be reached just now. Try again in a moment.").After(pause)
}

func outOfTime(err error) error {
	return fault.Wrap(err, fault.Temporary, "out-of-time",
		"The work did not end in time. Try again.").After(pause)
}

func unreachable(err error) bool {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return !errors.Is(err, ErrPowerfulRole)
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || pgconn.SafeToRetry(err)
}
