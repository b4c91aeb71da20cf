-- Every fact about a database that a migration can change, one a row, by name and never by number.
WITH ours AS (
	SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), relations AS (
	SELECT c.*, c.oid::regclass::text AS name FROM pg_class c JOIN ours ON ours.oid = c.relnamespace
)
SELECT concat_ws(' | ', 'schema', nspname, s.nspowner::regrole, s.nspacl::text) FROM pg_namespace s JOIN ours USING (oid, nspname)
UNION ALL
SELECT concat_ws(' | ', 'relation', name, relkind, relpersistence, relowner::regrole, relrowsecurity, relforcerowsecurity, relispartition,
	reloptions::text, relreplident, pg_get_partkeydef(oid), pg_get_expr(relpartbound, oid),
	(SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(relacl) a), obj_description(oid, 'pg_class'))
FROM relations
UNION ALL
SELECT concat_ws(' | ', 'column', r.name, a.attname, format_type(a.atttypid, a.atttypmod), a.attnum, a.attnotnull, a.attidentity, a.attgenerated,
	(SELECT collname FROM pg_collation WHERE oid = a.attcollation), pg_get_expr(d.adbin, d.adrelid), a.attacl::text, col_description(r.oid, a.attnum))
FROM relations r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped AND r.relkind NOT IN ('i', 'I')
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
UNION ALL
SELECT concat_ws(' | ', 'constraint', conrelid::regclass, conname, pg_get_constraintdef(c.oid), convalidated) FROM pg_constraint c JOIN ours ON ours.oid = connamespace
UNION ALL
SELECT concat_ws(' | ', 'index', pg_get_indexdef(i.indexrelid), indisvalid, indisunique) FROM pg_index i JOIN relations r ON r.oid = i.indexrelid
UNION ALL
SELECT concat_ws(' | ', 'policy', p.polrelid::regclass, polname, polpermissive, polcmd,
	(SELECT string_agg(role::regrole::text, ',' ORDER BY role::regrole::text) FROM unnest(polroles) role),
	pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
FROM pg_policy p
UNION ALL
SELECT concat_ws(' | ', 'function', f.oid::regprocedure, proowner::regrole, prosecdef, provolatile, proparallel, proconfig::text, proacl::text,
	md5(pg_get_functiondef(f.oid)), obj_description(f.oid, 'pg_proc'))
FROM pg_proc f JOIN ours ON ours.oid = f.pronamespace WHERE prokind IN ('f', 'p')
UNION ALL
SELECT concat_ws(' | ', 'trigger', pg_get_triggerdef(oid), tgenabled) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL
SELECT concat_ws(' | ', 'view', name, md5(pg_get_viewdef(oid))) FROM relations WHERE relkind IN ('v', 'm')
UNION ALL
SELECT concat_ws(' | ', 'rule', pg_get_ruledef(w.oid)) FROM pg_rewrite w JOIN relations r ON r.oid = w.ev_class WHERE r.relkind NOT IN ('v', 'm')
UNION ALL
SELECT concat_ws(' | ', 'type', t.oid::regtype, typtype, typowner::regrole, typacl::text, format_type(typbasetype, typtypmod), typdefault,
	(SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid))
FROM pg_type t JOIN ours ON ours.oid = t.typnamespace
UNION ALL
SELECT concat_ws(' | ', 'sequence', seqrelid::regclass, format_type(seqtypid, NULL), seqstart, seqincrement, seqmax, seqmin, seqcache, seqcycle) FROM pg_sequence
UNION ALL
SELECT concat_ws(' | ', 'extension', extname, extversion) FROM pg_extension
UNION ALL
SELECT concat_ws(' | ', 'statistics', pg_get_statisticsobjdef(x.oid)) FROM pg_statistic_ext x JOIN ours ON ours.oid = x.stxnamespace
UNION ALL
SELECT concat_ws(' | ', 'default grant', d.defaclrole::regrole, defaclobjtype, defaclacl::text) FROM pg_default_acl d
UNION ALL
SELECT concat_ws(' | ', 'event trigger', evtname, evtevent, evtenabled) FROM pg_event_trigger
UNION ALL
SELECT concat_ws(' | ', 'publication', pubname) FROM pg_publication
UNION ALL
SELECT concat_ws(' | ', 'database', (SELECT string_agg(a::text, ',' ORDER BY a::text)
	FROM unnest(coalesce(datacl, acldefault('d', datdba))) a)) FROM pg_database WHERE datname = current_database()
UNION ALL
SELECT concat_ws(' | ', 'setting', setrole::regrole, setconfig::text) FROM pg_db_role_setting
ORDER BY 1
