package pgtest

import (
	"testing"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// Issuer is who signs in the members that Member makes.
const Issuer = "https://issuer.example.test"

// Person is a member of an organization.
type Person struct {
	tenant.Caller
	Subject string // what the token of Issuer calls this person
}

// Organization makes an active organization with the defaults of its table.
func (d *Database) Organization(t testing.TB, slug string) uuid.UUID {
	t.Helper()
	id := uuid.New()
	_, err := d.Superuser.Exec(t.Context(), `INSERT INTO organizations (id, name, slug)
		VALUES ($1, $2, $2)`, id, slug)
	if err != nil {
		t.Fatalf("make organization %s: %v", slug, err)
	}
	return id
}

// Member makes a user and puts it into an organization.
func (d *Database) Member(t testing.TB, organization uuid.UUID, role tenant.Role) Person {
	t.Helper()
	subject := uuid.NewString()
	p := Person{tenant.Caller{Organization: organization, User: tenant.UserID(Issuer, subject),
		Role: role}, subject}
	_, err := d.Superuser.Exec(t.Context(), `
		WITH u AS (INSERT INTO users (id, issuer, subject, email)
			VALUES ($1, $2, $3, $3 || '@example.test') RETURNING id)
		INSERT INTO memberships (organization_id, user_id, role) SELECT $4, id, $5 FROM u`,
		p.User, Issuer, subject, organization, string(role))
	if err != nil {
		t.Fatalf("make a member: %v", err)
	}
	return p
}
