package attack

import (
	"fmt"
	"slices"
	"strings"
)

// probe is one row that an attack is about, and who attacks.
type probe struct {
	target row    // the victim's, or one that does not exist
	own    row    // of the attacker
	column string // one that the role may update, if there is any
}

func (p probe) self() string { return fmt.Sprint(p.own.values[p.own.tenant]) }

// attack is a way to find out about, or to change, a row. What it comes to must be the same whether
// the victim has the row or nobody does.
type attack struct {
	name string
	// reads is for those that read rows, and nothing else: a worker whose policy shows it every
	// organization's may do so.
	reads bool
	// owns is for those that write a row of the attacker's own with the victim's values in it. It
	// may well succeed.
	owns bool
	// copies is for COPY … TO STDOUT, which has a protocol of its own.
	copies bool
	// sql are the statements; the last one's result counts. None: the table has nothing to attack
	// in this way.
	sql func(p probe) []string
}

// one makes an attack of a single statement, with {table}, {tenant}, {row} (the condition that
// names it), {id} (the same without the organization), {ctid}, {organization} (the victim's),
// {self} (the attacker's), {mine} (the condition of the attacker's own row), {column}.
func one(format string) func(probe) []string {
	return func(p probe) []string { return []string{p.expand(format)} }
}

func (p probe) expand(format string) string {
	only := "ONLY "
	if p.target.partitioned {
		only = "" // itself it is always empty
	}
	return strings.NewReplacer(
		"{only}", only,
		"{table}", p.target.name, "{tenant}", p.target.tenant, "{row}", p.target.is(true),
		"{id}", p.target.is(false), "{ctid}", quote(p.target.ctid),
		"{organization}", p.target.literal(p.target.tenant), "{self}", p.own.literal(p.own.tenant),
		"{mine}", p.own.is(true), "{column}", p.column,
	).Replace(format)
}

// oracle is a function that fails when it sees a value. It costs nothing, so that the planner would
// call it first.
const oracle = `CREATE OR REPLACE FUNCTION pg_temp.reveal(seen text, wanted text) RETURNS boolean
	LANGUAGE plpgsql COST 0.0000001 AS $$
BEGIN IF seen = wanted THEN RAISE EXCEPTION 'it is there'; END IF; RETURN true; END $$`

var attacks = slices.Concat(readAttacks, writeAttacks, insertAttacks)

var readAttacks = []attack{
	{name: "read all of the organization", reads: true,
		sql: one(`SELECT * FROM {table} WHERE {tenant} = {organization}`)},
	{name: "read by key", reads: true, sql: one(`SELECT * FROM {table} WHERE {row}`)},
	{name: "read by id", reads: true, sql: one(`SELECT * FROM {only}{table} WHERE {id}`)},
	{name: "read by place", reads: true, sql: one(`SELECT 1 FROM {table} WHERE ctid = {ctid}`)},
	{name: "sample", reads: true,
		sql: one(`SELECT 1 FROM {table} TABLESAMPLE SYSTEM (100) WHERE {row}`)},
	{name: "count", reads: true, sql: one(`SELECT 1 FROM {table} WHERE {row} HAVING count(*) > 0`)},
	{name: "aggregate", reads: true, sql: one(
		`SELECT max({tenant}::text) FROM {table} WHERE {tenant} = {organization}
			GROUP BY {tenant}`)},
	{name: "exists", reads: true,
		sql: one(`SELECT 1 WHERE EXISTS (SELECT FROM {table} WHERE {row})`)},
	{name: "sub-select", reads: true,
		sql: one(`SELECT 1 WHERE (SELECT {tenant} FROM {table} WHERE {row}) IS NOT NULL`)},
	{name: "join", reads: true,
		sql: one(`SELECT theirs.* FROM (VALUES (1)) one JOIN {table} theirs ON {row}`)},
	{name: "outer join", reads: true, sql: one(
		`SELECT 1 FROM (VALUES (1)) one LEFT JOIN {table} theirs ON {row}
			WHERE theirs.{tenant} IS NOT NULL`)},
	{name: "intersect", reads: true,
		sql: one(`SELECT {tenant} FROM {table} INTERSECT SELECT {organization}`)},
	{name: "materialised CTE", reads: true, sql: one(
		`WITH everything AS MATERIALIZED (SELECT * FROM {table}) SELECT * FROM everything
			WHERE {row}`)},
	{name: "whole row", reads: true,
		sql: one(`SELECT to_jsonb(theirs) FROM {table} theirs WHERE {row}`)},
	{name: "division by zero", reads: true,
		sql: one(`SELECT 1 FROM {table} WHERE 1 / CASE WHEN {row} THEN 0 ELSE 1 END = 2`)},
	{name: "failing cast", reads: true,
		sql: one(`SELECT 1 FROM {table} WHERE {row} AND ('x' || {tenant})::integer > 0`)},
	{name: "cheap function", reads: true, sql: func(p probe) []string {
		return []string{oracle, p.expand(
			`SELECT 1 FROM {table} WHERE pg_temp.reveal({tenant}::text, {organization}::text)
				AND false = pg_temp.reveal({tenant}::text, {organization}::text)`)}
	}},
	{name: "temporary view", reads: true, sql: func(p probe) []string {
		return []string{`DROP VIEW IF EXISTS pg_temp.peek`, p.expand(
			`CREATE TEMPORARY VIEW peek WITH (security_barrier = false) AS SELECT * FROM {table}`),
			p.expand(`SELECT * FROM peek WHERE {row}`)}
	}},
	{name: "cursor", reads: true, sql: func(p probe) []string {
		return []string{p.expand(`DECLARE peek CURSOR FOR SELECT * FROM {table} WHERE {row}`),
			`FETCH ALL FROM peek`}
	}},
	{name: "flags that anybody can set", reads: true, sql: func(p probe) []string {
		return []string{
			`SELECT set_config('app.is_super_admin', 'true', true),
				set_config('app.bypass_rls', 'on', true), set_config('app.role', 'admin', true)`,
			p.expand(`SELECT * FROM {table} WHERE {row}`)}
	}},
	{name: "copy out", reads: true, copies: true,
		sql: one(`COPY (SELECT * FROM {table} WHERE {row}) TO STDOUT`)},
	// With a policy that shows the row and none that lets it be deleted, MERGE is refused where
	// DELETE finds nothing.
	{name: "merge", reads: true,
		sql: one(`MERGE INTO {table} USING (VALUES (1)) one ON {row} WHEN MATCHED THEN DELETE`)},
}

