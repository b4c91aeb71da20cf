package tenantdb

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// ErrPowerfulRole means that DATABASE_URL names a role which row-level security does not bind, or
// which could become one.
var ErrPowerfulRole = errors.New(
	"row-level security does not bind the role in DATABASE_URL: use the entry's own role, which " +
		"infra/migrate makes")

// A role counts as powerful with all that it could SET ROLE to.
const findPower = `
SELECT current_user,
	coalesce(bool_or(r.rolsuper), false),
	coalesce(bool_or(r.rolbypassrls), false),
	EXISTS (SELECT FROM pg_class c WHERE c.relrowsecurity AND pg_has_role(c.relowner, 'MEMBER'))
FROM pg_roles r
WHERE pg_has_role(r.oid, 'MEMBER')`

func refusePowerful(ctx context.Context, conn *pgx.Conn) error {
	var (
		role                     string
		superuser, bypass, owner bool
	)
	if err := conn.QueryRow(ctx, findPower).Scan(&role, &superuser, &bypass, &owner); err != nil {
		return fmt.Errorf("look at the role's attributes: %w", err)
	}
	switch {
	case superuser:
		return fmt.Errorf("role %s is a superuser: %w", role, ErrPowerfulRole)
	case bypass:
		return fmt.Errorf("role %s has BYPASSRLS: %w", role, ErrPowerfulRole)
	case owner:
		return fmt.Errorf("role %s owns protected tables: %w", role, ErrPowerfulRole)
	}
	return nil
}
