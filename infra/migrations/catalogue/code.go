package catalogue

// codeRules are about what runs with rights that its caller does not have.
var codeRules = []rule{
	{"view", "it reads as its owner: CREATE VIEW … WITH (security_invoker = true)", `
SELECT name FROM relation WHERE relkind = 'v'
AND NOT EXISTS (SELECT FROM unnest(reloptions) o
	WHERE lower(o) IN ('security_invoker=true', 'security_invoker=on', 'security_invoker=yes',
	'security_invoker=1'))`},

	{"materialised-view", "no policy binds its readers: grant nothing on it", `
SELECT DISTINCT name || ' ' || verb || ' TO ' || CASE WHEN grantee = 0 THEN 'PUBLIC'
	ELSE grantee::regrole::text END FROM access WHERE relkind = 'm'`},

	{"rewrite-rule", "its actions run with the rights of the table's owner: use a trigger", `
SELECT r.name || '.' || quote_ident(w.rulename) FROM relation r
	JOIN pg_rewrite w ON w.ev_class = r.oid WHERE w.rulename <> '_RETURN'`},

	{"definer", "it runs with its owner's rights, as a trigger too: have its body reviewed, then " +
		"put it on the list", `
SELECT name FROM routine WHERE prosecdef`},

	{"definer-search-path", "its caller chooses which tables its names mean, at least by a " +
		"temporary one: SET search_path to fixed schemas, pg_temp last", `
SELECT name FROM routine WHERE prosecdef
AND NOT EXISTS (SELECT FROM unnest(proconfig) c
	WHERE c ~ '^search_path=("?[a-z_]+"?, *)*pg_temp$' AND c !~ 'pg_temp.*pg_temp')`},

	{"function-public", "everybody may call it: REVOKE ALL ON FUNCTION … FROM PUBLIC, then grant " +
		"it to the entry that needs it", `
SELECT name FROM routine WHERE prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
AND EXISTS (SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) a
	WHERE a.grantee = 0)`},

	{"leakproof", "the planner may show it rows before the policies have taken them away", `
SELECT name FROM routine WHERE proleakproof`},
}
