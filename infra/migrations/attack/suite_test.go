package attack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/toolboxai-solutions/satchel/infra/migrations"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

// everything is a role that no migration makes: ordinary, but granted every verb that row-level
// security binds, on every table. It attacks what an entry is kept from by the lack of a grant.
const everything = "everything"

func attackers() []string {
	names := []string{everything}
	for _, e := range migrations.Entries() {
		names = append(names, e.Name)
	}
	return names
}

// shown reports whether a policy shows an entry the table's rows of every organization.
func shown(entry, table string) bool {
	return slices.ContainsFunc(migrations.Across(), func(s migrations.Sight) bool {
		return s.Entry == entry && s.Table == table && s.Command == "SELECT" && s.Rows == "true"
	})
}

// shownUnset reports whether a policy shows the table's rows of every organization to an entry in a
// transaction of none, and there alone.
func shownUnset(entry, table string) bool {
	return openUnset(entry, table, func(command string) bool { return command != "INSERT" })
}

// addedUnset reports whether a policy lets an entry add rows of any organization in a transaction
// of none, and do nothing else there.
func addedUnset(entry, table string) bool {
	return openUnset(entry, table, func(command string) bool { return command == "INSERT" })
}

func openUnset(entry, table string, command func(string) bool) bool {
	return slices.ContainsFunc(migrations.Across(), func(s migrations.Sight) bool {
		return s.Entry == entry && s.Table == table && s.Rows == migrations.Unset &&
			command(s.Command)
	})
}

