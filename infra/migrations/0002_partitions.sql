-- +goose Up

-- Tables whose rows end with their day, week or month. Their partitions have row-level security enabled, not
-- forced, with no policy and no grant: entries come through the parent, whose policies bind them,
-- and the functions below move rows by the partition's own name.
CREATE TABLE partitioned_tables (
	name       text PRIMARY KEY, -- in schema public, partitioned by a range of one timestamptz
	maintainer text NOT NULL,    -- the entry's role that may make and drop its partitions
	-- what one partition holds: from midnight UTC, a week from Monday
	period     text NOT NULL DEFAULT 'week' CHECK (period IN ('day', 'week', 'month'))
);
ALTER TABLE partitioned_tables ENABLE ROW LEVEL SECURITY;

-- partitioned_table finds the table for the two functions below, and refuses whoever is neither its
-- maintainer nor the owner.
-- +goose StatementBegin
CREATE FUNCTION partitioned_table(table_name text, OUT parent regclass, OUT key name,
	OUT rest regclass, OUT period text)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	SELECT format('public.%I', t.name)::regclass, t.period INTO parent, period
	FROM public.partitioned_tables t
	WHERE t.name = table_name AND (t.maintainer = session_user
		OR pg_has_role(session_user, current_user, 'MEMBER'));
	IF parent IS NULL THEN
		RAISE insufficient_privilege
			USING MESSAGE = format('%s does not maintain partitions of %s', session_user,
			table_name);
	END IF;
	SELECT a.attname, nullif(p.partdefid, 0)::regclass INTO STRICT key, rest
	FROM pg_partitioned_table p JOIN pg_attribute a ON a.attrelid = p.partrelid
		AND a.attnum = p.partattrs[0]
	WHERE p.partrelid = parent;
END $$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION partitioned_table(text) FROM PUBLIC;

-- make_partitions makes those that are missing of the running period and of as many to come, and
-- returns how many. What the default partition holds of such a period moves there. It is built aside and attached: CREATE … PARTITION OF would stop every reader of the
-- parent, and fails once the default has a row of the period.
-- +goose StatementBegin
CREATE FUNCTION make_partitions(table_name text, ahead integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	SET lock_timeout = '2s' SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
DECLARE
	t         record;
	step      interval;
	begins    timestamptz;
	ends      timestamptz;
	child     text;
	reference text;
	made      integer := 0;
BEGIN
	SELECT * INTO t FROM public.partitioned_table(table_name);
	IF ahead IS NULL OR ahead NOT BETWEEN 0 AND 52 THEN
		RAISE EXCEPTION 'ahead must be between 0 and 52';
	END IF;
	step := format('1 %s', t.period)::interval;
	FOR n IN 0 .. ahead LOOP
		begins := (date_trunc(t.period, now() AT TIME ZONE 'UTC') + n * step) AT TIME ZONE 'UTC';
		ends := (date_trunc(t.period, now() AT TIME ZONE 'UTC') + (n + 1) * step)
			AT TIME ZONE 'UTC';
		child := format('public.%I', table_name || to_char(begins AT TIME ZONE 'UTC', '_YYYYMMDD'));
		CONTINUE WHEN to_regclass(child) IS NOT NULL;
		-- another run may be making it
		EXECUTE format('LOCK TABLE ONLY %s IN SHARE UPDATE EXCLUSIVE MODE', t.parent);
		CONTINUE WHEN to_regclass(child) IS NOT NULL;
		EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', child,
			t.parent);
		EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', child);
		-- While it is empty: to check the rows of a table that is attached, Postgres reads the
		-- other one as its owner, whom policies bind.
		FOR reference IN SELECT pg_get_constraintdef(oid) FROM pg_constraint
			WHERE conrelid = t.parent AND contype = 'f' AND conparentid = 0 LOOP
			EXECUTE format('ALTER TABLE %s ADD %s', child, reference);
		END LOOP;
		IF t.rest IS NOT NULL THEN
			EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', t.rest);
			EXECUTE format('WITH moved AS (DELETE FROM %s WHERE %I >= %L AND %2$I < %4$L RETURNING *) INSERT INTO %5$s SELECT * FROM moved',
				t.rest, t.key, begins, ends, child);
		END IF;
		EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)', t.parent,
			child, begins, ends);
		made := made + 1;
	END LOOP;
	RETURN made;
END $$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION make_partitions(text, integer) FROM PUBLIC;

-- drop_partitions drops those that ended by a moment in the past, which no setting of the caller's
-- moves, with what the default partition holds from before it, and returns how many.
-- +goose StatementBegin
CREATE FUNCTION drop_partitions(table_name text, before timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	SET lock_timeout = '2s' SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
DECLARE
	t       record;
	child   regclass;
	dropped integer := 0;
BEGIN
	SELECT * INTO t FROM public.partitioned_table(table_name);
	IF before IS NULL OR before > now() THEN
		RAISE EXCEPTION 'what is not past cannot be dropped';
	END IF;
	FOR child IN
		SELECT c.oid FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = t.parent AND c.oid IS DISTINCT FROM t.rest
		AND substring(pg_get_expr(c.relpartbound, c.oid)
			FROM 'TO \(''([^'']+)''\)')::timestamptz <= before
		ORDER BY c.relname
	LOOP
		EXECUTE format('DROP TABLE %s', child);
		dropped := dropped + 1;
	END LOOP;
	IF t.rest IS NOT NULL THEN
		EXECUTE format('DELETE FROM %s WHERE %I < %L', t.rest, t.key, before);
	END IF;
	RETURN dropped;
END $$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION drop_partitions(text, timestamptz) FROM PUBLIC;

-- +goose Down
DROP FUNCTION drop_partitions(text, timestamptz);
DROP FUNCTION make_partitions(text, integer);
DROP FUNCTION partitioned_table(text);
DROP TABLE partitioned_tables;
