// Package catalogue reads pg_catalog of a migrated database and finds what would let one
// organization reach the rows of another: a table without row-level security, a key without
// organization_id, a view or function that runs as its owner, a grant too many.
//
// It looks at everything that exists outside the system's schemas, so that a new table is covered
// by being there.
package catalogue

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/infra/migrations"
)

// Finding is one object that breaks a rule.
type Finding struct {
	Rule   string // a short name: rls-enabled
	Object string // with its schema, as Postgres writes it: public.files
	Why    string // what could happen, and what to do
}

func (f Finding) String() string { return fmt.Sprintf("%s: %s: %s", f.Rule, f.Object, f.Why) }

// Check returns what breaks a rule and is not on the reviewed list, and what is on that list and
// breaks no rule any more. It reads in tx, so that what the same transaction changed counts, and
// leaves its search_path changed.
func Check(ctx context.Context, tx pgx.Tx) ([]Finding, error) {
	// Without public in the search path every name comes with its schema.
	if _, err := tx.Exec(ctx, `SET LOCAL search_path = pg_catalog`); err != nil {
		return nil, fmt.Errorf("set the search path: %w", err)
	}
	var roles []string
	for _, e := range migrations.Roles() {
		roles = append(roles, e.Role)
	}
	var findings []Finding
	accepted, excused := excuses(), map[Finding]bool{}
	for _, r := range slices.Concat(tableRules, codeRules, grantRules, roleRules) {
		objects, err := r.broken(ctx, tx, roles)
		if err != nil {
			return nil, fmt.Errorf("rule %s: %w", r.name, err)
		}
		for _, object := range objects {
			if excuse := (Finding{Rule: r.name, Object: oneLine(object)}); accepted[excuse] {
				excused[excuse] = true
				continue
			}
			findings = append(findings, Finding{r.name, object, r.why})
		}
	}
	for excuse := range accepted {
		if !excused[excuse] {
			findings = append(findings, Finding{"stale-review", excuse.Object,
				"it is on the list of " + excuse.Rule + " and does not break that rule: take it off"})
		}
	}
	return findings, nil
}

// excuses are the objects that may break a rule, policies as Postgres writes them but in one line.
func excuses() map[Finding]bool {
	all := map[Finding]bool{}
	for rule, objects := range reviewed {
		for object := range objects {
			all[Finding{Rule: rule, Object: oneLine(object)}] = true
		}
	}
	for _, s := range migrations.Across() {
		all[Finding{Rule: "policy-form", Object: oneLine(policyOf(s))}] = true
	}
	return all
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// policyOf is a sight's policy as the rule policy-form names it.
func policyOf(s migrations.Sight) string {
	using, check := s.Rows, "-"
	switch s.Command {
	case "ALL":
		check = s.Rows
	case "INSERT":
		using, check = "-", s.Rows
	}
	return fmt.Sprintf("%s ON %s FOR %s TO %s USING %s WITH CHECK %s", s.Policy, s.Table, s.Command,
		migrations.RoleOf(s.Entry), using, check)
}

// Rules are the names of all rules, stale-review included.
func Rules() []string {
	names := []string{"stale-review"}
	for _, r := range slices.Concat(tableRules, codeRules, grantRules, roleRules) {
		names = append(names, r.name)
	}
	return names
}

// A rule's query returns the objects that break it. It may use the views of prelude.
type rule struct{ name, why, query string }

// prelude names what the rules are about. No rule looks at what belongs to Postgres itself.
const prelude = `
WITH entry AS (
	SELECT oid, rolname::text AS name FROM pg_roles WHERE rolname = ANY ($1::text[])
), schema AS (
	SELECT * FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), relation AS (
	SELECT c.*, c.oid::regclass::text AS name FROM pg_class c
		JOIN schema ON schema.oid = c.relnamespace
), base AS ( -- what holds rows of its own and is not reached through a parent
	SELECT * FROM relation WHERE relkind IN ('r', 'p', 'f') AND NOT relispartition
), routine AS (
	SELECT f.*, f.oid::regprocedure::text AS name FROM pg_proc f
		JOIN schema ON schema.oid = f.pronamespace
), tenant_column AS (
	SELECT attrelid, attnum FROM pg_attribute
		WHERE attname = 'organization_id' AND atttypid = 'uuid'::regtype AND attnotnull
		AND NOT attisdropped
), access AS ( -- every grant on a relation or on a column of one, the owner's own left out
	SELECT r.oid, r.name, r.relkind, r.relispartition, a.grantee, a.privilege_type AS verb,
		a.is_grantable
	FROM relation r CROSS JOIN aclexplode(r.relacl) a WHERE a.grantee <> r.relowner
	UNION ALL
	SELECT r.oid, r.name || '.' || quote_ident(c.attname), r.relkind, r.relispartition, a.grantee,
		a.privilege_type, a.is_grantable
	FROM relation r JOIN pg_attribute c ON c.attrelid = r.oid CROSS JOIN aclexplode(c.attacl) a
		WHERE a.grantee <> r.relowner
)
`

func (r rule) broken(ctx context.Context, tx pgx.Tx, roles []string) ([]string, error) {
	rows, err := tx.Query(ctx, prelude+r.query+" ORDER BY 1", roles)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
