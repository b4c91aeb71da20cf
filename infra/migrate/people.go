package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/infra/migrations"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// organization is a school as it stands after a command.
type organization struct {
	ID     uuid.UUID `json:"id"` // what the organization claim of its people's tokens has to say
	Slug   string    `json:"slug"`
	Name   string    `json:"name"`
	Status string    `json:"status"`
}

// member is somebody's place in an organization.
type member struct {
	UserID    uuid.UUID  `json:"user_id"`
	Issuer    string     `json:"issuer"`
	Subject   string     `json:"subject"`
	Email     *string    `json:"email"`
	Role      string     `json:"role"`
	CreatedAt time.Time  `json:"created_at"`
	RemovedAt *time.Time `json:"removed_at"`
}

// slugs are what the column takes, said in words a person can act on.
var slugs = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// ownerTx is one transaction of the owner, who is bound by row-level security like everybody and
// has to enter an organization first.
type ownerTx struct {
	tx pgx.Tx
	r  request
}

func asOwner(ctx context.Context, owner string, r request,
	fn func(ownerTx) (result, error)) (done result, err error) {
	conn, err := migrations.Connect(ctx, owner)
	if err != nil {
		return done, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		done, err = fn(ownerTx{tx, r})
		return err
	})
	return done, err
}

func (t ownerTx) enter(ctx context.Context, id uuid.UUID) error {
	_, err := t.tx.Exec(ctx, `SELECT set_config('app.current_organization_id', $1,
		true)`, id.String())
	return err
}

// find enters the organization that the request names by slug or by id.
func (t ownerTx) find(ctx context.Context) (organization, error) {
	var o organization
	err := t.tx.QueryRow(ctx, `SELECT id, slug, name, status FROM organizations
		WHERE slug = $1 OR id::text = $1`, t.r.Organization).
		Scan(&o.ID, &o.Slug, &o.Name, &o.Status)
	if errors.Is(err, pgx.ErrNoRows) {
		return o, fmt.Errorf("there is no organization %q: organization add makes one",
			t.r.Organization)
	}
	if err != nil {
		return o, fmt.Errorf("find organization %q: %w", t.r.Organization, err)
	}
	return o, t.enter(ctx, o.ID)
}

func (t ownerTx) addOrganization(ctx context.Context) (result, error) {
	slug, name := t.r.Organization, t.r.Name
	if !slugs.MatchString(slug) {
		return result{}, fmt.Errorf(
			"%q is no slug: want up to 63 lower-case letters, digits and hyphens", slug)
	}
	if name == "" {
		name = slug
	}
	id := uuid.New()
	if err := t.enter(ctx, id); err != nil {
		return result{}, err
	}
	tag, err := t.tx.Exec(ctx, `INSERT INTO organizations (id, slug, name) VALUES ($1, $2, $3)
		ON CONFLICT (slug) DO NOTHING`, id, slug, name)
	if err != nil {
		return result{}, fmt.Errorf("add organization %s: %w", slug, err)
	}
	o, err := t.find(ctx)
	return result{Organization: &o, Changed: changed(tag.RowsAffected())}, err
}

func (t ownerTx) suspendOrganization(ctx context.Context) (result, error) {
	return t.setStatus(ctx, "suspended")
}

func (t ownerTx) resumeOrganization(ctx context.Context) (result, error) {
	return t.setStatus(ctx, "active")
}

// setStatus suspends an organization or lets it go on. One that was cancelled is neither: it was
// ended for a reason that is not known here.
func (t ownerTx) setStatus(ctx context.Context, status string) (result, error) {
	o, err := t.find(ctx)
	if err != nil {
		return result{}, err
	}
	if o.Status == "cancelled" {
		return result{}, fmt.Errorf("organization %s is cancelled", o.Slug)
	}
	tag, err := t.tx.Exec(ctx, `UPDATE organizations SET status = $2, updated_at = now()
		WHERE id = $1 AND status <> $2
		AND ($2 = 'suspended' OR status = 'suspended')`, o.ID, status)
	if err != nil {
		return result{}, fmt.Errorf("set organization %s to %s: %w", o.Slug, status, err)
	}
	o, err = t.find(ctx)
	return result{Organization: &o, Changed: changed(tag.RowsAffected())}, err
}

