package migrations

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Entry is one way into a binary: a Lambda with an IAM role and a database role of its own.
type Entry struct {
	Name string // file-api/http
	Role string // satchel_file_api_http
}

// Entries are all that there are.
func Entries() []Entry {
	return []Entry{
		{"file-api/http", "satchel_file_api_http"},
		{"file-api/maintenance", "satchel_file_api_maintenance"},
		{"file-processing/events", "satchel_file_processing_events"},
		{"analytics-aggregation/http", "satchel_analytics_aggregation_http"},
		{"analytics-aggregation/run", "satchel_analytics_aggregation_run"},
		{"notification-dispatcher/http", "satchel_notification_dispatcher_http"},
		{"notification-dispatcher/delivery", "satchel_notification_dispatcher_delivery"},
		{"notification-dispatcher/sweep", "satchel_notification_dispatcher_sweep"},
	}
}

// Platform is what the platform's own code signs in as, to write the agents and what they executed.
// It may be a group of its roles (PLATFORM_ROLE).
func Platform() Entry { return Entry{"platform", "satchel_platform"} }

// Operator is what those sign in as who operate the platform, to see the health of all of it.
func Operator() Entry { return Entry{"operator", "satchel_operator"} }

// Roles are those of all entries, and the two that are no entry's.
func Roles() []Entry { return append(Entries(), Platform(), Operator()) }

// Passwords are those of Roles, by Entry.Name. An entry that has none keeps the one that it had
// and, where there is a role rds_iam, signs in with an IAM token. They are printable ASCII.
type Passwords map[string]string

// iamRole is the role of Amazon RDS whose members sign in with an IAM token.
const iamRole = "rds_iam"

// makeRoles makes the roles that are missing. They belong to the cluster, so runs for other
// databases may be making the same ones; advisory locks reach no further than their database, so
// the loser of such a race tries again.
func makeRoles(ctx context.Context, ownerURL string, passwords Passwords) error {
	conn, err := Connect(ctx, ownerURL)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, e := range Roles() {
		err := retryRaces(ctx, func() error {
			return pgx.BeginFunc(ctx, conn,
				func(tx pgx.Tx) error { return makeRole(ctx, tx, e.Role, passwords[e.Name]) })
		})
		if err != nil {
			return fmt.Errorf("make role %s: %w", e.Role, err)
		}
	}
	return nil
}

// AdmitPlatform lets a login role of the platform's own do what satchel_platform may. The role has
// to exist and to inherit, as roles do by default.
func AdmitPlatform(ctx context.Context, ownerURL, role string) error {
	conn, err := Connect(ctx, ownerURL)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	grant := "GRANT " + Platform().Role + " TO " + pgx.Identifier{role}.Sanitize()
	if _, err := conn.Exec(ctx, grant); err != nil {
		return fmt.Errorf("let %s write agents and executions: %w", role, err)
	}
	return nil
}

func makeRole(ctx context.Context, tx pgx.Tx, role, password string) error {
	var exists, canUseIAM bool
	err := tx.QueryRow(ctx,
		`SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1),
			EXISTS (SELECT FROM pg_roles WHERE rolname = $2)`,
		role, iamRole).Scan(&exists, &canUseIAM)
	if err != nil {
		return err
	}
	name := pgx.Identifier{role}.Sanitize()
	if !exists {
		_, err := tx.Exec(ctx, "CREATE ROLE "+
			name+" LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION NOINHERIT")
		if err != nil {
			return err
		}
	}
	memberOf, err := check(ctx, tx, role)
	if err != nil {
		return err
	}
	if password != "" {
		verifier, err := scramVerifier(password)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "ALTER ROLE "+name+" PASSWORD '"+verifier+"'")
		return err
	}
	if canUseIAM && !slices.Contains(memberOf, iamRole) {
		_, err = tx.Exec(ctx, "GRANT "+iamRole+" TO "+name)
	}
	return err
}

// check refuses a role that somebody made, or made more powerful, by hand. It does not take the
// power away: whoever gave it should learn of it, and from PostgreSQL 16 on the owner may not be
// allowed to.
func check(ctx context.Context, tx pgx.Tx, role string) (memberOf []string, err error) {
	var excess []string
	err = tx.QueryRow(ctx, `
		SELECT array_remove(ARRAY[
			CASE WHEN NOT r.rolcanlogin THEN 'NOLOGIN' END,
			CASE WHEN r.rolsuper THEN 'SUPERUSER' END,
			CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' END,
			CASE WHEN r.rolcreatedb THEN 'CREATEDB' END,
			CASE WHEN r.rolcreaterole THEN 'CREATEROLE' END,
			CASE WHEN r.rolreplication THEN 'REPLICATION' END,
			CASE WHEN r.rolinherit THEN 'INHERIT' END], NULL),
			ARRAY(SELECT m.roleid::regrole::text FROM pg_auth_members m WHERE m.member = r.oid)
		FROM pg_roles r WHERE r.rolname = $1`, role).Scan(&excess, &memberOf)
	if err != nil {
		return nil, err
	}
	for _, group := range memberOf {
		if group != iamRole {
			excess = append(excess, "membership in "+group)
		}
	}
	if len(excess) > 0 {
		return nil, fmt.Errorf("it exists with %s, which an entry may not have: take that "+
			"away, then migrate again", strings.Join(excess, ", "))
	}
	return memberOf, nil
}

// retryRaces calls fn again while it fails only because another session did the same thing at the
// same time.
func retryRaces(ctx context.Context, fn func() error) error {
	const tries = 20
	for try := 1; ; try++ {
		err := fn()
		var pg *pgconn.PgError
		if err == nil || try == tries || !errors.As(err, &pg) || !isRace(pg) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(time.Duration(rand.IntN(try*10)) * time.Millisecond):
		}
	}
}

func isRace(err *pgconn.PgError) bool {
	switch err.Code {
	// made by another: duplicate object, duplicate schema, the catalogue's unique key
	case "42710", "42P06", "23505":
		return true
	case "40P01": // deadlock
		return true
	case "XX000": // the catalogue has no error code for a lost update
		return strings.HasPrefix(err.Message, "tuple concurrently")
	}
	return false
}
