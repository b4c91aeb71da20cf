-- +goose Up

-- organizations.timezone decides what a day is. A name that Postgres does not list would be taken
-- all the same: FOO+3 means three hours west.
-- +goose StatementBegin
CREATE FUNCTION organization_timezone() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF NEW.timezone ~ '^(posix|right)/'
		OR NOT EXISTS (SELECT FROM pg_timezone_names WHERE name = NEW.timezone) THEN
		RAISE EXCEPTION 'there is no time zone %', NEW.timezone USING ERRCODE = 'check_violation',
			HINT = 'Use a name of pg_timezone_names, for example Europe/Berlin.';
	END IF;
	RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER timezone_exists BEFORE INSERT OR UPDATE OF timezone ON organizations
	FOR EACH ROW WHEN (NEW.timezone <> 'UTC') EXECUTE FUNCTION organization_timezone();

-- Tasks that have not ended: what is running, and what a partition would take with it.
CREATE INDEX agent_executions_open ON agent_executions (organization_id, created_at)
	WHERE ended_at IS NULL;

-- What the triggers below know of an agent, by bucket_clock and not by the platform's: since when
-- it has its status and type, when it was last heard of, and when its last silence ended.
ALTER TABLE agent_instances
	ADD COLUMN changed_at        timestamptz NOT NULL DEFAULT now(),
	ADD COLUMN heartbeat_seen_at timestamptz,
	ADD COLUMN silent_until      timestamptz;

-- Append-only: each change of an agent's status or type, and each silence of more than two minutes
-- once it ended.
CREATE TABLE agent_presence (
	organization_id   uuid NOT NULL,
	agent_instance_id uuid NOT NULL,
	at                timestamptz NOT NULL,
	was               text, -- NULL: the agent is new
	was_type          text,
	status            text NOT NULL, -- as in agent_instances, or deleted
	agent_type        text NOT NULL,
	silent_from       timestamptz, -- of a silence that ended at this moment; NULL: a change
	id                uuid NOT NULL DEFAULT gen_random_uuid(),
	PRIMARY KEY (organization_id, agent_instance_id, at, id)
) PARTITION BY RANGE (at);
CREATE INDEX agent_presence_by_time ON agent_presence (at);
CREATE INDEX agent_presence_deleted ON agent_presence (at) WHERE status = 'deleted';
SELECT protect_tenant_table('agent_presence');
CREATE POLICY owner_notes ON agent_presence FOR INSERT TO CURRENT_USER WITH CHECK (true);
CREATE TABLE agent_presence_default PARTITION OF agent_presence DEFAULT;
ALTER TABLE agent_presence_default ENABLE ROW LEVEL SECURITY;

-- +goose StatementBegin
CREATE FUNCTION agent_instance_seen() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	now_is timestamptz := public.bucket_clock();
BEGIN
	IF TG_OP = 'INSERT' THEN
		NEW.changed_at := now_is;
		NEW.heartbeat_seen_at := CASE WHEN NEW.last_heartbeat IS NOT NULL THEN now_is END;
		NEW.silent_until := NULL;
		RETURN NEW;
	END IF;
	IF (NEW.organization_id, NEW.id) IS DISTINCT FROM (OLD.organization_id, OLD.id) THEN
		RAISE EXCEPTION 'organization_id and id of an agent do not change'
			USING ERRCODE = 'restrict_violation';
	END IF;
	-- an agent's changes are in order, also where the clock was set back
	now_is := greatest(now_is, OLD.changed_at, OLD.heartbeat_seen_at);
	NEW.changed_at := OLD.changed_at;
	IF (NEW.status, NEW.agent_type) IS DISTINCT FROM (OLD.status, OLD.agent_type) THEN
		NEW.changed_at := now_is;
	END IF;
	NEW.heartbeat_seen_at := OLD.heartbeat_seen_at;
	NEW.silent_until := OLD.silent_until;
	IF NEW.last_heartbeat <> OLD.last_heartbeat OR OLD.last_heartbeat IS NULL
		AND NEW.last_heartbeat IS NOT NULL THEN
		NEW.heartbeat_seen_at := now_is;
		IF OLD.heartbeat_seen_at < now_is - interval '2 minutes' THEN
			NEW.silent_until := now_is;
		END IF;
	END IF;
	RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER seen BEFORE INSERT OR UPDATE ON agent_instances
	FOR EACH ROW EXECUTE FUNCTION agent_instance_seen();