var writeAttacks = []attack{
	{name: "lock", sql: one(`SELECT 1 FROM {table} WHERE {row} FOR UPDATE`)},
	{name: "lock what is free",
		sql: one(`SELECT 1 FROM {table} WHERE {row} FOR KEY SHARE SKIP LOCKED`)},
	{name: "update by key", sql: one(`UPDATE {table} SET {column} = {column} WHERE {row}`)},
	{name: "update by id",
		sql: one(`UPDATE {table} SET {column} = {column} WHERE {id} RETURNING *`)},
	{name: "update all of the organization", sql: one(
		`UPDATE {table} SET {column} = {column} WHERE {tenant} = {organization} RETURNING 1`)},
	{name: "update by place",
		sql: one(`UPDATE {table} SET {column} = {column} WHERE ctid = {ctid}`)},
	{name: "take over", sql: one(`UPDATE {table} SET {tenant} = {self} WHERE {row}`)},
	{name: "move away", sql: one(`UPDATE {table} SET {tenant} = {organization} WHERE {mine}`)},
	{name: "delete by key", sql: one(`DELETE FROM {table} WHERE {row}`)},
	{name: "delete by id", sql: one(`DELETE FROM {table} WHERE {id} RETURNING *`)},
	{name: "delete by join", sql: one(`DELETE FROM {table} USING (VALUES (1)) one WHERE {row}`)},
	{name: "delete by place", sql: one(`DELETE FROM {table} WHERE ctid = {ctid}`)},
}

const (
	orNothing = ` ON CONFLICT DO NOTHING`
	orUpdate  = ` ON CONFLICT ({keys}) DO UPDATE SET {tenant} = excluded.{tenant}
		RETURNING {tenant}`
)

var insertAttacks = []attack{
	{name: "insert the same row",
		sql: func(p probe) []string { return []string{p.target.insert()} }},
	{name: "insert the same row or nothing",
		sql: func(p probe) []string { return []string{p.target.insert() + orNothing} }},
	{name: "insert the same row or update",
		sql: func(p probe) []string { return []string{p.target.insert() + p.upsert()} }},
	{name: "insert a new row of the organization", sql: func(p probe) []string {
		return []string{p.target.elsewhere(p.target.unique).insert()}
	}},
	{name: "insert a new row of the organization, returning", sql: func(p probe) []string {
		return []string{p.target.elsewhere(p.target.unique).insert() + ` RETURNING 1`}
	}},
	{name: "insert an own row with its key", owns: true,
		sql: func(p probe) []string { return p.namesake("") }},
	{name: "insert an own row with its key or nothing", owns: true,
		sql: func(p probe) []string { return p.namesake(orNothing) }},
	{name: "insert an own row with its key or update", owns: true,
		sql: func(p probe) []string { return p.namesake(p.telltale()) }},
	{name: "refer to it from a new row", owns: true, sql: func(p probe) []string {
		return p.refer(func(columns []string) string {
			return p.own.elsewhere(p.own.unique).with(columns, p.target).insert()
		})
	}},
	{name: "refer to it from an own row", owns: true, sql: func(p probe) []string {
		return p.refer(func(columns []string) string {
			var set []string
			for _, column := range columns {
				set = append(set, column+" = "+p.target.literal(column))
			}
			return p.expand(`UPDATE {table} SET ` + strings.Join(set, ", ") + ` WHERE {mine}`)
		})
	}},
}

func (p probe) upsert() string {
	keys := strings.Join(append([]string{p.target.tenant}, p.target.key...), ", ")
	return strings.ReplaceAll(p.expand(orUpdate), "{keys}", keys)
}

// telltale is upsert, and tells whether it inserted or updated.
func (p probe) telltale() string {
	if p.target.partitioned { // whose rows show no xmax there
		return strings.Replace(p.upsert(), "RETURNING", "WHERE false RETURNING", 1)
	}
	return p.upsert() + `, xmax <> '0'`
}

// namesake is the target as a row of the attacker's own: a key that holds across organizations
// would tell them apart.
func (p probe) namesake(conflict string) []string {
	if len(p.target.key) == 0 {
		return nil // the key is the organization, and nothing of the victim's is left in it
	}
	return []string{p.target.of(p.self()).insert() + conflict}
}

func (p probe) refer(statement func(columns []string) string) []string {
	var all []string
	for _, r := range p.target.references {
		all = append(all, statement(r.columns))
	}
	if len(all) > 1 {
		panic(p.target.name + " has several references: make each an attack of its own")
	}
	return all
}
