package httpapi

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"unicode"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/telemetry"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// identity is what a token says, which is not yet that its bearer is a member.
type identity struct {
	organization uuid.UUID
	user         uuid.UUID
	issuer       string
	subject      string
	email        string
	ip           *netip.Addr
	userAgent    string
}

type identityKey struct{}

// signIn verifies the token before huma reads a byte of the request, so that a stranger learns
// nothing about the routes' rules.
func (a *API) signIn(ctx huma.Context, next func(huma.Context)) {
	request, response := humago.Unwrap(ctx)
	record := accessRecordOf(ctx.Context())
	record.route = ctx.Operation().Method + " " + ctx.Operation().Path
	who, err := a.verifier.verify(ctx.Context(), request.Header.Values("Authorization"))
	if err != nil {
		a.problemOf(ctx.Context(), err).write(response)
		return
	}
	if from, err := netip.ParseAddrPort(request.RemoteAddr); err == nil {
		ip := from.Addr().Unmap().WithZone("")
		who.ip = &ip
	}
	who.userAgent = printable(request.UserAgent(), 256)
	record.organization, record.user = who.organization, who.user
	next(huma.WithValue(ctx, identityKey{}, who))
}

// printable makes a header fit for a text column.
func printable(s string, most int) string {
	runes := []rune(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "")))
	return string(runes[:min(len(runes), most)])
}

func (a *API) read(ctx context.Context, who identity, fn func(pgx.Tx, tenant.Caller) error) error {
	return a.inTenant(ctx, who, func(tx pgx.Tx, c tenant.Caller, _ string) error { return fn(tx, c) })
}

func (a *API) write(ctx context.Context, who identity, fn func(pgx.Tx, tenant.Caller) error) error {
	if err := a.admit(ctx, who); err != nil {
		return err
	}
	return a.inTenant(ctx, who, func(tx pgx.Tx, c tenant.Caller, status string) error {
		if frozen(status) {
			return errSuspended()
		}
		return fn(tx, c)
	})
}

// inTenant opens the request's transaction. Its first query finds out whether the bearer is a
// member, so that a removed user is out at once.
func (a *API) inTenant(ctx context.Context, who identity,
	fn func(tx pgx.Tx, c tenant.Caller, status string) error) error {
	return a.db.InTenant(ctx, who.organization, func(tx pgx.Tx) error {
		role, status, err := a.membership(ctx, tx, who)
		if err != nil {
			return err
		}
		return fn(tx, tenant.Caller{
			Organization: who.organization, User: who.user, Role: role,
			RequestID: telemetry.RequestID(ctx), IP: who.ip, UserAgent: who.userAgent,
		}, status)
	})
}

const findMembership = `
SELECT o.status, coalesce(m.role, '')
FROM organizations o
LEFT JOIN memberships m ON m.organization_id = o.id AND m.user_id = $2 AND m.removed_at IS NULL
WHERE o.id = $1`

// membership reads the role and the organization's status. With AUTH_JIT_MEMBERSHIP a valid token
// makes its bearer a member, unless the membership was ended before.
func (a *API) membership(ctx context.Context, tx pgx.Tx,
	who identity) (tenant.Role, string, error) {
	var status, named string
	err := tx.QueryRow(ctx, findMembership, who.organization, who.user).Scan(&status, &named)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", "", errNotAMember()
	}
	if err != nil {
		return "", "", err
	}
	if named == "" && a.jit && !frozen(status) {
		if named, err = join(ctx, tx, who); err != nil {
			return "", "", err
		}
	}
	if named == "" {
		return "", "", errNotAMember()
	}
	role, err := tenant.ParseRole(named)
	return role, status, err
}

func join(ctx context.Context, tx pgx.Tx, who identity) (role string, err error) {
	var email *string
	if who.email != "" {
		email = &who.email
	}
	if _, err = tx.Exec(ctx, `SELECT join_organization($1, $2, $3, $4)`, who.user, who.issuer,
		who.subject, email); err != nil {
		return "", err
	}
	var status string
	err = tx.QueryRow(ctx, findMembership, who.organization, who.user).Scan(&status, &role)
	return role, err
}

// frozen reports whether an organization of this status can only read.
func frozen(status string) bool { return status == "suspended" || status == "cancelled" }

func errNotAMember() error {
	return fault.New(fault.Forbidden, "not-a-member",
		"You are no member of this organization. Ask one of its admins to add you.")
}

func errSuspended() error {
	return fault.New(fault.Forbidden, "organization-suspended",
		"This organization is suspended or cancelled and can only read. Ask one of its "+
			"admins to have it reactivated.")
}