-- +goose StatementBegin
CREATE FUNCTION agent_instances_inserted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	INSERT INTO public.agent_presence (organization_id, agent_instance_id, at, status, agent_type)
	SELECT organization_id, id, changed_at, status, agent_type FROM new_rows;
	RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER inserted AFTER INSERT ON agent_instances REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION agent_instances_inserted();

-- +goose StatementBegin
CREATE FUNCTION agent_instances_updated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	INSERT INTO public.agent_presence
		(organization_id, agent_instance_id, at, was, was_type, status, agent_type, silent_from)
	SELECT n.organization_id, n.id, n.changed_at, o.status, o.agent_type, n.status, n.agent_type,
		NULL
	FROM new_rows n JOIN old_rows o USING (organization_id, id)
	WHERE n.changed_at <> o.changed_at
	UNION ALL
	SELECT n.organization_id, n.id, n.silent_until, o.status, o.agent_type, n.status, n.agent_type,
		o.heartbeat_seen_at
	FROM new_rows n JOIN old_rows o USING (organization_id, id)
	WHERE n.silent_until IS DISTINCT FROM o.silent_until;
	RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER updated AFTER UPDATE ON agent_instances
	REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION agent_instances_updated();

-- +goose StatementBegin
CREATE FUNCTION agent_instances_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	now_is timestamptz := public.bucket_clock();
BEGIN
	INSERT INTO public.agent_presence
		(organization_id, agent_instance_id, at, was, was_type, status, agent_type, silent_from)
	SELECT organization_id, id, greatest(now_is, changed_at), status, agent_type, 'deleted',
		agent_type, NULL
	FROM old_rows
	UNION ALL
	SELECT organization_id, id, now_is, status, agent_type, status, agent_type, heartbeat_seen_at
	FROM old_rows WHERE heartbeat_seen_at < now_is - interval '2 minutes';
	RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER deleted AFTER DELETE ON agent_instances REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION agent_instances_deleted();

-- What waits to be executed. When a task came and when it left is by bucket_clock, so that the
-- length of the queue at any moment can be counted again; the platform therefore keeps the row of a
-- task that left, until it is deleted with the raw rows.
CREATE TABLE agent_task_queue (
	organization_id uuid NOT NULL REFERENCES organizations,
	id              uuid NOT NULL DEFAULT gen_random_uuid(),
	task_id         text NOT NULL CHECK (length(task_id) BETWEEN 1 AND 200),
	agent_type      text NOT NULL CHECK (length(agent_type) BETWEEN 1 AND 100),
	task_type       text NOT NULL CHECK (length(task_type) BETWEEN 1 AND 100),
	priority        text NOT NULL DEFAULT 'normal'
	                CHECK (priority IN ('low', 'normal', 'high', 'urgent', 'critical')),
	status          text NOT NULL DEFAULT 'queued'
		CHECK (status IN ('queued', 'taken', 'cancelled')),
	queued_at       timestamptz NOT NULL DEFAULT now(),
	left_at         timestamptz,
	PRIMARY KEY (organization_id, id),
	CHECK ((status = 'queued') = (left_at IS NULL))
);
CREATE INDEX agent_task_queue_waiting ON agent_task_queue (organization_id, queued_at)
	WHERE left_at IS NULL;
CREATE INDEX agent_task_queue_left ON agent_task_queue (left_at) WHERE left_at IS NOT NULL;
SELECT protect_tenant_table('agent_task_queue');

-- +goose StatementBegin
CREATE FUNCTION agent_task_moves() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF TG_OP = 'INSERT' THEN
		NEW.queued_at := public.bucket_clock();
		NEW.left_at := CASE WHEN NEW.status <> 'queued' THEN NEW.queued_at END;
		RETURN NEW;
	END IF;
	IF (NEW.organization_id, NEW.id) IS DISTINCT FROM (OLD.organization_id, OLD.id) THEN
		RAISE EXCEPTION 'organization_id and id of a queued task do not change'
			USING ERRCODE = 'restrict_violation';
	END IF;
	IF OLD.status <> 'queued' AND NEW.status = 'queued' THEN
		RAISE EXCEPTION 'a task that left the queue comes back as a new row'
			USING ERRCODE = 'restrict_violation';
	END IF;
	NEW.queued_at := OLD.queued_at;
	NEW.left_at := OLD.left_at;
	IF NEW.status <> 'queued' AND OLD.left_at IS NULL THEN
		NEW.left_at := public.bucket_clock();
	END IF;
	RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER moves BEFORE INSERT OR UPDATE ON agent_task_queue
	FOR EACH ROW EXECUTE FUNCTION agent_task_moves();

