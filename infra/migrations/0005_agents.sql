-- +goose Up

-- The platform's agents and what they executed. The platform writes both, for any organization, as
-- satchel_platform or as a role of its own that is a member of it (PLATFORM_ROLE); statement-level
-- triggers tell what happened and note which metrics have to be computed again.

-- bucket_clock is the clock by which facts fall into the five-minute buckets of the metrics. It
-- gives the transaction its number before it reads the time: whoever then computes a bucket that is
-- over knows of every transaction that may still add to it.
-- +goose StatementBegin
CREATE FUNCTION bucket_clock() RETURNS timestamptz
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM pg_current_xact_id();
	RETURN clock_timestamp();
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION bucket_of(moment timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN date_bin('5 minutes', moment, '2000-01-01 00:00Z');
-- +goose StatementEnd

CREATE TABLE agent_instances (
	organization_id uuid NOT NULL REFERENCES organizations,
	id              uuid NOT NULL DEFAULT gen_random_uuid(),
	agent_id        text NOT NULL CHECK (length(agent_id) BETWEEN 1 AND 200),
	agent_type      text NOT NULL CHECK (length(agent_type) BETWEEN 1 AND 100),
	status          text NOT NULL DEFAULT 'initializing'
	                CHECK (status IN ('initializing', 'idle', 'busy', 'processing', 'waiting',
	                	'error',
	                                  'offline', 'maintenance')),
	configuration   jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(configuration) = 'object'),
	current_task_id text CHECK (length(current_task_id) BETWEEN 1 AND 200),
	last_activity   timestamptz,
	last_heartbeat  timestamptz,
	created_at      timestamptz NOT NULL DEFAULT now(),
	updated_at      timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (organization_id, id),
	UNIQUE (organization_id, agent_id)
);
SELECT protect_tenant_table('agent_instances');

-- No foreign key to agent_instances: what an agent did outlives it. Numbers are bounded, so that
-- their sums are: NaN and Infinity are greater than any bound.
CREATE TABLE agent_executions (
	organization_id        uuid NOT NULL REFERENCES organizations,
	id                     uuid NOT NULL DEFAULT gen_random_uuid(),
	task_id                text NOT NULL CHECK (length(task_id) BETWEEN 1 AND 200),
	agent_instance_id      uuid NOT NULL,
	agent_type             text NOT NULL CHECK (length(agent_type) BETWEEN 1 AND 100),
	task_type              text NOT NULL CHECK (length(task_type) BETWEEN 1 AND 100),
	priority               text NOT NULL DEFAULT 'normal'
	                       CHECK (priority IN ('low', 'normal', 'high', 'urgent', 'critical')),
	input_data             jsonb,
	output_data            jsonb,
	context_data           jsonb,
	status                 text NOT NULL DEFAULT 'pending'
	                       CHECK (status IN ('pending', 'queued', 'running', 'completed', 'failed',
	                                         'cancelled', 'retrying')),
	error_message          text,
	error_details          jsonb,
	execution_time_seconds double precision -- up to a year
	                       CHECK (execution_time_seconds >= 0
	                       	AND execution_time_seconds <= 31622400),
	memory_usage_mb        double precision CHECK (memory_usage_mb >= 0 AND memory_usage_mb <= 1e9),
	cpu_usage_percent      double precision -- 100 is one processor
	                       CHECK (cpu_usage_percent >= 0 AND cpu_usage_percent <= 1e6),
	quality_score          double precision CHECK (quality_score >= 0 AND quality_score <= 1),
	confidence_score       double precision CHECK (confidence_score >= 0 AND confidence_score <= 1),
	user_rating            integer CHECK (user_rating BETWEEN 1 AND 5),
	created_at             timestamptz NOT NULL DEFAULT now() CHECK (isfinite(created_at)),
	started_at             timestamptz CHECK (isfinite(started_at)),
	completed_at           timestamptz CHECK (isfinite(completed_at)),
	ended_at               timestamptz, -- agent_execution_ends: what decides the bucket
	user_id                uuid,
	session_id             text CHECK (length(session_id) BETWEEN 1 AND 200),
	retry_count            integer NOT NULL DEFAULT 0 CHECK (retry_count >= 0),
	parent_task_id         text CHECK (length(parent_task_id) BETWEEN 1 AND 200),
	PRIMARY KEY (organization_id, id, created_at),
	CHECK ((ended_at IS NOT NULL) = (status IN ('completed', 'failed', 'cancelled')))
) PARTITION BY RANGE (created_at);
CREATE INDEX agent_executions_ended ON agent_executions (ended_at) WHERE ended_at IS NOT NULL;
SELECT protect_tenant_table('agent_executions');
CREATE TABLE agent_executions_default PARTITION OF agent_executions DEFAULT;
ALTER TABLE agent_executions_default ENABLE ROW LEVEL SECURITY;

