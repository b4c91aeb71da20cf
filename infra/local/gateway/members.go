package gateway

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// Members makes organizations, users and memberships by a connection of its own: the superuser's
// or, on a server that DATABASE_URL names, that of whoever it signs in, maybe the owner. The
// functions have no such door.
type Members struct {
	DB *pgxpool.Pool
	// Issuer of the tokens that these users will bring; a user's id is a function of it.
	Issuer string
}

// RefusedError says what is wrong with what was asked.
type RefusedError struct{ reason string }

func (e *RefusedError) Error() string { return e.reason }

var slugPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// Organization makes the organization of this slug when it is new.
func (m Members) Organization(ctx context.Context, slug, name string) (uuid.UUID, error) {
	var id uuid.UUID
	err := pgx.BeginFunc(ctx, m.DB, func(tx pgx.Tx) (err error) {
		id, err = organization(ctx, tx, slug, name)
		return err
	})
	if err != nil {
		return uuid.Nil, fmt.Errorf("make organization %s: %w", slug, err)
	}
	return id, nil
}

// Exists tells whether there is an organization of this slug.
func (m Members) Exists(ctx context.Context, slug string) (exists bool, err error) {
	err = pgx.BeginFunc(ctx, m.DB, func(tx pgx.Tx) error {
		if err := enter(ctx, tx, organizationID(slug)); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM organizations
			WHERE slug = $1)`, slug).Scan(&exists)
	})
	if err != nil {
		return false, fmt.Errorf("look for organization %s: %w", slug, err)
	}
	return exists, nil
}

// Join makes the organization and the user when they are new, and gives the user the role there. An
// empty role keeps the one that is there, or is member.
func (m Members) Join(ctx context.Context, slug, email,
	role string) (org, user uuid.UUID, err error) {
	if email = strings.TrimSpace(email); email == "" {
		return org, user, &RefusedError{"user is an e-mail address"}
	}
	if role != "" {
		if _, err := tenant.ParseRole(role); err != nil {
			return org, user, &RefusedError{err.Error()}
		}
	}
	user = tenant.UserID(m.Issuer, email)
	err = pgx.BeginFunc(ctx, m.DB, func(tx pgx.Tx) error {
		if org, err = organization(ctx, tx, slug, slug); err != nil {
			return err
		}
		if _, err = tx.Exec(ctx, `INSERT INTO users (id, issuer, subject, email)
			VALUES ($1, $2, $3, $3) ON CONFLICT DO NOTHING`,
			user, m.Issuer, email); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO memberships (organization_id, user_id, role)
			VALUES ($1, $2, coalesce(nullif($3, ''), 'member'))
			ON CONFLICT (organization_id, user_id) DO UPDATE SET role = EXCLUDED.role
			WHERE $3 <> '' AND memberships.role <> EXCLUDED.role`, org, user, role)
		return err
	})
	if err != nil {
		return org, user, fmt.Errorf("make %s a member of %s: %w", user, slug, err)
	}
	return org, user, nil
}

// organization finds or makes a row and sets the transaction's tenant: FORCE holds for the owner
// too.
func organization(ctx context.Context, tx pgx.Tx, slug, name string) (uuid.UUID, error) {
	if !slugPattern.MatchString(slug) {
		return uuid.Nil, &RefusedError{"organization is a slug: up to 63 lower-case letters, " +
			"digits and hyphens"}
	}
	id := organizationID(slug)
	if err := enter(ctx, tx, id); err != nil {
		return id, err
	}
	tag, err := tx.Exec(ctx, `INSERT INTO organizations (id, name, slug) VALUES ($1, $2, $3)
		ON CONFLICT DO NOTHING`, id, name, slug)
	if err != nil || tag.RowsAffected() == 1 {
		return id, err
	}
	if err := tx.QueryRow(ctx, `SELECT id FROM organizations
		WHERE slug = $1`, slug).Scan(&id); err != nil {
		return id, err
	}
	return id, enter(ctx, tx, id)
}

// organizationID is the id of what this makes; one that was made elsewhere may have another.
func organizationID(slug string) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceDNS, []byte(slug)) }

func enter(ctx context.Context, tx pgx.Tx, organization uuid.UUID) error {
	_, err := tx.Exec(ctx, `SELECT set_config('app.current_organization_id', $1,
		true)`, organization.String())
	return err
}
