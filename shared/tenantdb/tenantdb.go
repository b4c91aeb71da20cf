// Package tenantdb has the two doors to Postgres: InTenant, for one organization, and
// AcrossTenants, for the few worker entries whose database role has a policy of its own. There is
// no other BEGIN in the house, and no way to a connection that does not pass one of them.
package tenantdb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/rds/auth"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Config says where Postgres is. The URL names the entry's own role; it needs no password where IAM
// signs the connection in.
type Config struct {
	URL     string `env:"DATABASE_URL,required" help:"postgres:// URL with the entry's own role"`
	IAMAuth bool   `env:"DATABASE_IAM_AUTH" envDefault:"false" help:"sign in with an RDS IAM token instead of a password"`

	// One for each entry: a lock is given up before its statement, and a statement before the
	// function's own time is over, which nobody would hear of.
	StatementTimeout time.Duration `env:"DATABASE_STATEMENT_TIMEOUT" envDefault:"10s" help:"longest that one statement may take; less than the function's timeout"`
	LockTimeout      time.Duration `env:"DATABASE_LOCK_TIMEOUT" envDefault:"3s" help:"longest that a statement may wait for a lock; less than DATABASE_STATEMENT_TIMEOUT"`
}

// Validate refuses timeouts that would never apply, and those that Postgres would read as none.
func (c Config) Validate() error {
	if c.LockTimeout < time.Millisecond || c.StatementTimeout <= c.LockTimeout {
		return errors.New("DATABASE_LOCK_TIMEOUT: must be at least 1ms, and less than " +
			"DATABASE_STATEMENT_TIMEOUT")
	}
	return nil
}

// maxConnections is small because a Lambda works on one event at a time; the second serves what
// runs beside it.
const maxConnections = 2

const connectTimeout = 5 * time.Second

// idleInTransactionTimeout is how long a transaction may wait for its client. A sandbox or network
// that is lost never says goodbye, and the quota row, which every upload of an organization locks,
// would stay locked until TCP gives up after two hours. No transaction waits for anything but
// Postgres.
const idleInTransactionTimeout = "30s"

// DB is a pool behind the two doors.
type DB struct {
	pool   *pgxpool.Pool
	limits string // the part of each BEGIN that bounds it in time
}

// Open prepares the pool, and refuses a role that row-level security would not bind
// (ErrPowerfulRole). A database that cannot be reached is no reason to fail: the next transaction
// tries again, and each new connection is checked like the first.
func Open(ctx context.Context, c Config) (*DB, error) {
	pc, err := pgxpool.ParseConfig(c.URL)
	if err != nil {
		return nil, errors.New("DATABASE_URL is not a postgres:// URL that can be read: check " +
			"its form, and that special characters in it are percent-encoded")
	}
	if err := TrustRDS(&pc.ConnConfig.Config); err != nil {
		return nil, err
	}
	pc.MaxConns = maxConnections
	pc.ConnConfig.ConnectTimeout = connectTimeout
	// Prepared statements do not survive a transaction pooler; described ones need none.
	pc.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	pc.AfterConnect = refusePowerful
	if c.IAMAuth {
		if pc.BeforeConnect, err = iamPassword(ctx); err != nil {
			return nil, err
		}
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("prepare connection pool: %w", err)
	}
	if err := pool.Ping(ctx); errors.Is(err, ErrPowerfulRole) {
		pool.Close()
		return nil, err
	}
	return &DB{pool: pool, limits: limits(c)}, nil
}

// Close ends every connection.
func (db *DB) Close() { db.pool.Close() }

// InTenant runs fn in a transaction that sees one organization's rows and no other's. The setting
// that says so travels in the BEGIN and ends with the transaction, so that a pooled connection
// carries nothing over. fn's error rolls back; errors of Postgres come back classified.
func (db *DB) InTenant(ctx context.Context, organization uuid.UUID,
	fn func(tx pgx.Tx) error) error {
	if organization == uuid.Nil {
		return errors.New("a tenant's transaction needs an organization")
	}
	return db.transaction(ctx, organization.String(), fn)
}

// AcrossTenants runs fn in a transaction with no organization set: it sees what the policies of the
// entry's own role show, and for most roles that is nothing.
func (db *DB) AcrossTenants(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return db.transaction(ctx, "", fn)
}

// transaction says in its BEGIN how long anything may take, and all that it must not take over from
// whoever had the connection before: the organization, and where names are looked up. With pg_temp
// last, no temporary table that was left behind can stand in for one of ours.
func (db *DB) transaction(ctx context.Context, organization string,
	fn func(tx pgx.Tx) error) error {
	begin := "begin; select set_config('app.current_organization_id', '" + organization +
		"', true), set_config('search_path', 'public, pg_temp', true)" +
		db.limits
	return db.ended(pgx.BeginTxFunc(ctx, db.pool, pgx.TxOptions{BeginQuery: begin}, fn))
}

// ended classifies what a transaction ended with. A session of a writer that became a reader takes
// no writes for as long as it lives, while new ones may reach the new writer: so all are replaced.
func (db *DB) ended(err error) error {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == readOnly {
		db.pool.Reset()
	}
	return classify(err)
}

func limits(c Config) string {
	return fmt.Sprintf(", set_config('idle_in_transaction_session_timeout', '%s', true), "+
		"set_config('statement_timeout', '%d', true), set_config('lock_timeout', '%d', true)",
		idleInTransactionTimeout, c.StatementTimeout.Milliseconds(), c.LockTimeout.Milliseconds())
}

func iamPassword(ctx context.Context) (func(context.Context, *pgx.ConnConfig) error, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("load AWS configuration for DATABASE_IAM_AUTH: %w", err)
	}
	return func(ctx context.Context, c *pgx.ConnConfig) error {
		token, err := auth.BuildAuthToken(ctx, fmt.Sprintf("%s:%d", c.Host, c.Port), cfg.Region,
			c.User, cfg.Credentials)
		if err != nil {
			return fmt.Errorf("sign in to Postgres as %s: %w", c.User, err)
		}
		c.Password = token
		return nil
	}, nil
}