func (t ownerTx) addMember(ctx context.Context) (result, error) {
	o, err := t.find(ctx)
	if err != nil {
		return result{}, err
	}
	if t.r.Role != "" {
		if _, err := tenant.ParseRole(t.r.Role); err != nil {
			return result{}, err
		}
	}
	user, err := t.user()
	if err != nil {
		return result{}, err
	}
	_, err = t.tx.Exec(ctx, `INSERT INTO users (id, issuer, subject, email)
		VALUES ($1, $2, $3, nullif($4, '')) ON CONFLICT DO NOTHING`,
		user, t.r.Issuer, t.r.Subject, t.r.Email)
	if err != nil {
		return result{}, fmt.Errorf("add user %s: %w", user, err)
	}
	tag, err := t.tx.Exec(ctx, `
		INSERT INTO memberships (organization_id, user_id, role)
			VALUES ($1, $2, coalesce(nullif($3, ''), 'member'))
		ON CONFLICT (organization_id, user_id) DO UPDATE
			SET removed_at = NULL, role = coalesce(nullif($3, ''), memberships.role)
		WHERE memberships.removed_at IS NOT NULL
			OR memberships.role <> coalesce(nullif($3, ''),
			memberships.role)`, o.ID, user, t.r.Role)
	if err != nil {
		return result{}, fmt.Errorf("add user %s to %s: %w", user, o.Slug, err)
	}
	return t.member(ctx, o, user, tag.RowsAffected())
}

// removeMember ends a membership and keeps its row, so that no token lets its bearer in again.
func (t ownerTx) removeMember(ctx context.Context) (result, error) {
	o, err := t.find(ctx)
	if err != nil {
		return result{}, err
	}
	user, err := t.user()
	if err != nil {
		return result{}, err
	}
	tag, err := t.tx.Exec(ctx, `UPDATE memberships SET removed_at = now()
		WHERE organization_id = $1 AND user_id = $2 AND removed_at IS NULL`, o.ID, user)
	if err != nil {
		return result{}, fmt.Errorf("remove user %s from %s: %w", user, o.Slug, err)
	}
	return t.member(ctx, o, user, tag.RowsAffected())
}

func (t ownerTx) listMembers(ctx context.Context) (result, error) {
	o, err := t.find(ctx)
	if err != nil {
		return result{}, err
	}
	all, err := t.members(ctx, o, nil)
	return result{Organization: &o, Members: all}, err
}

// user is the id of the person that the request names: a function of issuer and subject, so that
// one who never signed in can be added.
func (t ownerTx) user() (uuid.UUID, error) {
	if t.r.Issuer == "" || t.r.Subject == "" {
		return uuid.Nil, errors.New(
			"a member is named by subject, the sub of their tokens, and by issuer, which " +
				"defaults to AUTH_ISSUER")
	}
	return tenant.UserID(t.r.Issuer, t.r.Subject), nil
}

func (t ownerTx) member(ctx context.Context, o organization, user uuid.UUID,
	rows int64) (result, error) {
	found, err := t.members(ctx, o, &user)
	done := result{Organization: &o, Changed: changed(rows)}
	if len(found) == 1 {
		done.Member = &found[0]
	}
	return done, err
}

func (t ownerTx) members(ctx context.Context, o organization, user *uuid.UUID) ([]member, error) {
	rows, err := t.tx.Query(ctx, `
		SELECT m.user_id, u.issuer, u.subject, u.email, m.role, m.created_at, m.removed_at
		FROM memberships m JOIN users u ON u.id = m.user_id
		WHERE m.organization_id = $1 AND ($2::uuid IS NULL OR m.user_id = $2)
		ORDER BY m.created_at, m.user_id`, o.ID, user)
	if err != nil {
		return nil, fmt.Errorf("list the members of %s: %w", o.Slug, err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[member])
	if err != nil {
		return nil, fmt.Errorf("list the members of %s: %w", o.Slug, err)
	}
	return all, nil
}

func changed(rows int64) *bool {
	yes := rows > 0
	return &yes
}
