-- +goose Up

-- No entry needs a temporary table, which could fill the disk, and stand for one of ours where a
-- search path is not set.
-- +goose StatementBegin
DO $$ BEGIN
	EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
END $$;
-- +goose StatementEnd

-- The organization of the running transaction; NULL when none is set, and then no policy below is
-- true for any row. nullif: once a transaction-local setting has ended, it reads back as '' and not
-- as NULL.
-- +goose StatementBegin
CREATE FUNCTION current_organization_id() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('app.current_organization_id', true), '')::uuid;
-- +goose StatementEnd

-- protect_tenant_table puts a table with an organization_id under row-level security: nobody, its
-- owner included, sees or writes a row of another organization. Call it from a migration for any
-- table of the platform: SELECT protect_tenant_table('course_plans'). The policy compares with a
-- sub-select, so that the setting is read once for a statement and not once for a row.
-- +goose StatementBegin
CREATE FUNCTION protect_tenant_table(tenant_table regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
DECLARE
	weak text;
BEGIN
	IF NOT EXISTS (
		SELECT FROM pg_attribute
		WHERE attrelid = tenant_table AND attname = 'organization_id' AND atttypid = 'uuid'::regtype
			AND attnotnull AND NOT attisdropped
	) THEN
		RAISE EXCEPTION 'table % needs a column organization_id uuid NOT NULL before it can be protected', tenant_table;
	END IF;

	SELECT string_agg(quote_ident(polname), ', ' ORDER BY polname) INTO weak
	FROM pg_policy WHERE polrelid = tenant_table AND polpermissive
		AND polname <> 'tenant_isolation';
	IF weak IS NOT NULL THEN
		RAISE EXCEPTION 'table % has policies of its own (%), and policies add up: drop them before it can be protected', tenant_table, weak;
	END IF;

	IF NOT EXISTS (
		SELECT FROM pg_index i
		JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
		WHERE i.indrelid = tenant_table AND a.attname = 'organization_id' AND i.indisvalid
			AND i.indpred IS NULL
	) THEN
		IF pg_relation_size(tenant_table) + coalesce((SELECT sum(pg_relation_size(relid))
			FROM pg_partition_tree(tenant_table)), 0) > 0 THEN
			RAISE EXCEPTION 'table % has no index that begins with organization_id, and making one here would lock its users out meanwhile. First run, outside a transaction: CREATE INDEX CONCURRENTLY ON % (organization_id)',
				tenant_table, tenant_table;
		END IF;
		EXECUTE format('CREATE INDEX ON %s (organization_id)', tenant_table);
	END IF;

	EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', tenant_table);
	EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', tenant_table);
	EXECUTE format('DROP POLICY IF EXISTS tenant_isolation ON %s', tenant_table);
	EXECUTE format('CREATE POLICY tenant_isolation ON %s USING (organization_id = (SELECT current_organization_id()))
		WITH CHECK (organization_id = (SELECT current_organization_id()))', tenant_table);

	SELECT string_agg(name, ', ' ORDER BY name) INTO weak FROM (
		SELECT i.indexrelid::regclass::text AS name,
			ARRAY(SELECT i.indkey[n] FROM generate_series(0, i.indnkeyatts - 1) n) AS columns
		FROM pg_index i
		WHERE i.indrelid = tenant_table AND (i.indisunique OR i.indisexclusion)
		UNION ALL
		SELECT c.conname, c.conkey
		FROM pg_constraint c
		WHERE c.conrelid = tenant_table AND c.contype = 'f'
			AND c.confrelid NOT IN ('organizations'::regclass, 'users'::regclass)
	) k
	WHERE NOT EXISTS (
		SELECT FROM pg_attribute a
		WHERE a.attrelid = tenant_table AND a.attname = 'organization_id'
			AND a.attnum = ANY (k.columns)
	);
	IF weak IS NOT NULL THEN
		RAISE WARNING 'table %: % do not contain organization_id, so a writer can learn whether another organization''s row exists', tenant_table, weak;
	END IF;
END $$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION protect_tenant_table(regclass) FROM PUBLIC;

CREATE TABLE organizations (
	id                    uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	name                  text NOT NULL CHECK (name <> ''),
	slug                  text NOT NULL UNIQUE
		CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
	status                text NOT NULL DEFAULT 'active'
		CHECK (status IN ('active', 'suspended', 'trial', 'pending', 'cancelled')),
	subscription_tier     text NOT NULL DEFAULT 'free'
		CHECK (subscription_tier IN ('free', 'basic', 'professional', 'enterprise', 'education')),
	timezone              text NOT NULL DEFAULT 'UTC',
	settings              jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(settings) = 'object'),
	-- the longest that files and raw rows are kept; NULL: as their kinds say
	data_retention_days   integer CHECK (data_retention_days > 0),
	rate_limit_per_minute integer NOT NULL DEFAULT 600 CHECK (rate_limit_per_minute > 0),
	created_at            timestamptz NOT NULL DEFAULT now(),
	updated_at            timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE organizations ENABLE ROW LEVEL SECURITY;
ALTER TABLE organizations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON organizations USING (id = (SELECT current_organization_id())) WITH
	CHECK (id = (SELECT current_organization_id()));
-- infra/migrate finds an organization by its slug, and only then is one that it could enter.
CREATE POLICY owner_finds ON organizations FOR SELECT TO CURRENT_USER USING (true);

-- user_id is the id of the user whom an issuer calls subject, as tenant.UserID has it: a version 8
-- UUID (RFC 9562) of SHA-256 over both with a zero byte between, which a text cannot have.
-- +goose StatementBegin
CREATE FUNCTION user_id(issuer text, subject text) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
	SELECT encode(substring(set_byte(set_byte(h, 6, get_byte(h, 6) & 15 | 128), 8,
		get_byte(h, 8) & 63 | 128) FROM 1 FOR 16), 'hex')::uuid
	FROM sha256(convert_to(issuer, 'UTF8') || '\x00'::bytea || convert_to(subject, 'UTF8')) h
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION user_id(text, text) FROM PUBLIC;

-- The one global table: a person may belong to several organizations. An organization sees its own
-- members and nobody else.
CREATE TABLE users (
	id         uuid PRIMARY KEY,
	issuer     text NOT NULL CHECK (issuer <> ''),
	-- OpenID Connect Core 1.0, section 2
	subject    text NOT NULL CHECK (subject <> '' AND octet_length(subject) <= 255),
	email      text CHECK (octet_length(email) <= 320),
	created_at timestamptz NOT NULL DEFAULT now(),
	UNIQUE (issuer, subject),
	CHECK (id = public.user_id(issuer, subject))
);

CREATE TABLE memberships (
	organization_id uuid NOT NULL REFERENCES organizations,
	user_id         uuid NOT NULL REFERENCES users,
	role            text NOT NULL DEFAULT 'member' CHECK (role IN ('member', 'staff', 'admin')),
	created_at      timestamptz NOT NULL DEFAULT now(),
	-- out, and not let in again by a token alone; a row that is deleted may be
	removed_at      timestamptz,
	PRIMARY KEY (organization_id, user_id)
);
SELECT protect_tenant_table('memberships');

ALTER TABLE users ENABLE ROW LEVEL SECURITY;
ALTER TABLE users FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_members ON users FOR SELECT USING (
	EXISTS (SELECT FROM memberships m WHERE m.organization_id = (SELECT current_organization_id())
		AND m.user_id = users.id)
);
CREATE POLICY owner_writes ON users TO CURRENT_USER USING (true) WITH CHECK (true);

-- join_organization makes the signed-in user a member of the transaction's organization
-- (AUTH_JIT_MEMBERSHIP). It runs as the owner, because no entry may write users, and it tells
-- nothing: whether the user was known elsewhere shows in no result and no error. The id is not the
-- caller's to choose. pg_temp is last because it comes first where it is not named: a caller's
-- temporary table would stand for ours.
-- +goose StatementBegin
CREATE FUNCTION join_organization(new_issuer text, new_subject text, new_email text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
	INSERT INTO public.users (id, issuer, subject, email)
	VALUES (public.user_id(new_issuer, new_subject), new_issuer, new_subject, new_email) ON CONFLICT
		DO NOTHING;
	INSERT INTO public.memberships (organization_id, user_id)
	VALUES (public.current_organization_id(), public.user_id(new_issuer, new_subject)) ON CONFLICT
		DO NOTHING;
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION join_organization(text, text, text) FROM PUBLIC;

-- What an Idempotency-Key already made. A row is written in the transaction of its resource, so no
-- row ever means "still running".
CREATE TABLE idempotency_keys (
	organization_id uuid NOT NULL REFERENCES organizations,
	user_id         uuid NOT NULL,
	route           text NOT NULL,
	key             text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
	request_hash    bytea NOT NULL CHECK (length(request_hash) = 32),
	resource_id     uuid NOT NULL,
	created_at      timestamptz NOT NULL DEFAULT now(),
	expires_at      timestamptz NOT NULL DEFAULT now() + interval '24 hours',
	PRIMARY KEY (organization_id, user_id, route, key)
);
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);
SELECT protect_tenant_table('idempotency_keys');

-- GCRA: tat is the theoretical arrival time of the bucket's next request. UNLOGGED: after a crash
-- of Postgres every limit starts afresh, which lets through at most one burst and spares a WAL
-- write for each request.
CREATE UNLOGGED TABLE rate_limits (
	organization_id uuid NOT NULL,
	bucket          text NOT NULL,
	tat             timestamptz NOT NULL,
	PRIMARY KEY (organization_id, bucket)
) WITH (fillfactor = 50);
SELECT protect_tenant_table('rate_limits');

GRANT SELECT ON organizations, memberships TO satchel_file_api_http;
GRANT EXECUTE ON FUNCTION join_organization(text, text, text) TO satchel_file_api_http;
GRANT SELECT, INSERT, UPDATE ON idempotency_keys, rate_limits TO satchel_file_api_http;

-- Maintenance removes expired keys of every organization, and sees no other.
GRANT SELECT (expires_at), DELETE ON idempotency_keys TO satchel_file_api_maintenance;
CREATE POLICY maintenance_expired_read ON idempotency_keys FOR SELECT
	TO satchel_file_api_maintenance USING (expires_at < now());
CREATE POLICY maintenance_expired_delete ON idempotency_keys FOR DELETE
	TO satchel_file_api_maintenance USING (expires_at < now());

-- A limit whose bucket is empty again says the same as none.
GRANT SELECT (tat), DELETE ON rate_limits TO satchel_file_api_maintenance;
CREATE POLICY maintenance_expired_read ON rate_limits FOR SELECT
	TO satchel_file_api_maintenance USING (tat < now());
CREATE POLICY maintenance_expired_delete ON rate_limits FOR DELETE
	TO satchel_file_api_maintenance USING (tat < now());

-- +goose Down
DROP TABLE rate_limits, idempotency_keys;
DROP FUNCTION join_organization(text, text, text);
DROP POLICY tenant_members ON users;
DROP TABLE memberships, users, organizations;
DROP FUNCTION user_id(text, text);
DROP FUNCTION protect_tenant_table(regclass);
DROP FUNCTION current_organization_id();
-- +goose StatementBegin
DO $$ BEGIN
	EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO PUBLIC', current_database());
END $$;
-- +goose StatementEnd