-- Bytes that came in, went out or were removed for good, written in the transaction of the fact.
-- Append-only, so that deleting a file does not rewrite what was used.
CREATE TABLE file_transfers (
	organization_id uuid NOT NULL,
	file_id         uuid NOT NULL,
	direction       text NOT NULL CHECK (direction IN ('in', 'out', 'removed')),
	bytes           bigint NOT NULL CHECK (bytes >= 0),
	scanned         boolean NOT NULL DEFAULT false,
	quarantined     boolean NOT NULL DEFAULT false,
	stored_bytes    bigint, -- what the organization stores after it; NULL where it changes nothing
	stored_files    integer,
	at              timestamptz NOT NULL DEFAULT bucket_clock(),
	id              uuid NOT NULL DEFAULT gen_random_uuid(),
	PRIMARY KEY (organization_id, at, id)
) PARTITION BY RANGE (at);
SELECT protect_tenant_table('file_transfers');
CREATE TABLE file_transfers_default PARTITION OF file_transfers DEFAULT;
ALTER TABLE file_transfers_default ENABLE ROW LEVEL SECURITY;

-- Usage is counted by the clock of the buckets: an attempt whose transaction began before a bucket
-- was over and got its number after it would be lost.
ALTER TABLE notification_attempts ALTER COLUMN attempted_at SET DEFAULT bucket_clock();

-- Metrics. What is stored is sums of whole numbers (microseconds, millionths) and counts, which add
-- up the same in any order; averages and rates follow from them. Five-minute rows are computed from
-- executions, hours and days of the organization's time zone merged from those. No foreign keys:
-- rows end in bulk. Percentiles are exact in five-minute rows and in any of up to 256 values,
-- otherwise within 1 %.
CREATE TABLE agent_metrics (
	organization_id         uuid NOT NULL,
	agent_instance_id       uuid NOT NULL,
	agent_type              text NOT NULL,
	granularity             text NOT NULL CHECK (granularity IN ('5m', '1h', '1d')),
	period_start            timestamptz NOT NULL,
	period_end              timestamptz NOT NULL CHECK (period_end > period_start),
	period_duration_minutes integer NOT NULL
		GENERATED ALWAYS AS ((extract(epoch FROM period_end - period_start) / 60)::integer) STORED,
	tasks_completed         bigint NOT NULL DEFAULT 0,
	tasks_failed            bigint NOT NULL DEFAULT 0,
	tasks_cancelled         bigint NOT NULL DEFAULT 0,
	total_tasks             bigint NOT NULL
		GENERATED ALWAYS AS (tasks_completed + tasks_failed + tasks_cancelled) STORED,
	success_rate            double precision
		-- per cent
		GENERATED ALWAYS AS (100::float8 * tasks_completed / nullif(tasks_completed + tasks_failed,
			0)) STORED,
	error_rate              double precision
		GENERATED ALWAYS AS (100::float8 * tasks_failed / nullif(tasks_completed + tasks_failed,
			0)) STORED,
	execution_us            bigint NOT NULL DEFAULT 0,
	execution_count         bigint NOT NULL DEFAULT 0,
	average_execution_time  double precision
		-- seconds
		GENERATED ALWAYS AS (execution_us::float8 / 1e6 / nullif(execution_count, 0)) STORED,
	median_us               bigint,
	p95_us                  bigint,
	p99_us                  bigint,
	median_execution_time   double precision GENERATED ALWAYS AS (median_us::float8 / 1e6) STORED,
	p95_execution_time      double precision GENERATED ALWAYS AS (p95_us::float8 / 1e6) STORED,
	p99_execution_time      double precision GENERATED ALWAYS AS (p99_us::float8 / 1e6) STORED,
	execution_values        bigint[],   -- sorted microseconds, up to 256 of them
	-- of more: the number n of each bin (1.02^(n-1), 1.02^n] that holds any
	execution_bins          smallint[],
	execution_counts        bigint[],   -- and how many it holds
	tasks_per_minute        double precision
		GENERATED ALWAYS AS ((tasks_completed + tasks_failed + tasks_cancelled) * 60::float8
			/ extract(epoch FROM period_end - period_start)::float8) STORED,
	tasks_per_hour          double precision
		GENERATED ALWAYS AS ((tasks_completed + tasks_failed + tasks_cancelled) * 3600::float8
			/ extract(epoch FROM period_end - period_start)::float8) STORED,
	quality_sum             bigint NOT NULL DEFAULT 0,
	quality_count           bigint NOT NULL DEFAULT 0,
	average_quality_score   double precision
		GENERATED ALWAYS AS (quality_sum::float8 / 1e6 / nullif(quality_count, 0)) STORED,
	confidence_sum          bigint NOT NULL DEFAULT 0,
	confidence_count        bigint NOT NULL DEFAULT 0,
	average_confidence_score double precision
		GENERATED ALWAYS AS (confidence_sum::float8 / 1e6 / nullif(confidence_count, 0)) STORED,
	rating_sum              bigint NOT NULL DEFAULT 0,
	rating_count            bigint NOT NULL DEFAULT 0,
	average_user_rating     double precision
		GENERATED ALWAYS AS (rating_sum::float8 / 1e6 / nullif(rating_count, 0)) STORED,
	memory_sum              bigint NOT NULL DEFAULT 0,
	memory_count            bigint NOT NULL DEFAULT 0,
	memory_peak             bigint NOT NULL DEFAULT 0,
	average_memory_usage_mb double precision
		GENERATED ALWAYS AS (memory_sum::float8 / 1e6 / nullif(memory_count, 0)) STORED,
	peak_memory_usage_mb    double precision
		GENERATED ALWAYS AS (CASE WHEN memory_count > 0 THEN memory_peak::float8 / 1e6 END) STORED,
	cpu_sum                 bigint NOT NULL DEFAULT 0,
	cpu_count               bigint NOT NULL DEFAULT 0,
	cpu_peak                bigint NOT NULL DEFAULT 0,
	average_cpu_usage_percent double precision
		GENERATED ALWAYS AS (cpu_sum::float8 / 1e6 / nullif(cpu_count, 0)) STORED,
	peak_cpu_usage_percent  double precision
		GENERATED ALWAYS AS (CASE WHEN cpu_count > 0 THEN cpu_peak::float8 / 1e6 END) STORED,
	registered_us           bigint NOT NULL DEFAULT 0, -- time that the agent was known
	in_service_us           bigint NOT NULL DEFAULT 0, -- of it, not declared offline
	up_us                   bigint NOT NULL DEFAULT 0, -- of that, heard of
	-- of that, able to take work: idle, busy, processing or waiting
	available_us            bigint NOT NULL DEFAULT 0,
	uptime_percentage       double precision
		GENERATED ALWAYS AS (100::float8 * up_us / nullif(registered_us, 0)) STORED,
	availability_percentage double precision
		GENERATED ALWAYS AS (100::float8 * available_us / nullif(in_service_us, 0)) STORED,
	custom_metrics          jsonb NOT NULL DEFAULT '{}' -- the platform's own
	                        CHECK (jsonb_typeof(custom_metrics) = 'object'),
	PRIMARY KEY (organization_id, granularity, period_start, agent_instance_id, agent_type)
);
CREATE INDEX agent_metrics_by_agent ON agent_metrics (organization_id, agent_instance_id,
	granularity, period_start);