-- Buckets that rows were added to, changed in or deleted from after they were over: a line for each
-- statement, append-only. Whoever computes the bucket again takes its lines away.
CREATE TABLE agent_execution_changes (
	organization_id uuid NOT NULL,
	bucket_start    timestamptz NOT NULL,
	id              bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
	PRIMARY KEY (organization_id, bucket_start, id)
);
CREATE INDEX agent_execution_changes_bucket ON agent_execution_changes (bucket_start);
SELECT protect_tenant_table('agent_execution_changes');
-- so that what is granted later can be taken back without a trace
REVOKE ALL ON agent_execution_changes FROM PUBLIC;
-- As on the inbox: a trigger notes changes of several organizations at once, which the writer
-- itself may not.
CREATE POLICY owner_notes ON agent_execution_changes FOR INSERT TO CURRENT_USER WITH CHECK (true);

-- agent_execution_ends gives a task that ended its ended_at: completed_at, or the time of writing
-- if that is earlier, so that a clock in the future blocks nothing. A task that is running again
-- has not ended.
-- +goose StatementBegin
CREATE FUNCTION agent_execution_ends() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	written timestamptz;
BEGIN
	IF TG_OP = 'UPDATE' AND (NEW.organization_id, NEW.id, NEW.created_at)
		IS DISTINCT FROM (OLD.organization_id, OLD.id, OLD.created_at) THEN
		RAISE EXCEPTION 'organization_id, id and created_at of an execution do not change'
			USING ERRCODE = 'restrict_violation';
	END IF;
	IF NEW.status NOT IN ('completed', 'failed', 'cancelled') THEN
		NEW.completed_at := NULL;
		NEW.ended_at := NULL;
		RETURN NEW;
	END IF;
	IF TG_OP = 'UPDATE' AND OLD.ended_at IS NOT NULL
		AND NEW.completed_at IS NOT DISTINCT FROM OLD.completed_at THEN
		NEW.ended_at := OLD.ended_at; -- a correction leaves it in its bucket
	ELSE
		written := public.bucket_clock();
		NEW.completed_at := coalesce(NEW.completed_at, written);
		NEW.ended_at := least(NEW.completed_at, written);
	END IF;
	IF NEW.execution_time_seconds IS NULL AND NEW.started_at <= NEW.completed_at THEN
		NEW.execution_time_seconds :=
			least(extract(epoch FROM NEW.completed_at - NEW.started_at), 31622400);
	END IF;
	RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER ends BEFORE INSERT OR UPDATE ON agent_executions
	FOR EACH ROW EXECUTE FUNCTION agent_execution_ends();

