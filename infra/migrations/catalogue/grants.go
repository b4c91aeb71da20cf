package catalogue

// grantRules are about who was given what. Whether an entry needs a grant that it has is a question
// to its SQL, which the tests ask.
var grantRules = []rule{
	{"grant-public", "every role of the cluster has it: grant to the entry that needs it", `
SELECT DISTINCT name || ' ' || verb FROM access
	WHERE grantee = 0 AND NOT relispartition AND relkind <> 'm'`},

	{"grant-stranger", "only entries reach data, each by its own role", `
SELECT DISTINCT name || ' ' || verb || ' TO ' || grantee::regrole FROM access
WHERE grantee <> 0 AND grantee NOT IN (SELECT oid FROM entry) AND NOT relispartition
	AND relkind <> 'm'
UNION
SELECT f.name || ' EXECUTE TO ' || a.grantee::regrole FROM routine f CROSS
	JOIN aclexplode(f.proacl) a
WHERE a.grantee NOT IN (0, f.proowner) AND a.grantee NOT IN (SELECT oid FROM entry)`},

	{"grant-verb", "row-level security does not bind TRUNCATE, and no entry defines triggers or " +
		"references: SELECT, INSERT, UPDATE and DELETE are all there is to grant", `
SELECT DISTINCT name || ' ' || verb || ' TO ' || grantee::regrole FROM access
WHERE grantee IN (SELECT oid FROM entry) AND relkind <> 'S'
	AND verb NOT IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')`},

	{"grant-option", "an entry could hand it on", `
SELECT DISTINCT name || ' ' || verb || ' TO ' || grantee::regrole FROM access
	WHERE grantee IN (SELECT oid FROM entry) AND is_grantable
UNION
SELECT f.name || ' EXECUTE TO ' || a.grantee::regrole FROM routine f CROSS
	JOIN aclexplode(f.proacl) a
WHERE a.grantee IN (SELECT oid FROM entry) AND a.is_grantable`},

	{"append-only", "what was logged must stay as it was: SELECT and INSERT are all there is to " +
		"grant", `
SELECT DISTINCT name || ' ' || verb || ' TO ' || grantee::regrole FROM access
WHERE oid IN (to_regclass('public.file_access_logs'), to_regclass('public.file_access_origins'))
	AND grantee IN (SELECT oid FROM entry) AND verb IN ('UPDATE', 'DELETE')`},

	{"endless", "rows go in and none ever goes out: grant DELETE to the entry that ends them, let " +
		"them go with what they belong to (ON DELETE CASCADE), or partition the table and name " +
		"who drops its partitions in partitioned_tables", `
SELECT name FROM base
WHERE oid NOT IN (SELECT to_regclass('public.' || quote_ident(p.name))
	FROM public.partitioned_tables p)
AND (relkind = 'p' OR oid IN (SELECT a.oid FROM access a JOIN entry e ON e.oid = a.grantee
		WHERE a.verb = 'INSERT')
	AND oid NOT IN (SELECT a.oid FROM access a JOIN entry e ON e.oid = a.grantee
		WHERE a.verb = 'DELETE')
	AND oid NOT IN (SELECT conrelid FROM pg_constraint
		WHERE contype = 'f' AND confdeltype = 'c'))`},

	{"sequence", "a counter that organizations share tells each how much the others do: use " +
		"uuids, or an identity column, which needs no grant", `
SELECT DISTINCT name || ' ' || verb || ' TO ' || grantee::regrole FROM access
	WHERE relkind = 'S' AND grantee IN (SELECT oid FROM entry)`},

	{"default-privileges", "a table to come would be open before anybody looked at it", `
SELECT DISTINCT format('%s of %s in %s TO %s', d.defaclobjtype, d.defaclrole::regrole, CASE
	WHEN d.defaclnamespace = 0 THEN 'all schemas' ELSE d.defaclnamespace::regnamespace::text END,
	CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END)
FROM pg_default_acl d CROSS JOIN aclexplode(d.defaclacl) a WHERE a.grantee <> d.defaclrole`},

	{"schema-create", "an entry could put a function or table of its own where others are looked " +
		"for: REVOKE CREATE ON SCHEMA … FROM PUBLIC", `
SELECT s.nspname || ' ' || e.name FROM schema s CROSS JOIN entry e
	WHERE has_schema_privilege(e.oid, s.oid, 'CREATE')`},

	{"schema-usage", "entries live in public; everything else is the owner's", `
SELECT s.nspname || ' ' || e.name FROM schema s CROSS JOIN entry e
	WHERE s.nspname <> 'public' AND has_schema_privilege(e.oid, s.oid, 'USAGE')`},

	{"database-create", "an entry could make schemas", `
SELECT name FROM entry WHERE has_database_privilege(oid, current_database(), 'CREATE')`},
}

// roleRules are about the entries' roles themselves, which belong to the cluster.
var roleRules = []rule{
	{"role-missing", "migrations make it", `
SELECT name FROM unnest($1::text[]) name WHERE name NOT IN (SELECT name FROM entry)`},

	{"role-power", "an entry that is more than an ordinary role can pass by the policies, or " +
		"make a role that does", `
SELECT e.name || ' ' || power.word
FROM entry e JOIN pg_roles r USING (oid)
CROSS JOIN LATERAL (VALUES (r.rolsuper, 'SUPERUSER'), (r.rolbypassrls, 'BYPASSRLS'),
	(r.rolcreatedb, 'CREATEDB'), (r.rolcreaterole, 'CREATEROLE'),
	(r.rolreplication, 'REPLICATION'), (r.rolinherit, 'INHERIT')) power (has, word)
WHERE power.has`},

	{"role-member", "it can become that role (only rds_iam, with which RDS signs in, gives " +
		"nothing else)", `
SELECT e.name || ' in ' || m.roleid::regrole FROM entry e JOIN pg_auth_members m ON m.member = e.oid
	WHERE m.roleid::regrole::text <> 'rds_iam'`},

	{"role-owns", "an owner can switch the policies off", `
SELECT DISTINCT e.name || ' ' || pg_describe_object(d.classid, d.objid, 0) FROM entry e
JOIN pg_shdepend d ON d.refclassid = 'pg_authid'::regclass AND d.refobjid = e.oid
	AND d.deptype = 'o'
AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())`},

	{"setting", "a default of this kind changes what the policies see, or whether triggers and " +
		"references hold", `
SELECT CASE WHEN s.setrole = 0 THEN 'everybody'
	ELSE s.setrole::regrole::text END || ' ' || split_part(setting, '=', 1)
FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) setting
WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
	AND (s.setrole = 0 OR s.setrole IN (SELECT oid FROM entry))
AND setting ~* '^(app\.|row_security=|session_replication_role=|search_path=|role=)'`},

	{"parameter-grant", "an entry could switch off triggers and references " +
		"(session_replication_role), or worse", `
SELECT p.parname || ' ' || a.privilege_type || ' TO ' || CASE WHEN a.grantee = 0 THEN 'PUBLIC'
	ELSE a.grantee::regrole::text END
FROM pg_parameter_acl p CROSS JOIN aclexplode(p.paracl) a
	WHERE a.grantee = 0 OR a.grantee IN (SELECT oid FROM entry)`},
}