-- A bucket is computed for all organizations at once.
CREATE INDEX agent_metrics_by_bucket ON agent_metrics (period_start) WHERE granularity = '5m';
SELECT protect_tenant_table('agent_metrics');

-- An organization as a whole: the sum of its agents, the length of its queue, and the health that
-- follows from the last hour.
CREATE TABLE system_health (
	organization_id  uuid NOT NULL,
	granularity      text NOT NULL CHECK (granularity IN ('5m', '1h')),
	period_start     timestamptz NOT NULL,
	period_end       timestamptz NOT NULL CHECK (period_end > period_start),
	tasks_completed  bigint NOT NULL DEFAULT 0,
	tasks_failed     bigint NOT NULL DEFAULT 0,
	tasks_cancelled  bigint NOT NULL DEFAULT 0,
	execution_us     bigint NOT NULL DEFAULT 0,
	execution_count  bigint NOT NULL DEFAULT 0,
	execution_values bigint[],
	execution_bins   smallint[],
	execution_counts bigint[],
	p95_us           bigint,
	registered_us    bigint NOT NULL DEFAULT 0,
	in_service_us    bigint NOT NULL DEFAULT 0,
	up_us            bigint NOT NULL DEFAULT 0,
	available_us     bigint NOT NULL DEFAULT 0,
	-- at the end of five minutes; the highest of an hour
	queue_length     bigint NOT NULL DEFAULT 0,
	success_rate     double precision
		GENERATED ALWAYS AS (100::float8 * tasks_completed / nullif(tasks_completed + tasks_failed,
			0)) STORED,
	error_rate       double precision
		GENERATED ALWAYS AS (100::float8 * tasks_failed / nullif(tasks_completed + tasks_failed,
			0)) STORED,
	availability_percentage double precision
		GENERATED ALWAYS AS (100::float8 * available_us / nullif(in_service_us, 0)) STORED,
	average_execution_time  double precision
		GENERATED ALWAYS AS (execution_us::float8 / 1e6 / nullif(execution_count, 0)) STORED,
	health_score     double precision,
	status           text CHECK (status IN ('healthy', 'degraded', 'critical', 'no_data')),
	reasons          text[] NOT NULL DEFAULT '{}',
	PRIMARY KEY (organization_id, granularity, period_start)
);
CREATE INDEX system_health_waiting ON system_health (period_start)
	WHERE granularity = '5m' AND queue_length > 0;
