package catalogue

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/infra/migrations"
	"github.com/toolboxai-solutions/satchel/infra/pgtest"
)

// An index that no statement of ours uses costs every write, and nobody notices. A key is there to
// refuse, and needs no reader.
func TestEachIndexIsUsed(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	sqls := statements(t)
	reviewed := map[string]string{
		"agent_executions_open": "drop_final_partitions, a function of the owner's, counts by it " +
			"what a partition takes with it",
		"agent_metrics_by_agent": "RowsOfAgents: without statistics its period looks short. 31 " +
			"days of one of 200 agents, analysed: 0.6 ms with it and 174 ms without",
	}
	undone(t, d, func(tx pgx.Tx) {
		unused, of := unusedIndexes(t, tx, sqls)
		for index := range reviewed {
			if !slices.Contains(unused, index) {
				t.Errorf("%s is seen to be used: take it off the list", index)
			}
		}
		for _, index := range unused {
			if reviewed[index] != "" {
				continue
			}
			t.Errorf("nothing that an entry runs uses %s: drop it", index)
		}
		if of < 20 {
			t.Errorf("only %d indexes were found", of)
		}
	})
}

func TestUnusedIndexIsFound(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	undone(t, d, func(tx pgx.Tx) {
		if _, err := tx.Exec(t.Context(),
			`CREATE INDEX files_by_checksum ON files (organization_id, checksum);
			CREATE INDEX a_files_of_all ON files (organization_id)`); err != nil {
			t.Fatal(err)
		}
		unused, _ := unusedIndexes(t, tx, statements(t))
		want := []string{"a_files_of_all", "agent_executions_open", "agent_metrics_by_agent",
			"files_by_checksum"}
		if !slices.Equal(unused, want) {
			t.Errorf("unused are %v, want %v", unused, want)
		}
	})
}

// planned is a statement with arguments, and what Postgres thinks that it costs.
type planned struct {
	role, sql, arguments string
	cost                 float64
}

// unusedIndexes has every statement planned over tables that look large, with each of its arguments
// given and left out, and returns the indexes without which no plan would be dearer. That a plan
// names an index is not enough: any index that begins with the organization finds its rows.
func unusedIndexes(t *testing.T, tx pgx.Tx, sqls map[string][]string) (unused []string, of int) {
	t.Helper()
	enlarge(t, tx)
	wanted := map[string]string{} // a partition's index is its parent's
	for _, pair := range collect(t, tx, `
		SELECT ARRAY[i.indexrelid::regclass::text, coalesce(h.inhparent, i.indexrelid)::regclass::text]
		FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
		JOIN pg_namespace n ON n.oid = c.relnamespace
		LEFT JOIN pg_inherits h ON h.inhrelid = i.indexrelid
		WHERE n.nspname = 'public' AND NOT i.indisunique`) {
		wanted[pair[0]] = pair[1]
	}
	users := map[string][]planned{}
	for _, index := range wanted {
		users[index] = nil
	}
	look := func(role, sql string) {
		for arguments := range variants(t, tx, role, sql) {
			plan := explain(t, tx, role, sql, arguments)
			for _, index := range slices.Compact(indexName.FindAllString(plan, -1)) {
				if of, known := wanted[index]; known {
					users[of] = append(users[of], planned{role, sql, arguments, cost(t, plan)})
				}
			}
		}
	}
	for entry, statements := range sqls {
		for _, sql := range statements {
			look(migrations.RoleOf(entry), sql)
		}
	}
	// What a delete asks of each table that refers to its own.
	for _, reference := range collect(t, tx, `
		SELECT ARRAY[conrelid::regclass::text, (SELECT string_agg(format('%I = $%s', a.attname, n), ' AND '
			ORDER BY n) FROM unnest(k.conkey) WITH ORDINALITY u (attnum, n)
			JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum)]
		FROM pg_constraint k WHERE contype = 'f' AND conparentid = 0 AND confdeltype = 'c'`) {
		look("", fmt.Sprintf("SELECT FROM %s WHERE %s", reference[0], reference[1]))
	}
	for _, index := range slices.Sorted(maps.Keys(users)) {
		if !missed(t, tx, index, users[index]) {
			unused = append(unused, index)
		}
	}
	return unused, len(users)
}

