package tenant_test

import (
	"testing"

	"github.com/toolboxai-solutions/satchel/infra/pgtest"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

func TestValuesAreThoseOfTheDatabase(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	pgtest.CheckValues(t, d, "memberships", "role", tenant.Roles())
	pgtest.CheckValues(t, d, "organizations", "status", tenant.Statuses())
}

func TestAnUnknownStatusOnlyReads(t *testing.T) {
	t.Parallel()
	for status, may := range map[tenant.Status]bool{
		tenant.Active: true, tenant.Trial: true, tenant.Pending: true,
		tenant.Suspended: false, tenant.Cancelled: false, "": false, "ACTIVE": false,
	} {
		if status.MayWrite() != may {
			t.Errorf("status %q may write: %v", status, !may)
		}
	}
}

func TestRolesAreOrdered(t *testing.T) {
	t.Parallel()
	order := tenant.Roles()
	for i, role := range order {
		for j, least := range order {
			if got, want := role.AtLeast(least), i >= j; got != want {
				t.Errorf("%s at least %s: %v, want %v", role, least, got, want)
			}
		}
		if parsed, err := tenant.ParseRole(string(role)); err != nil || parsed != role {
			t.Errorf("parse %s: %s, %v", role, parsed, err)
		}
	}
}

func TestAnUnknownRoleMayDoNothing(t *testing.T) {
	t.Parallel()
	for _, role := range []tenant.Role{"", "owner", "ADMIN"} {
		if role.AtLeast(tenant.Member) || role.AtLeast("") || role.AtLeast("owner") {
			t.Errorf("role %q is allowed something", role)
		}
		if _, err := tenant.ParseRole(string(role)); err == nil {
			t.Errorf("role %q parses", role)
		}
	}
}

func TestUserIDTellsIssuerAndSubjectApart(t *testing.T) {
	t.Parallel()
	first := tenant.UserID("https://a.example", "1")
	if again := tenant.UserID("https://a.example", "1"); again != first {
		t.Error("the same person has two ids")
	}
	if tenant.UserID("https://a.example", "1") == tenant.UserID("https://a.example1", "") {
		t.Error("issuer and subject run into each other")
	}
}