SELECT protect_tenant_table('system_health');

-- All organizations together, for whoever operates the platform: satchel_operator, or a role that
-- is a member of it (OPERATOR_ROLE).
CREATE TABLE platform_health (
	period_start    timestamptz PRIMARY KEY,
	period_end      timestamptz NOT NULL,
	organizations   integer NOT NULL,
	healthy         integer NOT NULL,
	degraded        integer NOT NULL,
	critical        integer NOT NULL,
	no_data         integer NOT NULL,
	tasks_completed bigint NOT NULL,
	tasks_failed    bigint NOT NULL,
	queue_length    bigint NOT NULL
);
ALTER TABLE platform_health ENABLE ROW LEVEL SECURITY;
ALTER TABLE platform_health FORCE ROW LEVEL SECURITY;

CREATE TABLE usage_metrics (
	organization_id         uuid NOT NULL,
	granularity             text NOT NULL CHECK (granularity IN ('5m', '1h', '1d')),
	period_start            timestamptz NOT NULL,
	period_end              timestamptz NOT NULL CHECK (period_end > period_start),
	files_in                bigint NOT NULL DEFAULT 0,
	bytes_in                bigint NOT NULL DEFAULT 0,
	files_out               bigint NOT NULL DEFAULT 0, -- links that were handed out
	bytes_out               bigint NOT NULL DEFAULT 0,
	files_removed           bigint NOT NULL DEFAULT 0,
	bytes_removed           bigint NOT NULL DEFAULT 0,
	stored_files            bigint, -- after the period's last change; NULL: none changed it
	stored_bytes            bigint,
	scans                   bigint NOT NULL DEFAULT 0,
	quarantined             bigint NOT NULL DEFAULT 0,
	notifications_delivered bigint NOT NULL DEFAULT 0,
	notifications_deferred  bigint NOT NULL DEFAULT 0,
	notifications_dead      bigint NOT NULL DEFAULT 0,
	executions              bigint NOT NULL DEFAULT 0, -- that ended
	PRIMARY KEY (organization_id, granularity, period_start)
);
SELECT protect_tenant_table('usage_metrics');

-- Five-minute rows that changed, append-only: the hours and days around them have to be merged
-- again.
CREATE TABLE metrics_changes (
	organization_id uuid NOT NULL,
	period_start    timestamptz NOT NULL,
	id              bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
	PRIMARY KEY (organization_id, period_start, id)
);
SELECT protect_tenant_table('metrics_changes');

-- A run of the aggregation, until no transaction from before it can still add to the buckets that
-- it was the first to compute. The newest stays: where it ended, the next begins.
CREATE TABLE aggregation_runs (
	-- a transaction that was given its number by the end of the buckets has a lower one
	horizon      xid8 PRIMARY KEY,
	first_bucket timestamptz NOT NULL,
	closed       timestamptz NOT NULL, -- the end of its last bucket
	-- false: it is at it, or was killed; what comes after begins at its first bucket
	computed     boolean NOT NULL
);
ALTER TABLE aggregation_runs ENABLE ROW LEVEL SECURITY;
ALTER TABLE aggregation_runs FORCE ROW LEVEL SECURITY;
CREATE POLICY runs ON aggregation_runs TO satchel_analytics_aggregation_run USING (true) WITH
	CHECK (true);
CREATE POLICY owner_begins ON aggregation_runs FOR INSERT TO CURRENT_USER WITH CHECK (true);
INSERT INTO aggregation_runs (horizon, first_bucket, closed, computed)
	VALUES (pg_current_xact_id(), bucket_of(now()), bucket_of(now()), true);

-- How far an organization's metrics are.
CREATE TABLE aggregation_tenants (
	organization_id  uuid PRIMARY KEY,
	timezone         text NOT NULL,        -- in which its hours and days were merged
	complete_through timestamptz NOT NULL, -- executions and usage before this are in the metrics
	-- buckets before this are final: their raw rows may be deleted
	sealed_before    timestamptz NOT NULL DEFAULT '-infinity'
);
SELECT protect_tenant_table('aggregation_tenants');
CREATE POLICY owner_reads ON aggregation_tenants FOR SELECT TO CURRENT_USER USING (true);

