package attack

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/toolboxai-solutions/satchel/infra/pgtest"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

const join = `SELECT join_organization($1, $2, $3)`

func TestAnOrganizationSeesItsOwnMembersOnly(t *testing.T) {
	t.Parallel()
	w := newFixture(t, "")
	both := w.Member(t, w.attacker, tenant.Staff)
	if _, err := w.Superuser.Exec(t.Context(),
		`INSERT INTO memberships (organization_id, user_id) VALUES ($1, $2)`,
		w.victim, both.User); err != nil {
		t.Fatal(err)
	}
	db, _ := w.open(t, everything)
	for _, organization := range []uuid.UUID{w.attacker, w.victim} {
		err := db.InTenant(t.Context(), organization, func(tx pgx.Tx) error {
			var seen, members int
			err := tx.QueryRow(t.Context(),
				`SELECT count(*), count(*) FILTER (WHERE id IN (SELECT user_id FROM memberships))
					FROM users`).Scan(
				&seen, &members)
			if seen != 2 || members != 2 {
				t.Errorf("sees %d users, %d of them members; it has 2", seen, members)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, sql := range []string{
		`UPDATE users SET email = 'taken@example.test' RETURNING 1`,
		`DELETE FROM users RETURNING 1`,
		`SELECT 1 FROM users FOR UPDATE`,
		`INSERT INTO users (id, issuer, subject) VALUES (gen_random_uuid(), 'x', 'y')`,
	} {
		if o, err := try(t.Context(), db, w.attacker, attack{}, []string{sql}, false); err != nil ||
			o.rows != 0 {
			t.Errorf("%s: %v, %v", sql, o, err)
		}
	}
	for _, name := range attackers()[1:] {
		db, _ := w.open(t, name)
		if o, err := try(t.Context(), db, w.attacker, attack{}, []string{`SELECT 1 FROM users`},
			false); err != nil || o.code != "42501" {
			t.Errorf("%s reads users: %v, %v", name, o, err)
		}
	}
}

// Who signs in becomes a member in the same way whether another organization knows them or nobody
// does.
func TestJoiningTellsNothingAndChangesNobody(t *testing.T) {
	t.Parallel()
	w := newFixture(t, "")
	known := w.Member(t, w.victim, tenant.Admin)
	db, _ := w.open(t, "file-api/http")
	of := func(organization uuid.UUID, subject, email string) (o outcome) {
		err := db.InTenant(t.Context(), organization, func(tx pgx.Tx) error {
			tag, err := tx.Exec(t.Context(), join, pgtest.Issuer, subject, email)
			if err != nil {
				return err
			}
			o = outcome{message: tag.String()}
			return tx.QueryRow(t.Context(),
				`SELECT count(*), max(role) FROM memberships WHERE user_id = $1`,
				tenant.UserID(pgtest.Issuer, subject)).Scan(&o.rows, &o.returned)
		})
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	if there, nowhere := of(w.attacker, known.Subject, "mine@example.test"), of(w.attacker,
		uuid.NewString(), "mine@example.test"); there != nowhere || there.returned != "member" {
		t.Errorf("known elsewhere: %v; known nowhere: %v", there, nowhere)
	}
	// Joining again, and joining where one is an admin, changes nothing.
	of(w.attacker, known.Subject, "other@example.test")
	of(w.victim, known.Subject, "other@example.test")
	var email, role string
	err := w.Superuser.QueryRow(t.Context(),
		`SELECT email, role FROM users u JOIN memberships m ON m.user_id = u.id
			WHERE u.id = $1 AND m.organization_id = $2`,
		known.User, w.victim).Scan(&email, &role)
	if err != nil || email != known.Subject+"@example.test" || role != "admin" {
		t.Errorf("the user's email is %q and its role %q, %v", email, role, err)
	}
	for _, name := range []string{everything, "file-api/maintenance", "file-processing/events"} {
		db, _ := w.open(t, name)
		o, err := try(t.Context(), db, w.attacker, attack{},
			[]string{`SELECT join_organization('x', 'y', NULL)`}, false)
		if err != nil || o.code != "42501" {
			t.Errorf("%s calls join_organization: %v, %v", name, o, err)
		}
	}
}

// Without an organization there is nothing to join, and no user is left behind.
func TestJoiningNothingIsRefused(t *testing.T) {
	t.Parallel()
	w := newFixture(t, "")
	db, _ := w.open(t, "file-api/http")
	id := tenant.UserID("x", "y")
	// none, and one that does not exist
	for _, organization := range []string{"", uuid.NewString()} {
		err := db.AcrossTenants(t.Context(), func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(),
				`SELECT set_config('app.current_organization_id', $1, true)`,
				organization); err != nil {
				return err
			}
			_, err := tx.Exec(t.Context(), join, "x", "y", nil)
			return err
		})
		if err == nil {
			t.Errorf("joined organization %q", organization)
		}
	}
	var left int
	if err := w.Superuser.QueryRow(t.Context(), `SELECT count(*) FROM users WHERE id = $1`,
		id).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d users are left, %v", left, err)
	}
}

// A temporary table of the caller's must not stand for the one that join_organization writes.
func TestJoiningIgnoresTheCallersTables(t *testing.T) {
	t.Parallel()
	w := newFixture(t, "")
	db, _ := w.open(t, "file-api/http")
	subject := uuid.NewString()
	id := tenant.UserID(pgtest.Issuer, subject)
	err := db.InTenant(t.Context(), w.attacker, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `CREATE TEMPORARY TABLE users (id uuid, issuer text,
			subject text, email text) ON COMMIT DROP;
			CREATE TEMPORARY TABLE memberships (organization_id uuid, user_id uuid) ON COMMIT DROP;
				SET LOCAL search_path = pg_temp, public`)
		if err != nil {
			return err
		}
		_, err = tx.Exec(t.Context(), `SELECT public.join_organization($1, $2, NULL)`,
			pgtest.Issuer, subject)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var made int
	if err := w.Superuser.QueryRow(t.Context(),
		`SELECT count(*) FROM memberships WHERE user_id = $1`, id).Scan(&made); err != nil ||
		made != 1 {
		t.Errorf("%d memberships were made, %v", made, err)
	}
}

// The id of a user is what issuer and subject make it, for the owner too: nobody can be entered
// under the id of somebody else.
func TestAnIDIsBoundToItsIssuerAndSubject(t *testing.T) {
	t.Parallel()
	w := newFixture(t, "")
	insert := `INSERT INTO users (id, issuer, subject) VALUES ($1, $2, $3)`
	victim := tenant.UserID(pgtest.Issuer, "victim")
	_, err := w.Superuser.Exec(t.Context(), insert, victim, pgtest.Issuer, "attacker")
	if pg, ok := errors.AsType[*pgconn.PgError](err); !ok || pg.Code != "23514" {
		t.Errorf("the attacker has the victim's id: %v", err)
	}
	for _, subject := range []string{"a", "ä|\\x00", strings.Repeat("s", 255)} {
		id := tenant.UserID(pgtest.Issuer, subject)
		if _, err := w.Superuser.Exec(t.Context(), insert, id, pgtest.Issuer, subject); err != nil {
			t.Errorf("Go and Postgres differ about %q: %v", subject, err)
		}
	}
}