-- The three below tell and note at once, because a second trigger costs as much again as the first.
-- A bucket that is not over yet is computed when it is, and needs no note.
-- +goose StatementBegin
CREATE FUNCTION agent_executions_inserted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	INSERT INTO public.notification_inbox (organization_id, topic, subject_id, payload, priority)
	SELECT organization_id, 'task.queued', id, jsonb_build_object('task_id', task_id,
		'agent_type', agent_type, 'task_type', task_type, 'status', status, 'created_at',
			created_at), 0
	FROM new_rows WHERE status = 'queued';
	INSERT INTO public.agent_execution_changes (organization_id, bucket_start)
	SELECT DISTINCT organization_id, public.bucket_of(ended_at) FROM new_rows
	WHERE ended_at < public.bucket_of(public.bucket_clock());
	RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER inserted AFTER INSERT ON agent_executions REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION agent_executions_inserted();

-- +goose StatementBegin
CREATE FUNCTION agent_executions_updated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	open_bucket timestamptz := public.bucket_of(public.bucket_clock());
BEGIN
	INSERT INTO public.notification_inbox (organization_id, topic, subject_id, payload, priority)
	SELECT n.organization_id,
		CASE n.status WHEN 'running' THEN 'task.started' ELSE 'task.' || n.status END, n.id,
		jsonb_strip_nulls(jsonb_build_object('task_id', n.task_id, 'agent_type', n.agent_type,
			'task_type', n.task_type, 'status', n.status, 'created_at', n.created_at,
			'started_at', n.started_at, 'completed_at', n.completed_at)),
		CASE
			WHEN n.status = 'queued' THEN 0
			WHEN n.status = 'failed' THEN 2
			WHEN n.status = 'completed' AND n.priority IN ('urgent', 'critical') THEN 2
			ELSE 1
		END
	FROM new_rows n JOIN old_rows o USING (organization_id, id, created_at)
	WHERE n.status <> o.status
	AND n.status IN ('queued', 'running', 'completed', 'failed', 'cancelled');

	INSERT INTO public.agent_execution_changes (organization_id, bucket_start)
	SELECT DISTINCT n.organization_id, public.bucket_of(moment)
	FROM new_rows n JOIN old_rows o USING (organization_id, id, created_at)
	CROSS JOIN LATERAL (VALUES (o.ended_at), (n.ended_at)) ends (moment)
	WHERE moment < open_bucket
	AND (n.agent_instance_id, n.agent_type, n.status, n.ended_at, n.execution_time_seconds,
			n.memory_usage_mb, n.cpu_usage_percent, n.quality_score, n.confidence_score,
				n.user_rating)
		IS DISTINCT FROM
		(o.agent_instance_id, o.agent_type, o.status, o.ended_at, o.execution_time_seconds,
			o.memory_usage_mb, o.cpu_usage_percent, o.quality_score, o.confidence_score,
				o.user_rating);
	RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER updated AFTER UPDATE ON agent_executions
	REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION agent_executions_updated();

-- +goose StatementBegin
CREATE FUNCTION agent_executions_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	INSERT INTO public.agent_execution_changes (organization_id, bucket_start)
	SELECT DISTINCT organization_id, public.bucket_of(ended_at) FROM old_rows
	WHERE ended_at < public.bucket_of(public.bucket_clock());
	RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER deleted AFTER DELETE ON agent_executions REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION agent_executions_deleted();

INSERT INTO partitioned_tables (name, maintainer)
	VALUES ('agent_executions', 'satchel_analytics_aggregation_run');
SELECT make_partitions('agent_executions', 4);

GRANT SELECT, INSERT, UPDATE, DELETE ON agent_instances, agent_executions TO satchel_platform;
CREATE POLICY platform_across ON agent_instances TO satchel_platform
	USING (true) WITH CHECK (true);
CREATE POLICY platform_across ON agent_executions TO satchel_platform
	USING (true) WITH CHECK (true);

-- +goose Down
DELETE FROM partitioned_tables WHERE name = 'agent_executions';
DROP TABLE agent_execution_changes, agent_executions, agent_instances;
DROP FUNCTION agent_executions_deleted();
DROP FUNCTION agent_executions_updated();
DROP FUNCTION agent_executions_inserted();
DROP FUNCTION agent_execution_ends();
DROP FUNCTION bucket_of(timestamptz);
DROP FUNCTION bucket_clock();