-- What was alerted, so that it is alerted once.
CREATE TABLE analytics_alerts (
	organization_id uuid NOT NULL,
	kind            text NOT NULL,
	started_at      timestamptz NOT NULL, -- of the episode
	created_at      timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (organization_id, kind, started_at)
);
SELECT protect_tenant_table('analytics_alerts');

-- What of raw rows may go, these two decide, and not their caller: what is sealed. They read
-- partitions by their names, since policies bind the owner where it comes through the parent and
-- would show it nothing.

-- drop_final_partitions drops the weeks that ended by a moment and of which every bucket is sealed,
-- with what the default partition holds from before it. Tasks that never ended go with their week,
-- and are counted. It fires no trigger: nobody is told, and nothing is marked.
-- +goose StatementBegin
CREATE FUNCTION drop_final_partitions(table_name text, before timestamptz,
	OUT dropped integer, OUT kept integer, OUT abandoned bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	SET lock_timeout = '2s' SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
DECLARE
	t       record;
	child   regclass;
	sealed  timestamptz;
	open    boolean;
	without bigint;
BEGIN
	SELECT * INTO t FROM public.partitioned_table(table_name);
	-- an organization that was never brought up to date has sealed nothing
	SELECT min(coalesce(a.sealed_before, '-infinity')) INTO sealed
	FROM public.organizations o LEFT JOIN public.aggregation_tenants a ON a.organization_id = o.id;
	dropped := 0; kept := 0; abandoned := 0;
	IF before IS NULL OR sealed IS NULL OR NOT isfinite(sealed) THEN
		RETURN;
	END IF;
	before := least(before, sealed, now());
	IF table_name <> 'agent_executions' THEN
		dropped := public.drop_partitions(table_name, before);
		RETURN;
	END IF;
	FOR child IN
		SELECT c.oid FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = t.parent AND c.oid <> t.rest
		AND substring(pg_get_expr(c.relpartbound, c.oid)
			FROM 'TO \(''([^'']+)''\)')::timestamptz <= before
		ORDER BY c.relname
	LOOP
		EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', child);
		EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE ended_at >= $1)', child) INTO open
			USING sealed;
		IF open THEN -- a task of that week ended in a bucket that is not sealed yet
			kept := kept + 1;
			CONTINUE;
		END IF;
		EXECUTE format('SELECT count(*) FROM %s WHERE ended_at IS NULL', child) INTO without;
		abandoned := abandoned + without;
		EXECUTE format('DROP TABLE %s', child);
		dropped := dropped + 1;
	END LOOP;
	EXECUTE format('WITH gone AS (DELETE FROM %s WHERE created_at < $1 AND (ended_at IS NULL OR ended_at < $2)
		RETURNING ended_at) SELECT count(*) FROM gone WHERE ended_at IS NULL', t.rest)
		INTO without USING before, sealed;
	abandoned := abandoned + without;
END $$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION drop_final_partitions(text, timestamptz) FROM PUBLIC;

-- delete_final_executions deletes up to so many of an organization's executions whose buckets are
-- sealed, for one that keeps its data for a shorter time than others.
-- +goose StatementBegin
CREATE FUNCTION delete_final_executions(tenant uuid, most integer,
	OUT deleted bigint, OUT abandoned bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	SET lock_timeout = '2s' SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
DECLARE
	t      record;
	child  regclass;
	sealed timestamptz;
	gone   bigint;
	ended  bigint;
BEGIN
	SELECT * INTO t FROM public.partitioned_table('agent_executions');
	SELECT sealed_before INTO sealed FROM public.aggregation_tenants WHERE organization_id = tenant;
	deleted := 0; abandoned := 0;
	FOR child IN SELECT inhrelid FROM pg_inherits WHERE inhparent = t.parent LOOP
		EXIT WHEN deleted >= most;
		EXECUTE format('WITH gone AS (DELETE FROM %s WHERE ctid = ANY (ARRAY(
				SELECT ctid FROM %1$s WHERE organization_id = $1 AND created_at < $2
				AND (ended_at IS NULL OR ended_at < $2) LIMIT $3))
			RETURNING ended_at) SELECT count(*), count(ended_at) FROM gone', child)
			INTO gone, ended USING tenant, sealed, most - deleted;
		deleted := deleted + gone;
		abandoned := abandoned + gone - ended;
	END LOOP;
END $$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION delete_final_executions(uuid, integer) FROM PUBLIC;

