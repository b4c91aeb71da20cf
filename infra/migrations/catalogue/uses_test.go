package catalogue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/toolboxai-solutions/satchel/infra/migrations"
	"github.com/toolboxai-solutions/satchel/infra/pgtest"
)

// What an entry's role was given is exactly what its SQL needs: Postgres plans each statement as
// that role, with all its grants, and again without each one of them. A grant without which every
// statement can still run is one too many.

func TestEachStatementMayRun(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	for entry, sqls := range statements(t) {
		t.Logf("%s: %d statements", entry, len(sqls))
		undone(t, d, func(tx pgx.Tx) {
			for _, sql := range sqls {
				if err := plan(t.Context(), tx, migrations.RoleOf(entry), sql); err != nil {
					t.Errorf("%s cannot run\n%s\n%v", entry, sql, err)
				}
			}
		})
	}
}

// Four grants too many are given first: those, and no others, are what is found.
func TestEachGrantIsUsed(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	sqls := statements(t)
	tooMany := []string{
		"SELECT ON public.file_shares TO satchel_file_api_http",
		"UPDATE (fence) ON public.file_uploads TO satchel_file_api_maintenance",
		"EXECUTE ON FUNCTION public.join_organization(text,text,text) " +
			"TO satchel_file_api_maintenance",
		"DELETE ON public.storage_quotas TO satchel_file_processing_events",
	}
	undone(t, d, func(tx pgx.Tx) {
		for _, grant := range tooMany {
			if _, err := tx.Exec(t.Context(), "GRANT "+grant); err != nil {
				t.Fatal(err)
			}
		}
		granted, unused := unusedGrants(t, tx, sqls)
		for _, grant := range unused {
			if !slices.Contains(tooMany, grant) {
				t.Errorf("nothing that its entry runs needs %s: revoke it", grant)
			}
		}
		for _, grant := range tooMany {
			if !slices.Contains(unused, grant) {
				t.Errorf("nothing needs GRANT %s, and it is not found", grant)
			}
		}
		if len(granted) < len(migrations.Entries())*5 {
			t.Errorf("only %d grants were found: %v", len(granted), granted)
		}
	})
}

func TestMissingGrantIsFound(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	sqls := statements(t)
	undone(t, d, func(tx pgx.Tx) {
		if _, err := tx.Exec(t.Context(),
			"REVOKE DELETE ON file_uploads FROM satchel_file_api_http"); err != nil {
			t.Fatal(err)
		}
		failed := slices.ContainsFunc(sqls["file-api/http"], func(sql string) bool {
			return plan(t.Context(), tx, migrations.RoleOf("file-api/http"), sql) != nil
		})
		if !failed {
			t.Error("a grant that is missing is not missed")
		}
	})
}

func unusedGrants(t *testing.T, tx pgx.Tx, sqls map[string][]string) (granted, unused []string) {
	t.Helper()
	for _, e := range migrations.Entries() {
		grants := grantsOf(t, tx, e.Role)
		granted = append(granted, grants...)
		for _, grant := range grants {
			if !needed(t, tx, e.Role, grant, sqls[e.Name]) {
				unused = append(unused, grant)
			}
		}
	}
	return granted, unused
}

// grantsOf lists what a role has of its own, each as a GRANT statement says it.
func grantsOf(t *testing.T, tx pgx.Tx, role string) []string {
	t.Helper()
	if _, err := tx.Exec(t.Context(), `SET LOCAL search_path = pg_catalog`); err != nil {
		t.Fatal(err)
	}
	rows, err := tx.Query(t.Context(), `
		SELECT format('%s ON %s TO %I', a.privilege_type, c.oid::regclass, $1::text)
		FROM pg_class c CROSS JOIN aclexplode(c.relacl) a WHERE a.grantee = $1::regrole
		UNION ALL
		SELECT format('%s (%I) ON %s TO %I', a.privilege_type, c.attname, c.attrelid::regclass,
			$1::text)
		FROM pg_attribute c CROSS JOIN aclexplode(c.attacl) a WHERE a.grantee = $1::regrole
		UNION ALL
		SELECT format('%s ON FUNCTION %s TO %I', a.privilege_type, f.oid::regprocedure, $1::text)
		FROM pg_proc f CROSS JOIN aclexplode(f.proacl) a WHERE a.grantee = $1::regrole
		UNION ALL
		SELECT format('%s ON SCHEMA %I TO %I', a.privilege_type, n.nspname, $1::text)
		FROM pg_namespace n CROSS JOIN aclexplode(n.nspacl) a WHERE a.grantee = $1::regrole
		ORDER BY 1`, role)
	if err != nil {
		t.Fatal(err)
	}
	grants, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return grants
}

// needed takes the grant away, looks whether a statement misses it, and gives it back.
func needed(t *testing.T, tx pgx.Tx, role, grant string, sqls []string) bool {
	t.Helper()
	without, err := tx.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = without.Rollback(t.Context()) }()
	what, _, _ := strings.Cut(grant, " TO ")
	if _, err := without.Exec(t.Context(), "REVOKE "+what+" FROM "+role); err != nil {
		t.Fatal(err)
	}
	for _, sql := range likeliestFirst(what, sqls) {
		err := plan(t.Context(), without, role, sql)
		if pg := new(pgconn.PgError); errors.As(err, &pg) && pg.Code == "42501" {
			return true
		}
		if err != nil {
			t.Fatalf("plan as %s: %v\n%s", role, err, sql)
		}
	}
	return false
}

// likeliestFirst puts the statements that name what is granted before the others: one that misses
// it ends the search.
func likeliestFirst(what string, sqls []string) []string {
	_, object, _ := strings.Cut(what, " ON ")
	object, _, _ = strings.Cut(object[strings.LastIndex(object, ".")+1:], "(")
	var first, last []string
	for _, sql := range sqls {
		if strings.Contains(sql, object) {
			first = append(first, sql)
		} else {
			last = append(last, sql)
		}
	}
	return append(first, last...)
}

// plan has Postgres plan the statement as role, and check what that role may do: all but the
// running.
func plan(ctx context.Context, tx pgx.Tx, role, sql string) error {
	attempt, err := tx.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = attempt.Rollback(ctx) }()
	_, err = attempt.Exec(ctx,
		`SET LOCAL search_path = public; SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL ROLE `+
			role)
	if err != nil {
		return err
	}
	const name = "statement_of_an_entry"
	prepared, err := attempt.Conn().Prepare(ctx, name, sql)
	if err != nil {
		return err
	}
	defer func() { _ = attempt.Conn().Deallocate(context.WithoutCancel(ctx), name) }()
	arguments := ""
	if n := len(prepared.ParamOIDs); n > 0 {
		arguments = "(NULL" + strings.Repeat(", NULL", n-1) + ")"
	}
	_, err = attempt.Exec(ctx, fmt.Sprintf("EXPLAIN EXECUTE %s%s", name, arguments),
		pgx.QueryExecModeSimpleProtocol)
	return err
}
