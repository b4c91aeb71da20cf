package migrations

import (
	"errors"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/toolboxai-solutions/satchel/infra/local/postgres"
)

func TestRolesAreOrdinary(t *testing.T) {
	t.Parallel()
	c, owner := database(t)
	if _, err := Up(t.Context(), owner, Passwords{"file-api/http": "obviously-fake"}); err != nil {
		t.Fatal(err)
	}
	for _, e := range Entries() {
		if !ask[bool](t, owner, `SELECT rolcanlogin
			AND NOT (rolsuper OR rolbypassrls OR rolcreatedb OR rolcreaterole OR rolinherit
			OR rolreplication)
			FROM pg_roles WHERE rolname = '`+e.Role+`'`) {
			t.Errorf("%s has more than it needs, or cannot sign in", e.Role)
		}
	}
	if ask[int](t, c.URL("house", "satchel_file_api_http", "obviously-fake"), `SELECT 1`) != 1 {
		t.Error("the entry with a password does not sign in")
	}
	if conn, err := pgx.Connect(t.Context(),
		c.URL("house", "satchel_file_api_maintenance", "")); err == nil {
		conn.Close(t.Context())
		t.Error("an entry without a password signs in")
	}
	if got := ask[string](t, c.SuperuserURL(),
		`SELECT left(rolpassword, 14) FROM pg_authid
			WHERE rolname = 'satchel_file_api_http'`); got != "SCRAM-SHA-256$" {
		t.Errorf("the password is kept as %s…", got)
	}
	// A run without passwords keeps those that there are.
	if _, err := Up(t.Context(), owner, nil); err != nil {
		t.Fatal(err)
	}
	if ask[int](t, c.URL("house", "satchel_file_api_http", "obviously-fake"), `SELECT 1`) != 1 {
		t.Error("a run without passwords took one away")
	}
	if _, err := Up(t.Context(), owner, Passwords{"file-api/http": "pässword"}); err == nil {
		t.Error("a password that Postgres would normalize was taken as it is")
	}
}

func TestRolesJoinIAM(t *testing.T) {
	t.Parallel()
	c, owner := database(t)
	// On RDS the owner may hand the role out, as WITH ADMIN OPTION lets it here.
	execute(t, c.SuperuserURL(),
		`CREATE ROLE rds_iam NOLOGIN; GRANT rds_iam TO house_owner WITH ADMIN OPTION`)
	for range 2 {
		if _, err := Up(t.Context(), owner,
			Passwords{"file-api/http": "obviously-fake"}); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range Entries() {
		member := ask[bool](t, owner, `SELECT pg_has_role('`+e.Role+`', 'rds_iam', 'MEMBER')`)
		if member == (e.Name == "file-api/http") {
			t.Errorf("%s is a member of rds_iam: %v", e.Role, member)
		}
	}
}

func TestPowerfulRoleIsRefused(t *testing.T) {
	t.Parallel()
	c, owner := database(t)
	for power, change := range map[string][2]string{
		"SUPERUSER": {`ALTER ROLE satchel_file_api_http SUPERUSER`,
			`ALTER ROLE satchel_file_api_http NOSUPERUSER`},
		"BYPASSRLS": {`ALTER ROLE satchel_file_api_http BYPASSRLS`,
			`ALTER ROLE satchel_file_api_http NOBYPASSRLS`},
		"CREATEROLE": {`ALTER ROLE satchel_file_api_http CREATEROLE`,
			`ALTER ROLE satchel_file_api_http NOCREATEROLE`},
		"membership in house_owner": {`GRANT house_owner TO satchel_file_api_http`,
			`REVOKE house_owner FROM satchel_file_api_http`},
	} {
		if _, err := Up(t.Context(), owner, nil); err != nil {
			t.Fatal(err)
		}
		execute(t, c.SuperuserURL(), change[0])
		if _, err := Up(t.Context(), owner, nil); err == nil ||
			!strings.Contains(err.Error(), power) {
			t.Errorf("Up with a role that has %s: %v, want an error that says so", power, err)
		}
		execute(t, c.SuperuserURL(), change[1])
	}
}

// Debian 12 ships 15, and the tests above use what is installed. Rules for who
// may give a role what changed with 16.
func TestLaterVersions(t *testing.T) {
	t.Parallel()
	for _, major := range postgres.Majors() {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			t.Parallel()
			bin, err := postgres.Download(t.Context(), major, slog.New(slog.DiscardHandler))
			if errors.As(err, new(net.Error)) {
				t.Skipf("the package registry cannot be reached: %v", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			c := cluster(t, postgres.Options{Throwaway: true, Bin: bin})
			owner, err := c.Database(t.Context(), "house", "house_owner")
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if _, err := Up(t.Context(),
					owner, Passwords{"file-api/http": "obviously-fake"}); err != nil {
					t.Fatal(err)
				}
				if ask[int](t, c.URL("house", "satchel_file_api_http", "obviously-fake"),
					`SELECT count(*)::int FROM files`) != 0 {
					t.Error("there is a file in an empty database")
				}
				if _, err := Down(t.Context(), owner, 0); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// A temporary table fills the disk as well as another, and stands for one of ours where a search
// path is not set.
func TestRolesMakeNoTemporaryTables(t *testing.T) {
	t.Parallel()
	c, owner := database(t)
	passwords := Passwords{}
	for _, e := range Entries() {
		passwords[e.Name] = c.Password(e.Role)
	}
	if _, err := Up(t.Context(), owner, passwords); err != nil {
		t.Fatal(err)
	}
	for _, e := range Entries() {
		_, err := session(t, c, e.Role).Exec(t.Context(), `CREATE TEMPORARY TABLE mine (id int)`)
		if refused, ok := errors.AsType[*pgconn.PgError](err); !ok || refused.Code != "42501" {
			t.Errorf("%s: %v, want insufficient privilege", e.Role, err)
		}
	}
}