INSERT INTO partitioned_tables (name, maintainer) VALUES
	('agent_presence', 'satchel_analytics_aggregation_run'),
	('file_transfers', 'satchel_analytics_aggregation_run');
SELECT make_partitions('agent_presence', 4), make_partitions('file_transfers', 4);

-- The run computes buckets of all organizations at once, from what it needs of executions and no
-- more.
GRANT SELECT (organization_id, agent_instance_id, agent_type, status, ended_at,
	execution_time_seconds,
	memory_usage_mb, cpu_usage_percent, quality_score, confidence_score, user_rating)
	ON agent_executions TO satchel_analytics_aggregation_run;
GRANT SELECT (organization_id, id, agent_type, status, changed_at, heartbeat_seen_at, silent_until)
	ON agent_instances TO satchel_analytics_aggregation_run;
GRANT SELECT (organization_id, queued_at, left_at), DELETE
	ON agent_task_queue TO satchel_analytics_aggregation_run;
GRANT SELECT, DELETE ON agent_presence TO satchel_analytics_aggregation_run;
GRANT SELECT (organization_id, bucket_start), DELETE
	ON agent_execution_changes TO satchel_analytics_aggregation_run;
GRANT SELECT (id, timezone, data_retention_days)
	ON organizations TO satchel_analytics_aggregation_run;
GRANT SELECT, INSERT, UPDATE, DELETE ON agent_metrics, system_health, usage_metrics, platform_health
	TO satchel_analytics_aggregation_run;
GRANT SELECT (organization_id, period_start), INSERT, DELETE
	ON metrics_changes TO satchel_analytics_aggregation_run;
GRANT SELECT, INSERT, UPDATE ON aggregation_tenants TO satchel_analytics_aggregation_run;
GRANT SELECT, INSERT, DELETE, UPDATE (first_bucket, computed) ON aggregation_runs
	TO satchel_analytics_aggregation_run;
GRANT SELECT, INSERT, DELETE ON analytics_alerts TO satchel_analytics_aggregation_run;
GRANT INSERT ON notification_inbox TO satchel_analytics_aggregation_run;
-- Usage goes through the tenant's door: no policy of its own on these.
GRANT SELECT, DELETE ON file_transfers TO satchel_analytics_aggregation_run;
GRANT SELECT (organization_id, outcome, attempted_at)
	ON notification_attempts TO satchel_analytics_aggregation_run;
GRANT SELECT (organization_id, total_bytes, used_bytes, reserved_bytes)
	ON storage_quotas TO satchel_analytics_aggregation_run;
GRANT EXECUTE ON FUNCTION make_partitions(text, integer), drop_final_partitions(text, timestamptz),
	delete_final_executions(uuid, integer) TO satchel_analytics_aggregation_run;

-- These hold where no organization is set: within one, the run is bound as everybody is.
CREATE POLICY run_reads ON agent_executions FOR SELECT TO satchel_analytics_aggregation_run
	USING ((SELECT current_organization_id()) IS NULL);
CREATE POLICY run_reads ON agent_instances FOR SELECT TO satchel_analytics_aggregation_run
	USING ((SELECT current_organization_id()) IS NULL);
CREATE POLICY run_reads ON agent_presence FOR SELECT TO satchel_analytics_aggregation_run
	USING ((SELECT current_organization_id()) IS NULL);
CREATE POLICY run_reads ON agent_task_queue FOR SELECT TO satchel_analytics_aggregation_run
	USING ((SELECT current_organization_id()) IS NULL);
CREATE POLICY run_reads ON organizations FOR SELECT TO satchel_analytics_aggregation_run
	USING ((SELECT current_organization_id()) IS NULL);
CREATE POLICY run_reads ON aggregation_tenants FOR SELECT TO satchel_analytics_aggregation_run
	USING ((SELECT current_organization_id()) IS NULL);
CREATE POLICY run_drains ON agent_execution_changes TO satchel_analytics_aggregation_run
	USING ((SELECT current_organization_id()) IS NULL)
	WITH CHECK ((SELECT current_organization_id()) IS NULL);
CREATE POLICY run_writes ON agent_metrics TO satchel_analytics_aggregation_run
	USING ((SELECT current_organization_id()) IS NULL)
	WITH CHECK ((SELECT current_organization_id()) IS NULL);
CREATE POLICY run_writes ON system_health TO satchel_analytics_aggregation_run
	USING ((SELECT current_organization_id()) IS NULL)
	WITH CHECK ((SELECT current_organization_id()) IS NULL);
