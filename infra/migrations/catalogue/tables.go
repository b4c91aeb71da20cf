package catalogue

// policyForm is what a policy of a tenant's table says, as Postgres writes it back. The sub-select
// is what makes it one look at the setting for a statement instead of one for a row.
const policyForm = "(organization_id = ( SELECT public.current_organization_id() " +
	"AS current_organization_id))"

var tableRules = []rule{
	{"rls-enabled", "everybody with a grant sees every organization's rows: SELECT " +
		"protect_tenant_table(…) in its migration", `
SELECT name FROM base WHERE NOT relrowsecurity`},

	{"rls-forced", "its owner passes by every policy, and so does any function that runs as the " +
		"owner: FORCE ROW LEVEL SECURITY", `
SELECT name FROM base WHERE relrowsecurity AND NOT relforcerowsecurity`},

	{"policy-missing", "a command without a policy for everybody fails closed, and the next one " +
		"who needs it adds a policy by hand: protect_tenant_table(…)", `
SELECT b.name || ' ' || command.word
FROM base b CROSS JOIN (VALUES ('r', 'SELECT'), ('a', 'INSERT'), ('w', 'UPDATE'),
	('d', 'DELETE')) command (letter, word)
WHERE b.relrowsecurity AND NOT EXISTS (
	SELECT FROM pg_policy p WHERE p.polrelid = b.oid AND p.polpermissive AND p.polroles = '{0}'
		AND p.polcmd::text IN (command.letter, '*'))`},

	{"policy-form", "policies of a role add up, so one that is wider than the organization opens " +
		"the table: compare organization_id with (SELECT current_organization_id()) in USING and " +
		"in WITH CHECK. A policy that shows an entry every organization is a line of " +
		"migrations.Across", `
SELECT format('%I ON %s FOR %s TO %s USING %s WITH CHECK %s', p.polname, b.name,
	CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd'
		THEN 'DELETE' ELSE 'ALL' END,
	(SELECT string_agg(CASE WHEN role = 0 THEN 'PUBLIC' WHEN role = b.relowner THEN 'the owner'
		ELSE role::regrole::text END, ', ') FROM unnest(p.polroles) role),
	coalesce(pg_get_expr(p.polqual, b.oid), '-'), coalesce(pg_get_expr(p.polwithcheck, b.oid), '-'))
FROM base b JOIN pg_policy p ON p.polrelid = b.oid
WHERE p.polpermissive AND (
	(p.polcmd <> 'a' AND pg_get_expr(p.polqual, b.oid) IS DISTINCT FROM '` + policyForm + `')
	OR (p.polcmd IN ('a', 'w', '*') AND pg_get_expr(p.polwithcheck, b.oid) IS DISTINCT
		FROM '` + policyForm + `'))`},

	{"tenant-column", "nothing says whose its rows are: organization_id uuid NOT NULL", `
SELECT name FROM base WHERE oid NOT IN (SELECT attrelid FROM tenant_column)`},

	{"key", "a key without organization_id tells a writer whether another organization has the " +
		"value, also through ON CONFLICT DO NOTHING", `
SELECT i.indexrelid::regclass::text
FROM relation r JOIN pg_index i ON i.indrelid = r.oid
WHERE r.relkind IN ('r', 'p', 'm') AND (i.indisunique OR i.indisexclusion)
	AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = i.indexrelid)
AND NOT EXISTS (SELECT FROM tenant_column t WHERE t.attrelid = r.oid
	AND t.attnum = ANY (i.indkey[0:i.indnkeyatts - 1]))`},

	{"foreign-key", "a reference without organization_id on both sides can point at another " +
		"organization's row, and tells whether it exists", `
SELECT r.name || '.' || quote_ident(k.conname)
FROM relation r JOIN pg_constraint k ON k.conrelid = r.oid
WHERE k.contype = 'f' AND k.conparentid = 0 AND NOT EXISTS (
	SELECT FROM unnest(k.conkey, k.confkey) AS pair (here, there)
	JOIN tenant_column t ON t.attrelid = r.oid AND t.attnum = pair.here
	WHERE EXISTS (SELECT FROM tenant_column u
		WHERE u.attrelid = k.confrelid AND u.attnum = pair.there)
	OR k.confrelid = to_regclass('public.organizations'))`},

	{"index", "a policy reads it past all other organizations' entries: begin with " +
		"organization_id", `
SELECT i.indexrelid::regclass::text
FROM relation r JOIN pg_index i ON i.indrelid = r.oid
WHERE r.relkind IN ('r', 'p', 'm') AND NOT EXISTS (SELECT FROM pg_inherits h
	WHERE h.inhrelid = i.indexrelid)
AND NOT EXISTS (SELECT FROM tenant_column t WHERE t.attrelid = r.oid AND t.attnum = i.indkey[0])
AND ((NOT i.indisunique AND NOT i.indisexclusion)
	OR EXISTS (SELECT FROM tenant_column t WHERE t.attrelid = r.oid
		AND t.attnum = ANY (i.indkey[0:i.indnkeyatts - 1])))`},

	{"index-missing", "each query reads every organization's rows: a primary key or an index " +
		"that begins with organization_id", `
SELECT b.name FROM base b JOIN tenant_column t ON t.attrelid = b.oid
WHERE NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = b.oid AND i.indisvalid
	AND i.indpred IS NULL AND i.indkey[0] = t.attnum)`},

	{"partition-policy", "whoever comes through the parent never meets it, so it only looks like " +
		"protection: policies belong to the parent", `
SELECT r.name || '.' || quote_ident(p.polname) FROM relation r
	JOIN pg_policy p ON p.polrelid = r.oid WHERE r.relispartition`},

	{"partition-grant", "the parent's policies do not bind whoever reads the partition itself: " +
		"access through the parent needs no grant on it", `
SELECT DISTINCT name || ' ' || verb || ' TO ' || CASE WHEN grantee = 0 THEN 'PUBLIC'
	ELSE grantee::regrole::text END FROM access WHERE relispartition`},

	{"publication", "logical replication copies every organization's rows past all policies", `
SELECT pubname::text FROM pg_publication`},
}