// missed drops an index, looks whether a statement that used it becomes dearer by more than 1 %,
// and brings it back.
func missed(t *testing.T, tx pgx.Tx, index string, users []planned) bool {
	t.Helper()
	without, err := tx.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = without.Rollback(t.Context()) }()
	if _, err := without.Exec(t.Context(), "DROP INDEX "+index); err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(users, func(u planned) bool {
		return cost(t, explain(t, without, u.role, u.sql, u.arguments)) > 1.01*u.cost
	})
}

var totalCost = regexp.MustCompile(`cost=[\d.]+\.\.([\d.]+)`)

// cost is the estimate of a whole plan, which is in its first line.
func cost(t *testing.T, plan string) float64 {
	t.Helper()
	found := totalCost.FindStringSubmatch(plan)
	if found == nil {
		t.Fatalf("no cost in %s", plan)
	}
	total, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return total
}

var indexName = regexp.MustCompile(`\w+`)

// enlarge makes every table look as if a million rows stood on its one page, so that a plan without
// the right index is the dearer one.
func enlarge(t *testing.T, tx pgx.Tx) {
	t.Helper()
	run := func(sql string) {
		t.Helper()
		if _, err := tx.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	run(`SET LOCAL session_replication_role = replica; SET LOCAL search_path = public`)
	const base = `pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition`
	for _, check := range collect(t, tx, `
		SELECT ARRAY[conrelid::regclass::text, quote_ident(conname)] FROM pg_constraint
		WHERE contype = 'c' AND coninhcount = 0 AND conrelid IN (SELECT c.oid FROM `+base+`)`) {
		run("ALTER TABLE " + check[0] + " DROP CONSTRAINT " + check[1])
	}
	for _, column := range collect(t, tx, `
		SELECT ARRAY[attrelid::regclass::text, quote_ident(attname)] FROM pg_attribute
		WHERE attgenerated <> '' AND attinhcount = 0 AND attrelid IN (SELECT c.oid FROM `+base+`)`) {
		run("ALTER TABLE " + column[0] + " ALTER COLUMN " + column[1] + " DROP EXPRESSION")
	}
	for _, table := range collect(t, tx, `
		SELECT (SELECT array_agg(format_type(a.atttypid, NULL) ORDER BY a.attnum)
			FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
			|| c.oid::regclass::text FROM `+base) {
		types := table[:len(table)-1]
		values := make([]string, len(types))
		for i, typ := range types {
			values[i] = value(t, typ)
		}
		run("INSERT INTO " + table[len(types)] + " OVERRIDING SYSTEM VALUE VALUES (" +
			strings.Join(values, ", ") + ")")
	}
	run(`UPDATE pg_class SET reltuples = 1000000, relpages = 1 WHERE relkind = 'r'
		AND relnamespace = 'public'::regnamespace`)
	run(`UPDATE pg_class SET reltuples = 10000, relpages = 2 WHERE relkind = 'i'
		AND relnamespace = 'public'::regnamespace`)
}

// value is an expression of a type that a table or an argument of ours has.
func value(t *testing.T, typ string) string {
	t.Helper()
	if element, ok := strings.CutSuffix(typ, "[]"); ok {
		return "ARRAY[" + value(t, element) + "]"
	}
	v, ok := map[string]string{
		"uuid": "gen_random_uuid()", "timestamp with time zone": "now()", "text": "'a'",
		"integer": "100", "bigint": "100", "smallint": "1", "boolean": "false", "bytea": `'\x00'`,
		"jsonb": "'{}'", "inet": "'::1'", "double precision": "1", "numeric": "1", "real": "1",
		"interval": "'1 day'", "date": "current_date", "xid8": "'1'", "pg_lsn": "'0/0'",
		"character varying": "'a'",
	}[typ]
	if !ok {
		t.Fatalf("no value of type %s is known here", typ)
	}
	return v + "::" + typ
}

// optional is an argument that a statement takes NULL for.
var optional = regexp.MustCompile(`\$(\d+)::[\w \[\]]+ IS (?:NOT )?NULL`)

// variants yields lists of arguments: with all that may be left out, with none, and with each.
func variants(t *testing.T, tx pgx.Tx, role, sql string) func(yield func(string) bool) {
	t.Helper()
	types := argumentTypes(t, tx, role, sql)
	var left []int
	for _, match := range optional.FindAllStringSubmatch(sql, -1) {
		n, _ := strconv.Atoi(match[1])
		if !slices.Contains(left, n-1) {
			left = append(left, n-1)
		}
	}
	list := func(given func(int) bool) string {
		values := make([]string, len(types))
		for i, typ := range types {
			values[i] = value(t, typ)
			if typ == "timestamp with time zone" { // so that from … to is not empty
				values[i] = fmt.Sprintf("now() + interval '%d minutes'", i)
			}
			if slices.Contains(left, i) && !given(i) {
				values[i] = "NULL"
			}
		}
		return strings.Join(values, ", ")
	}
	return func(yield func(string) bool) {
		all, none := func(int) bool { return true }, func(int) bool { return false }
		if !yield(list(all)) || len(left) > 0 && !yield(list(none)) {
			return
		}
		for _, only := range left {
			if !yield(list(func(i int) bool { return i == only })) {
				return
			}
		}
	}
}

func argumentTypes(t *testing.T, tx pgx.Tx, role, sql string) (types []string) {
	t.Helper()
	as(t, tx, role, func(tx pgx.Tx) {
		prepared, err := tx.Conn().Prepare(t.Context(), "statement_to_type", sql)
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		defer func() { _ = tx.Conn().Deallocate(context.WithoutCancel(t.Context()), prepared.Name) }()
		rows, err := tx.Query(t.Context(), `SELECT format_type(oid, NULL)
			FROM unnest($1::oid[]) WITH ORDINALITY u (oid, n) ORDER BY n`, prepared.ParamOIDs)
		if err == nil {
			types, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	return types
}

func explain(t *testing.T, tx pgx.Tx, role, sql, arguments string) (plan string) {
	t.Helper()
	as(t, tx, role, func(tx pgx.Tx) {
		const name = "statement_to_explain"
		if _, err := tx.Conn().Prepare(t.Context(), name, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		defer func() { _ = tx.Conn().Deallocate(context.WithoutCancel(t.Context()), name) }()
		if arguments != "" {
			arguments = "(" + arguments + ")"
		}
		rows, err := tx.Query(t.Context(), "EXPLAIN EXECUTE "+name+arguments,
			pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatalf("%s%s: %v", sql, arguments, err)
		}
		plan = strings.Join(lines, "\n")
	})
	return plan
}

// as runs fn as a role, or as the superuser for "".
func as(t *testing.T, tx pgx.Tx, role string, fn func(tx pgx.Tx)) {
	t.Helper()
	attempt, err := tx.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = attempt.Rollback(context.WithoutCancel(t.Context())) }()
	become := `SET LOCAL plan_cache_mode = force_custom_plan`
	if role != "" {
		become += `; SET LOCAL ROLE ` + role
	}
	if _, err := attempt.Exec(t.Context(), become); err != nil {
		t.Fatal(err)
	}
	fn(attempt)
}

func collect(t *testing.T, tx pgx.Tx, sql string) [][]string {
	t.Helper()
	rows, err := tx.Query(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[[]string])
	if err != nil {
		t.Fatal(err)
	}
	return all
}