CREATE POLICY run_marks ON metrics_changes FOR INSERT TO satchel_analytics_aggregation_run
	WITH CHECK ((SELECT current_organization_id()) IS NULL);
CREATE POLICY run_writes ON platform_health TO satchel_analytics_aggregation_run
	USING ((SELECT current_organization_id()) IS NULL)
	WITH CHECK ((SELECT current_organization_id()) IS NULL);
CREATE POLICY operator_reads ON platform_health FOR SELECT TO satchel_operator USING (true);
GRANT SELECT ON platform_health TO satchel_operator;

-- The platform queues tasks for any organization, and reads metrics as one organization at a time.
GRANT SELECT, INSERT, UPDATE ON agent_task_queue TO satchel_platform;
CREATE POLICY platform_across ON agent_task_queue TO satchel_platform USING (true) WITH
	CHECK (true);
GRANT SELECT ON agent_presence, agent_metrics, system_health, usage_metrics TO satchel_platform;
GRANT UPDATE (custom_metrics) ON agent_metrics TO satchel_platform;

-- Transfers are written by whoever makes them, and read by the run alone.
GRANT INSERT ON file_transfers TO satchel_file_api_http, satchel_file_api_maintenance,
	satchel_file_processing_events;

GRANT SELECT ON organizations, memberships, agent_metrics, system_health, usage_metrics,
	aggregation_tenants TO satchel_analytics_aggregation_http;
GRANT SELECT, INSERT, UPDATE ON rate_limits TO satchel_analytics_aggregation_http;
GRANT EXECUTE ON FUNCTION join_organization(text, text, text)
	TO satchel_analytics_aggregation_http;

-- +goose Down
ALTER TABLE notification_attempts ALTER COLUMN attempted_at SET DEFAULT now();
DROP POLICY run_reads ON organizations;
DELETE FROM partitioned_tables WHERE name IN ('agent_presence', 'file_transfers');
REVOKE ALL ON organizations, memberships, notification_inbox, rate_limits
	FROM satchel_analytics_aggregation_run, satchel_analytics_aggregation_http;
REVOKE ALL (id, timezone, data_retention_days) ON organizations
	FROM satchel_analytics_aggregation_run;
REVOKE ALL (organization_id, outcome, attempted_at) ON notification_attempts
	FROM satchel_analytics_aggregation_run;
REVOKE ALL (organization_id, total_bytes, used_bytes, reserved_bytes) ON storage_quotas
	FROM satchel_analytics_aggregation_run;
REVOKE ALL ON FUNCTION make_partitions(text, integer) FROM satchel_analytics_aggregation_run;
REVOKE ALL ON FUNCTION join_organization(text, text, text)
	FROM satchel_analytics_aggregation_http;
DROP FUNCTION delete_final_executions(uuid, integer);
DROP FUNCTION drop_final_partitions(text, timestamptz);
DROP TABLE analytics_alerts, aggregation_tenants, aggregation_runs, metrics_changes, usage_metrics,
	platform_health, system_health, agent_metrics, file_transfers, agent_task_queue;
DROP TRIGGER deleted ON agent_instances;
DROP TRIGGER updated ON agent_instances;
DROP TRIGGER inserted ON agent_instances;
DROP TRIGGER seen ON agent_instances;
DROP FUNCTION agent_task_moves();
DROP FUNCTION agent_instances_deleted();
DROP FUNCTION agent_instances_updated();
DROP FUNCTION agent_instances_inserted();
DROP FUNCTION agent_instance_seen();
DROP TABLE agent_presence;
ALTER TABLE agent_instances DROP COLUMN changed_at, DROP COLUMN heartbeat_seen_at,
	DROP COLUMN silent_until;
DROP POLICY run_reads ON agent_instances;
DROP POLICY run_reads ON agent_executions;
DROP POLICY run_drains ON agent_execution_changes;
REVOKE ALL ON agent_instances, agent_executions, agent_execution_changes
	FROM satchel_analytics_aggregation_run;
REVOKE ALL (organization_id, agent_instance_id, agent_type, status, ended_at,
	execution_time_seconds,
	memory_usage_mb, cpu_usage_percent, quality_score, confidence_score, user_rating)
	ON agent_executions FROM satchel_analytics_aggregation_run;
REVOKE ALL (organization_id, id, agent_type, status)
	ON agent_instances FROM satchel_analytics_aggregation_run;
REVOKE ALL (organization_id, bucket_start)
	ON agent_execution_changes FROM satchel_analytics_aggregation_run;
DROP INDEX agent_executions_open;
DROP TRIGGER timezone_exists ON organizations;
DROP FUNCTION organization_timezone();
