package pgtest

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/infra/migrations"
	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

func TestDatabasesAreApart(t *testing.T) {
	t.Parallel()
	began := time.Now()
	a := New(t)
	t.Logf("the first database of this process: %v", time.Since(began))
	began = time.Now()
	b := New(t)
	t.Logf("the next: %v", time.Since(began))
	a.Organization(t, "only-in-a")
	if got := count(t, b, `SELECT count(*) FROM organizations`); got != 0 {
		t.Errorf("another test's database has %d organizations of ours", got)
	}
}

func TestDatabaseIsGoneAfterTheTest(t *testing.T) {
	t.Parallel()
	var name string
	t.Run("inner", func(t *testing.T) {
		d := New(t)
		name = d.name
		connect(t, d.OwnerURL) // left open: it must not hold the drop up
	})
	if got := count(t, New(t),
		`SELECT count(*) FROM pg_database WHERE datname = '`+name+`'`); got != 0 {
		t.Errorf("%s is still there", name)
	}
}

func TestOwnerIsOrdinary(t *testing.T) {
	t.Parallel()
	d := New(t)
	var super, bypass, owns bool
	err := connect(t, d.OwnerURL).QueryRow(t.Context(), `SELECT rolsuper, rolbypassrls,
		(SELECT pg_get_userbyid(relowner) = current_user FROM pg_class
			WHERE oid = 'files'::regclass) FROM pg_roles
			WHERE rolname = current_user`).Scan(&super, &bypass, &owns)
	if err != nil {
		t.Fatal(err)
	}
	if super || bypass || !owns {
		t.Errorf("superuser %v, BYPASSRLS %v, owns the tables %v", super, bypass, owns)
	}
}

func TestEntriesSignIn(t *testing.T) {
	t.Parallel()
	d := New(t)
	organization := d.Organization(t, "school")
	person := d.Member(t, organization, tenant.Staff)
	for _, e := range migrations.Entries() {
		d.DB(t, e.Name)
	}
	var role string
	err := d.DB(t, "file-api/http").InTenant(t.Context(), organization, func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT role FROM memberships
			WHERE organization_id = $1 AND user_id = $2`, organization, person.User).Scan(&role)
	})
	if err != nil || role != "staff" {
		t.Errorf("the member's role is %q, %v", role, err)
	}
}

func TestIsolatedServerCrashes(t *testing.T) {
	t.Parallel()
	neighbour := New(t)
	d := NewIsolated(t)
	organization := d.Organization(t, "school")
	db := d.DB(t, "file-api/http")
	visible := func() (n int, err error) {
		err = db.InTenant(t.Context(), organization, func(tx pgx.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT count(*) FROM organizations`).Scan(&n)
		})
		return n, err
	}
	if err := d.Cluster.Crash(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := visible(); fault.KindOf(err) != fault.Temporary {
		t.Errorf("a query of a crashed server: %v, want a temporary fault", err)
	}
	if err := d.Cluster.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := visible(); n != 1 || err != nil {
		t.Errorf("after the restart: %d organizations, %v", n, err)
	}
	if got := count(t, neighbour, `SELECT count(*) FROM files`); got != 0 {
		t.Error("the crash reached a neighbour")
	}
}

const deathVariable = "SATCHEL_TEST_DEATH"

// TestDying is not a test of its own: TestServerEndsWithItsTests runs it in
// another process, to see what it leaves.
func TestDying(t *testing.T) {
	way := os.Getenv(deathVariable)
	if way == "" {
		t.Skip("started by TestServerEndsWithItsTests")
	}
	d := New(t)
	var directory string
	if err := d.Superuser.QueryRow(t.Context(),
		`SHOW data_directory`).Scan(&directory); err != nil {
		t.Fatal(err)
	}
	fmt.Println("data", directory)
	switch way {
	case "fatal":
		t.Fatal("as wanted")
	case "panic":
		panic("as wanted")
	// testing's own is a panic of another goroutine as well, but it waits for whole seconds
	case "time limit":
		go panic("as wanted")
		select {}
	}
}

func TestServerEndsWithItsTests(t *testing.T) {
	t.Parallel()
	New(t) // without a server this skips, or fails, here
	for _, way := range []string{"pass", "fatal", "panic", "time limit"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			child := exec.Command(os.Args[0], "-test.run=^TestDying$", "-test.v")
			child.Env = append(os.Environ(), deathVariable+"="+way)
			out, err := child.Output()
			if failed := errors.As(err, new(*exec.ExitError)); failed == (way == "pass") {
				t.Errorf("the process ended with %v\n%s", err, out)
			}
			directory := ""
			for lines := bufio.NewScanner(strings.NewReader(string(out))); lines.Scan(); {
				if d, ok := strings.CutPrefix(lines.Text(), "data "); ok {
					directory = d
				}
			}
			if directory == "" {
				t.Fatalf("no server was started:\n%s", out)
			}
			for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
				if _, err := os.Stat(directory + "/postmaster.pid"); errors.Is(err,
					os.ErrNotExist) {
					break // a server removes it when it has shut down cleanly
				}
				if time.Now().After(deadline) {
					t.Fatalf("the server in %s runs on", directory)
				}
			}
		})
	}
}

func count(t *testing.T, d *Database, query string) (n int) {
	t.Helper()
	if err := d.Superuser.QueryRow(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(t.Context()) })
	return conn
}