// open opens the database as an entry, or as the role of everything.
func (w fixture) open(t *testing.T, name string) (db *tenantdb.DB, role string) {
	t.Helper()
	for _, e := range migrations.Entries() {
		if e.Name == name {
			return w.DB(t, name), e.Role
		}
	}
	// roles belong to the cluster, which other tests use too
	role = everything + "_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	_, err := w.Superuser.Exec(t.Context(), fmt.Sprintf(`CREATE ROLE %[1]s LOGIN NOINHERIT PASSWORD '%[1]s';
		GRANT SELECT, INSERT, UPDATE,
			DELETE ON ALL TABLES IN SCHEMA public TO %[1]s; GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO %[1]s`, role))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := w.Superuser.Exec(context.WithoutCancel(t.Context()),
			fmt.Sprintf(`DROP OWNED BY %[1]s; DROP ROLE %[1]s`, role)); err != nil {
			t.Errorf("drop the test's role: %v", err)
		}
	})
	address, err := url.Parse(w.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	address.User = url.UserPassword(role, role)
	if db, err = tenantdb.Open(t.Context(), tenantdb.Config{URL: address.String()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db, role
}

// outcome is all that an attacker gets to see.
type outcome struct {
	code, message string // of the error
	rows          int64
	returned      string
}

func (o outcome) String() string {
	return fmt.Sprintf("%s %q, %d rows %q", o.code, o.message, o.rows, o.returned)
}

var errUndo = errors.New("undo")

// try attacks as one organization, and then commits unless undo.
func try(ctx context.Context, db *tenantdb.DB, organization uuid.UUID, a attack,
	statements []string, undo bool) (o outcome, err error) {
	err = db.InTenant(ctx, organization, func(tx pgx.Tx) (err error) {
		for _, sql := range statements {
			if o, err = perform(ctx, tx, a.copies, sql); err != nil {
				return err
			}
		}
		if undo {
			return errUndo
		}
		return nil
	})
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return outcome{code: pg.Code, message: pg.Message + pg.Detail}, nil
	}
	if errors.Is(err, errUndo) {
		err = nil
	}
	return o, err
}

func perform(ctx context.Context, tx pgx.Tx, copies bool, sql string) (o outcome, err error) {
	if copies {
		var out bytes.Buffer
		tag, err := tx.Conn().PgConn().CopyTo(ctx, &out, sql)
		return outcome{rows: tag.RowsAffected(), returned: out.String()}, err
	}
	rows, err := tx.Query(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return o, err
	}
	defer rows.Close()
	for rows.Next() {
		o.returned += string(bytes.Join(rows.RawValues(), []byte("|"))) + "\n"
	}
	o.rows = rows.CommandTag().RowsAffected()
	return o, rows.Err()
}

// probes are the victim's row and one that nobody has, of an organization that there is not.
func (w fixture) probes(t *testing.T, tb table, role string, attacker,
	victim uuid.UUID) (there, nowhere probe) {
	t.Helper()
	there = probe{target: w.row(t, tb, victim), own: w.row(t, tb, attacker),
		column: w.updatable(t, tb, role)}
	nowhere = there
	nowhere.target = there.target.of(uuid.NewString())
	columns := slices.Clone(tb.unique)
	for _, r := range tb.references {
		columns = append(columns, r.columns...)
	}
	nowhere.target = nowhere.target.elsewhere(columns)
	return there, nowhere
}

// updatable is a column that the role may update, best one that is in no key.
func (w fixture) updatable(t *testing.T, tb table, role string) string {
	t.Helper()
	var column string
	err := w.Superuser.QueryRow(t.Context(), `
		SELECT c FROM unnest($1::text[]) WITH ORDINALITY AS u (c, n)
		ORDER BY has_column_privilege($2, $3, c, 'UPDATE') DESC, c = $4 OR c = ANY ($5), n LIMIT 1`,
		tb.columns, role, tb.name, tb.tenant, tb.key).Scan(&column)
	if err != nil {
		t.Fatal(err)
	}
	return column
}

func TestNoAttackReachesAnotherOrganization(t *testing.T) {
	t.Parallel()
	for _, name := range attackers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t, "")
			db, role := w.open(t, name)
			before := w.traces(t, w.victim)
			stop := w.company(t, db, name, role)
			tried := 0
			for _, tb := range w.tables {
				n, broken := w.attackTable(t, db, name, role, tb)
				for _, how := range broken {
					t.Error(how)
				}
				tried += n
			}
			w.sweep(t, db)
			stop()
			for table, trace := range w.traces(t, w.victim) {
				if trace != before[table] {
					t.Errorf("the victim's rows of %s were %s and are %s", table, before[table],
						trace)
				}
			}
			t.Logf("%d tables, %d attacks", len(w.tables), tried)
		})
	}
}

// attackTable says which attacks achieved something.
func (w fixture) attackTable(t *testing.T, db *tenantdb.DB, name, role string,
	tb table) (tried int, broken []string) {
	t.Helper()
	there, nowhere := w.probes(t, tb, role, w.attacker, w.victim)
	for _, a := range attacks {
		if a.reads && shown(name, tb.name) {
			continue // TestEachEntrySeesWhatIsListed
		}
		if a.owns && name == everything && tb.name == "public.memberships" {
			// users are global, so whoever could write memberships would learn of them: the entries
			// cannot, as this suite shows
			continue
		}
		ran, how := w.attack(t, db, tb, a, there, nowhere)
		if ran {
			tried++
		}
		if how != "" {
			broken = append(broken, how)
		}
	}
	return tried, broken
}

// attack tries one on the victim's row and on one that nobody has, and says how it achieved
// something, or "". What it achieves is committed, unless it is a row of the attacker's own, which
// would be in the way of the next attack.
func (w fixture) attack(t *testing.T, db *tenantdb.DB, tb table, a attack,
	there, nowhere probe) (ran bool, how string) {
	t.Helper()
	statements := a.sql(there)
	if len(statements) == 0 {
		return false, ""
	}
	found, err := try(t.Context(), db, w.attacker, a, statements, a.owns)
	if err != nil {
		t.Fatalf("%s: %s: %v", tb.name, a.name, err)
	}
	absent, err := try(t.Context(), db, w.attacker, a, a.sql(nowhere), a.owns)
	if err != nil {
		t.Fatalf("%s: %s: %v", tb.name, a.name, err)
	}
	if !a.owns && (found.rows != 0 || found.returned != "") {
		return true, fmt.Sprintf("%s: %s: got %v", tb.name, a.name, found)
	}
	if found.comparable(there) != absent.comparable(nowhere) {
		return true, fmt.Sprintf("%s: %s: a row of another organization can "+
			"be told from none:\n%v\n%v\n%s", tb.name, a.name, found, absent, statements)
	}
	return true, ""
}

// comparable is the outcome without what the attacker itself brought.
func (o outcome) comparable(p probe) outcome {
	for _, column := range p.target.columns {
		if value, ok := p.target.values[column].(string); ok && len(value) >= 36 {
			o.message = strings.ReplaceAll(o.message, value, column)
		}
	}
	return o
}

// TestEveryAttackWorksOnOnesOwnRows: against rows that the attacker may see, each attack tells a
// row from none. One that does not proves nothing.
func TestEveryAttackWorksOnOnesOwnRows(t *testing.T) {
	t.Parallel()
	w := newFixture(t, "")
	db, role := w.open(t, everything)
	for _, tb := range w.tables {
		there, nowhere := w.probes(t, tb, role, w.victim, w.victim)
		for _, a := range attacks {
			statements := a.sql(there)
			if len(statements) == 0 {
				continue
			}
			found, err := try(t.Context(), db, w.victim, a, statements, true)
			if err != nil {
				t.Fatalf("%s: %s: %v", tb.name, a.name, err)
			}
			absent, err := try(t.Context(), db, w.victim, a, a.sql(nowhere), true)
			if err != nil {
				t.Fatalf("%s: %s: %v", tb.name, a.name, err)
			}
			if found.comparable(there) == absent.comparable(nowhere) {
				t.Errorf("%s: %s is blunt: %v\n%s", tb.name, a.name, found, statements)
			}
		}
	}
}
