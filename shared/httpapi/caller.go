package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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

type callerKey struct{}

// HeadOnly reports whether the request is a HEAD: its answer has no body, so nothing is handed out
// and there is nothing to record.
func HeadOnly(ctx context.Context) bool { return accessRecordOf(ctx).head }

// enter finds out whether the bearer of the token is a member, before a byte of the body is read: a
// removed user is out at once, and a token of no member buys no work. What writes is counted in the
// same statement.
func (a *API) enter(how access) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		request, response := humago.Unwrap(ctx)
		who, _ := ctx.Context().Value(identityKey{}).(identity)
		head := request.Method == http.MethodHead
		accessRecordOf(ctx.Context()).head = head
		var is standing
		var err error
		if how == reading || how == owning || head {
			is, err = a.membership(ctx.Context(), who)
		} else {
			is, err = a.admit(ctx.Context(), who, how)
		}
		if err == nil && how == writing && !is.status.MayWrite() {
			err = errSuspended()
		}
		if err != nil {
			a.problemOf(ctx.Context(),
				fmt.Errorf("%s: %w", ctx.Operation().OperationID, err)).write(response)
			return
		}
		next(huma.WithValue(ctx, callerKey{}, tenant.Caller{
			Organization: who.organization, User: who.user, Role: is.role,
			RequestID: telemetry.RequestID(ctx.Context()), IP: who.ip, UserAgent: who.userAgent,
		}))
	}
}

// standing is what a member may do and whether the organization is let write.
type standing struct {
	role   tenant.Role
	status tenant.Status
}

const findMembership = `
SELECT o.status, coalesce(m.role, '')
FROM organizations o
LEFT JOIN memberships m ON m.organization_id = o.id AND m.user_id = $2 AND m.removed_at IS NULL
WHERE o.id = $1`

// membership reads the role and the organization's status.
func (a *API) membership(ctx context.Context, who identity) (standing, error) {
	var is standing
	batch := &pgx.Batch{}
	batch.Queue(findMembership, who.organization, who.user).QueryRow(func(row pgx.Row) error {
		return row.Scan(&is.status, &is.role)
	})
	err := a.db.Once(ctx, who.organization, batch)
	if errors.Is(err, pgx.ErrNoRows) {
		return standing{}, errNotAMember()
	}
	if err == nil && is.role == "" {
		return a.join(ctx, who, is.status)
	}
	return is, err
}

// join makes the bearer of a valid token a member where AUTH_JIT_MEMBERSHIP is set, unless the
// membership was ended before.
func (a *API) join(ctx context.Context, who identity, status tenant.Status) (standing, error) {
	is := standing{status: status}
	if !a.jit || !status.MayWrite() {
		return is, errNotAMember()
	}
	var email *string
	if who.email != "" {
		email = &who.email
	}
	batch := &pgx.Batch{}
	batch.Queue(`SELECT join_organization($1, $2, $3)`, who.issuer, who.subject, email)
	batch.Queue(findMembership, who.organization, who.user).QueryRow(func(row pgx.Row) error {
		return row.Scan(&is.status, &is.role)
	})
	if err := a.db.Once(ctx, who.organization, batch); err != nil {
		return is, err
	}
	if is.role == "" {
		return is, errNotAMember()
	}
	return is, nil
}

func errNotAMember() error {
	return fault.New(fault.Forbidden, "not-a-member",
		"You are not a member of this organization. Ask one of its admins to add you.")
}

func errSuspended() error {
	return fault.New(fault.Forbidden, "organization-suspended",
		"This organization is suspended or cancelled and can only read. Ask one of its "+
			"admins to have it reactivated.")
}
