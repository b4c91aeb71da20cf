-- name: BeginRun :one
-- The snapshot's oldest running transaction, the clock, and the runs that are stored.
SELECT bucket_clock()::timestamptz AS now, pg_snapshot_xmin(pg_current_snapshot())::text AS oldest;

-- name: StoredRuns :many
SELECT horizon::text AS horizon, first_bucket, closed, computed FROM aggregation_runs
	ORDER BY closed, first_bucket;

-- name: StoreRun :exec
INSERT INTO aggregation_runs (horizon, first_bucket, closed, computed)
VALUES (pg_current_xact_id(), @first_bucket, @closed, @computed);

-- name: MarkComputed :exec
-- Those of killed runs too, whose buckets were computed in their place.
UPDATE aggregation_runs SET computed = true
WHERE NOT computed AND first_bucket >= @first_bucket AND closed <= @closed;

-- name: ForgetRuns :exec
-- The newest stays, whatever its age.
DELETE FROM aggregation_runs a
WHERE a.horizon <= (@oldest::text)::xid8 AND a.closed <= @through
AND a.closed < (SELECT max(r.closed) FROM aggregation_runs r);

-- name: AdvanceRuns :exec
-- Those of which a part was computed again need the rest alone.
UPDATE aggregation_runs SET first_bucket = @through
WHERE horizon <= (@oldest::text)::xid8 AND first_bucket < @through AND closed >= @through;

-- name: RewindRuns :exec
DELETE FROM aggregation_runs WHERE closed > @closed;

-- name: ChangedBuckets :many
SELECT DISTINCT bucket_start FROM agent_execution_changes
WHERE bucket_start < @before AND bucket_start > @after ORDER BY bucket_start LIMIT @page;

-- name: TryLockBucket :one
SELECT pg_try_advisory_xact_lock(@class::int4, @bucket::int4);

-- name: LockBucket :exec
SELECT pg_advisory_xact_lock(@class::int4, @bucket::int4);

-- name: DrainBucket :many
WITH gone AS (
	DELETE FROM agent_execution_changes WHERE bucket_start = @bucket_start RETURNING organization_id
)
SELECT g.organization_id, count(*) AS marks,
	(coalesce(max(t.sealed_before), '-infinity') > @bucket_start)::bool AS sealed
FROM gone g LEFT JOIN aggregation_tenants t USING (organization_id)
GROUP BY g.organization_id;

-- name: ComputeBucket :exec
-- All figures of a bucket, from one statement and so from one snapshot. organizations NULL: of all.
WITH raw AS (
	SELECT e.organization_id, e.agent_instance_id, e.agent_type,
		count(*) FILTER (WHERE e.status = 'completed') AS completed,
		count(*) FILTER (WHERE e.status = 'failed') AS failed,
		count(*) FILTER (WHERE e.status = 'cancelled') AS cancelled,
		array_agg((e.execution_time_seconds * 1e6)::bigint
			ORDER BY (e.execution_time_seconds * 1e6)::bigint)
			FILTER (WHERE e.execution_time_seconds IS NOT NULL) AS times,
		count(e.execution_time_seconds) AS n,
		least(coalesce(sum((e.execution_time_seconds * 1e6)::bigint), 0),
			9223372036854775807)::bigint AS execution_us,
		least(coalesce(sum((e.quality_score * 1e6)::bigint), 0),
			9223372036854775807)::bigint AS quality_sum,
		count(e.quality_score) AS quality_count,
		least(coalesce(sum((e.confidence_score * 1e6)::bigint), 0),
			9223372036854775807)::bigint AS confidence_sum,
		count(e.confidence_score) AS confidence_count,
		coalesce(sum(e.user_rating), 0) * 1000000 AS rating_sum,
		count(e.user_rating) AS rating_count,
		least(coalesce(sum((e.memory_usage_mb * 1e6)::bigint), 0),
			9223372036854775807)::bigint AS memory_sum,
		count(e.memory_usage_mb) AS memory_count,
		coalesce((max(e.memory_usage_mb) * 1e6)::bigint, 0) AS memory_peak,
		least(coalesce(sum((e.cpu_usage_percent * 1e6)::bigint), 0),
			9223372036854775807)::bigint AS cpu_sum,
		count(e.cpu_usage_percent) AS cpu_count,
		coalesce((max(e.cpu_usage_percent) * 1e6)::bigint, 0) AS cpu_peak
	FROM agent_executions e
	WHERE e.ended_at >= @period_start AND e.ended_at < @period_end
	AND (sqlc.narg('organizations')::uuid[] IS NULL
		OR e.organization_id = ANY (sqlc.narg('organizations')::uuid[]))
	GROUP BY e.organization_id, e.agent_instance_id, e.agent_type
), agents AS (
	SELECT i.organization_id, i.id AS agent_instance_id, i.agent_type, i.status, i.changed_at,
		i.heartbeat_seen_at, i.silent_until
	FROM agent_instances i
	WHERE (sqlc.narg('organizations')::uuid[] IS NULL
		OR i.organization_id = ANY (sqlc.narg('organizations')::uuid[]))
	UNION ALL
	( -- deleted since the bucket was over
		SELECT DISTINCT p.organization_id, p.agent_instance_id, '', 'deleted', @period_end::timestamptz,
			NULL::timestamptz, 'infinity'::timestamptz
		FROM agent_presence p
		WHERE p.status = 'deleted' AND p.at >= @period_end
		AND (sqlc.narg('organizations')::uuid[] IS NULL
			OR p.organization_id = ANY (sqlc.narg('organizations')::uuid[]))
		AND NOT EXISTS (SELECT FROM agent_instances i
			WHERE i.organization_id = p.organization_id AND i.id = p.agent_instance_id)
	)
), noted AS ( -- in the bucket
	SELECT p.organization_id, p.agent_instance_id, p.at, p.was, p.was_type, p.status, p.agent_type,
		p.silent_from
	FROM agent_presence p
	WHERE p.at >= @period_start AND p.at < @period_end
	AND (sqlc.narg('organizations')::uuid[] IS NULL
		OR p.organization_id = ANY (sqlc.narg('organizations')::uuid[]))
), changes AS ( -- the end of the bucket is taken for one, from the status that the agent had then
	SELECT n.organization_id, n.agent_instance_id, n.at, n.was, n.was_type
	FROM noted n WHERE n.silent_from IS NULL
	UNION ALL
	SELECT a.organization_id, a.agent_instance_id, @period_end, a.status, a.agent_type
	FROM agents a WHERE a.changed_at < @period_end
	UNION ALL
	SELECT a.organization_id, a.agent_instance_id, @period_end, f.was, f.was_type
	FROM agents a CROSS JOIN LATERAL (
		SELECT p.was, p.was_type FROM agent_presence p
		WHERE p.organization_id = a.organization_id
		AND p.agent_instance_id = a.agent_instance_id AND p.at >= @period_end
		AND p.silent_from IS NULL
		ORDER BY p.at LIMIT 1
	) f
	WHERE a.changed_at >= @period_end
), silences AS ( -- two minutes without a heartbeat, until the next one
	SELECT n.organization_id, n.agent_instance_id,
		greatest(n.silent_from + interval '2 minutes', @period_start) AS begins, n.at AS ends
	FROM noted n WHERE n.silent_from IS NOT NULL
	UNION ALL
	SELECT a.organization_id, a.agent_instance_id,
		greatest(f.silent_from + interval '2 minutes', @period_start), @period_end::timestamptz
	FROM agents a CROSS JOIN LATERAL (
		SELECT p.silent_from FROM agent_presence p
		WHERE p.organization_id = a.organization_id
		AND p.agent_instance_id = a.agent_instance_id AND p.at >= @period_end
		AND p.silent_from IS NOT NULL
		ORDER BY p.at LIMIT 1
	) f
	WHERE a.silent_until >= @period_end AND f.silent_from + interval '2 minutes' < @period_end
	UNION ALL
	SELECT a.organization_id, a.agent_instance_id,
		greatest(a.heartbeat_seen_at + interval '2 minutes', @period_start),
		@period_end::timestamptz
	FROM agents a WHERE a.heartbeat_seen_at + interval '2 minutes' < @period_end
), lengths AS (
	-- An agent was in a status from one change to the next: that adds up to when it left each
	-- status, less when it entered it, both from the bucket's start. It needs no order.
	SELECT c.organization_id, c.agent_instance_id, c.was_type AS agent_type, c.was AS status,
		(date_part('epoch', c.at - @period_start) * 1e6)::bigint AS registered,
		(date_part('epoch', c.at - @period_start) * 1e6)::bigint AS heard
	FROM changes c WHERE c.was <> 'deleted'
	UNION ALL
	SELECT n.organization_id, n.agent_instance_id, n.agent_type, n.status,
		-(date_part('epoch', n.at - @period_start) * 1e6)::bigint,
		-(date_part('epoch', n.at - @period_start) * 1e6)::bigint
	FROM noted n WHERE n.silent_from IS NULL AND n.status <> 'deleted'
	UNION ALL
	SELECT s.organization_id, s.agent_instance_id, s.was_type, s.was, 0,
		-(date_part('epoch', least(s.at, q.ends) - greatest(s.since, q.begins)) * 1e6)::bigint
	FROM (
		SELECT c.*, lag(c.at, 1, @period_start::timestamptz)
			OVER (PARTITION BY c.organization_id, c.agent_instance_id ORDER BY c.at) AS since
		FROM changes c WHERE (c.organization_id, c.agent_instance_id) IN (
			SELECT q.organization_id, q.agent_instance_id FROM silences q)
	) s JOIN silences q ON q.organization_id = s.organization_id
		AND q.agent_instance_id = s.agent_instance_id
	WHERE q.begins < s.at AND q.ends > s.since AND s.was <> 'deleted'
), presence AS (
	SELECT l.organization_id, l.agent_instance_id, l.agent_type,
		sum(l.registered)::bigint AS registered_us,
		coalesce(sum(l.registered) FILTER (WHERE l.status <> 'offline'),
			0)::bigint AS in_service_us,
		coalesce(sum(l.heard) FILTER (WHERE l.status <> 'offline'), 0)::bigint AS up_us,
		coalesce(sum(l.heard) FILTER (
			WHERE l.status IN ('idle', 'busy', 'processing', 'waiting')), 0)::bigint AS available_us
	FROM lengths l GROUP BY l.organization_id, l.agent_instance_id, l.agent_type
	HAVING sum(l.registered) > 0
), merged AS (
	SELECT coalesce(r.organization_id, p.organization_id) AS organization_id,
		coalesce(r.agent_instance_id, p.agent_instance_id) AS agent_instance_id,
		coalesce(r.agent_type, p.agent_type) AS agent_type,
		coalesce(r.completed, 0) AS tasks_completed, coalesce(r.failed, 0) AS tasks_failed,
		coalesce(r.cancelled, 0) AS tasks_cancelled, coalesce(r.execution_us, 0) AS execution_us,
		coalesce(r.n, 0) AS execution_count, r.times[ceil(0.5::float8 * r.n)::int] AS median_us,
		r.times[ceil(0.95::float8 * r.n)::int] AS p95_us,
		r.times[ceil(0.99::float8 * r.n)::int] AS p99_us,
		CASE WHEN r.n <= 256 THEN r.times END AS execution_values,
		h.bins AS execution_bins, h.counts AS execution_counts,
		coalesce(r.quality_sum, 0) AS quality_sum, coalesce(r.quality_count, 0) AS quality_count,
		coalesce(r.confidence_sum, 0) AS confidence_sum,
		coalesce(r.confidence_count, 0) AS confidence_count,
		coalesce(r.rating_sum, 0) AS rating_sum, coalesce(r.rating_count, 0) AS rating_count,
		coalesce(r.memory_sum, 0) AS memory_sum, coalesce(r.memory_count, 0) AS memory_count,
		coalesce(r.memory_peak, 0) AS memory_peak, coalesce(r.cpu_sum, 0) AS cpu_sum,
		coalesce(r.cpu_count, 0) AS cpu_count, coalesce(r.cpu_peak, 0) AS cpu_peak,
		coalesce(p.registered_us, 0) AS registered_us,
		coalesce(p.in_service_us, 0) AS in_service_us,
		coalesce(p.up_us, 0) AS up_us, coalesce(p.available_us, 0) AS available_us
	FROM raw r FULL JOIN presence p ON p.organization_id = r.organization_id
		AND p.agent_instance_id = r.agent_instance_id AND p.agent_type = r.agent_type
	CROSS JOIN LATERAL (
		SELECT array_agg(b.bin ORDER BY b.bin) AS bins, array_agg(b.c ORDER BY b.bin) AS counts
		FROM (
			SELECT (CASE WHEN v <= 0 THEN -1
				ELSE ceil(ln(v::float8) / ln(1.02::float8)) END)::smallint
				AS bin, count(*) AS c
			FROM unnest(r.times) v WHERE r.n > 256 GROUP BY 1
		) b
	) h
	WHERE coalesce(r.organization_id, p.organization_id) NOT IN (
		SELECT t.organization_id FROM aggregation_tenants t WHERE t.sealed_before > @period_start)
), stale AS ( -- NOT IN is hashed whatever the planner expects of tables that it does not know yet
	DELETE FROM agent_metrics m
	WHERE m.granularity = '5m' AND m.period_start = @period_start
	AND (sqlc.narg('organizations')::uuid[] IS NULL
		OR m.organization_id = ANY (sqlc.narg('organizations')::uuid[]))
	AND m.organization_id NOT IN (
		SELECT t.organization_id FROM aggregation_tenants t WHERE t.sealed_before > @period_start)
	AND (m.organization_id, m.agent_instance_id, m.agent_type) NOT IN (
		SELECT g.organization_id, g.agent_instance_id, g.agent_type FROM merged g)
	RETURNING m.organization_id
), computed AS ( -- rows that would stay as they are are not touched, and so not even locked
	INSERT INTO agent_metrics AS m (organization_id, agent_instance_id, agent_type, granularity,
		period_start, period_end,
		tasks_completed, tasks_failed, tasks_cancelled, execution_us, execution_count, median_us,
		p95_us, p99_us, execution_values, execution_bins, execution_counts, quality_sum,
		quality_count, confidence_sum, confidence_count, rating_sum, rating_count, memory_sum,
		memory_count, memory_peak, cpu_sum, cpu_count, cpu_peak, registered_us, in_service_us,
		up_us, available_us)
	SELECT g.organization_id, g.agent_instance_id, g.agent_type, '5m', @period_start, @period_end,
		g.tasks_completed, g.tasks_failed, g.tasks_cancelled, g.execution_us, g.execution_count,
		g.median_us, g.p95_us, g.p99_us, g.execution_values, g.execution_bins, g.execution_counts,
		g.quality_sum, g.quality_count, g.confidence_sum, g.confidence_count, g.rating_sum,
		g.rating_count, g.memory_sum, g.memory_count, g.memory_peak, g.cpu_sum, g.cpu_count,
		g.cpu_peak, g.registered_us, g.in_service_us, g.up_us, g.available_us
	FROM merged g
	WHERE NOT EXISTS (
		SELECT FROM agent_metrics m
		WHERE m.organization_id = g.organization_id AND m.granularity = '5m'
		AND m.period_start = @period_start AND m.agent_instance_id = g.agent_instance_id
		AND m.agent_type = g.agent_type
		AND (m.tasks_completed, m.tasks_failed, m.tasks_cancelled, m.execution_us,
			m.execution_count, m.median_us, m.p95_us, m.p99_us, m.execution_values,
			m.execution_bins, m.execution_counts, m.quality_sum, m.quality_count,
			m.confidence_sum, m.confidence_count, m.rating_sum, m.rating_count, m.memory_sum,
			m.memory_count, m.memory_peak, m.cpu_sum, m.cpu_count, m.cpu_peak, m.registered_us,
			m.in_service_us, m.up_us, m.available_us)
		IS NOT DISTINCT FROM
			(g.tasks_completed, g.tasks_failed, g.tasks_cancelled, g.execution_us,
			g.execution_count, g.median_us, g.p95_us, g.p99_us, g.execution_values,
			g.execution_bins, g.execution_counts, g.quality_sum, g.quality_count,
			g.confidence_sum, g.confidence_count, g.rating_sum, g.rating_count, g.memory_sum,
			g.memory_count, g.memory_peak, g.cpu_sum, g.cpu_count, g.cpu_peak, g.registered_us,
			g.in_service_us, g.up_us, g.available_us))
	ON CONFLICT (organization_id, granularity, period_start, agent_instance_id, agent_type)
	DO UPDATE SET
		tasks_completed = excluded.tasks_completed, tasks_failed = excluded.tasks_failed,
		tasks_cancelled = excluded.tasks_cancelled, execution_us = excluded.execution_us,
		execution_count = excluded.execution_count, median_us = excluded.median_us,
		p95_us = excluded.p95_us, p99_us = excluded.p99_us,
		execution_values = excluded.execution_values, execution_bins = excluded.execution_bins,
		execution_counts = excluded.execution_counts, quality_sum = excluded.quality_sum,
		quality_count = excluded.quality_count, confidence_sum = excluded.confidence_sum,
		confidence_count = excluded.confidence_count, rating_sum = excluded.rating_sum,
		rating_count = excluded.rating_count, memory_sum = excluded.memory_sum,
		memory_count = excluded.memory_count, memory_peak = excluded.memory_peak,
		cpu_sum = excluded.cpu_sum, cpu_count = excluded.cpu_count, cpu_peak = excluded.cpu_peak,
		registered_us = excluded.registered_us, in_service_us = excluded.in_service_us,
		up_us = excluded.up_us, available_us = excluded.available_us
	RETURNING m.organization_id
)
INSERT INTO metrics_changes (organization_id, period_start)
SELECT DISTINCT c.organization_id, @period_start::timestamptz FROM (
	SELECT s.organization_id FROM stale s UNION ALL SELECT k.organization_id FROM computed k
) c;

-- name: ComputeQueue :exec
WITH waiting AS (
	SELECT t.organization_id, count(*) AS n FROM ( -- two, so that each has its index
		SELECT w.organization_id FROM agent_task_queue w
		WHERE w.left_at IS NULL AND w.queued_at < @period_end
		UNION ALL
		SELECT l.organization_id FROM agent_task_queue l
		WHERE l.left_at >= @period_end AND l.queued_at < @period_end
	) t GROUP BY t.organization_id
), lengths AS (
	SELECT organization_id, n FROM waiting
	UNION ALL
	SELECT h.organization_id, 0 FROM system_health h
	WHERE h.granularity = '5m' AND h.period_start = @period_start AND h.queue_length > 0
	AND h.organization_id NOT IN (SELECT organization_id FROM waiting)
), changed AS (
	INSERT INTO system_health AS h (organization_id, granularity, period_start, period_end,
		queue_length)
	SELECT organization_id, '5m', @period_start, @period_end, n FROM lengths
	ON CONFLICT (organization_id, granularity, period_start)
	DO UPDATE SET queue_length = excluded.queue_length WHERE h.queue_length <> excluded.queue_length
	RETURNING h.organization_id
)
INSERT INTO metrics_changes (organization_id, period_start)
SELECT organization_id, @period_start FROM changed;

-- name: Tenants :many
-- Those that are furthest behind come first.
SELECT o.id, o.timezone, o.data_retention_days
FROM organizations o LEFT JOIN aggregation_tenants t ON t.organization_id = o.id
ORDER BY t.complete_through NULLS FIRST, o.id;

-- name: ComputePlatform :exec
INSERT INTO platform_health AS p (period_start, period_end, organizations, healthy, degraded,
	critical,
	no_data, tasks_completed, tasks_failed, queue_length)
SELECT @period_start, @period_end, count(*), count(*) FILTER (WHERE h.status = 'healthy'),
	count(*) FILTER (WHERE h.status = 'degraded'), count(*) FILTER (WHERE h.status = 'critical'),
	count(*) FILTER (WHERE h.status IS NULL OR h.status = 'no_data'),
	coalesce(sum(h.tasks_completed), 0), coalesce(sum(h.tasks_failed), 0),
	coalesce(sum(h.queue_length), 0)
FROM organizations o
LEFT JOIN system_health h ON h.organization_id = o.id AND h.granularity = '5m'
	AND h.period_start = @period_start
ON CONFLICT (period_start) DO UPDATE SET organizations = excluded.organizations,
	healthy = excluded.healthy, degraded = excluded.degraded, critical = excluded.critical,
	no_data = excluded.no_data, tasks_completed = excluded.tasks_completed,
	tasks_failed = excluded.tasks_failed, queue_length = excluded.queue_length;

-- name: ExpirePlatform :exec
DELETE FROM platform_health WHERE period_start < @before;

-- name: TryLockTenant :one
SELECT pg_try_advisory_xact_lock(@class::int4, hashtext((@organization_id::uuid)::text));

-- name: Tenant :one
SELECT timezone, complete_through FROM aggregation_tenants
WHERE organization_id = @organization_id;

-- name: SaveTenant :exec
INSERT INTO aggregation_tenants AS t (organization_id, timezone, complete_through)
VALUES (@organization_id, @timezone, @complete_through)
ON CONFLICT (organization_id) DO UPDATE
SET timezone = excluded.timezone, complete_through = excluded.complete_through
WHERE (t.timezone, t.complete_through) IS DISTINCT
	FROM (excluded.timezone, excluded.complete_through);

-- name: Seal :exec
-- Not while a note of a change from before is left: what it tells of would never be computed.
UPDATE aggregation_tenants t SET sealed_before = @before
WHERE t.organization_id = @organization_id AND t.sealed_before < @before
AND NOT EXISTS (SELECT FROM agent_execution_changes c
	WHERE c.organization_id = @organization_id AND c.bucket_start < @before);

-- name: TakeChanges :many
WITH due AS (
	SELECT DISTINCT c.period_start FROM metrics_changes c
	WHERE c.organization_id = @organization_id ORDER BY c.period_start LIMIT @page
), gone AS (
	DELETE FROM metrics_changes m USING due d
	WHERE m.organization_id = @organization_id AND m.period_start = d.period_start
	RETURNING m.period_start
)
SELECT DISTINCT period_start FROM gone ORDER BY period_start;

-- name: OldestFiveMinutes :one
SELECT period_start FROM agent_metrics
WHERE organization_id = @organization_id AND granularity = '5m' ORDER BY period_start LIMIT 1;

-- name: MarkAll :exec
INSERT INTO metrics_changes (organization_id, period_start)
SELECT @organization_id, p.period_start FROM (
	SELECT m.period_start FROM agent_metrics m
	WHERE m.organization_id = @organization_id AND m.granularity = '5m' AND m.period_start >= @since
	UNION
	SELECT u.period_start FROM usage_metrics u
	WHERE u.organization_id = @organization_id AND u.granularity = '5m' AND u.period_start >= @since
) p;

-- name: ForgetAgentPeriods :exec
DELETE FROM agent_metrics
WHERE organization_id = @organization_id AND granularity <> '5m' AND period_end > @since;

-- name: ForgetHealthPeriods :exec
DELETE FROM system_health
WHERE organization_id = @organization_id AND granularity <> '5m' AND period_end > @since;

-- name: ForgetUsagePeriods :exec
DELETE FROM usage_metrics
WHERE organization_id = @organization_id AND granularity <> '5m' AND period_end > @since;

-- name: AgentRows :many
SELECT agent_instance_id, agent_type, period_start, tasks_completed, tasks_failed, tasks_cancelled,
	execution_us, execution_count, execution_values, execution_bins, execution_counts,
	quality_sum, quality_count, confidence_sum, confidence_count, rating_sum, rating_count,
	memory_sum, memory_count, memory_peak, cpu_sum, cpu_count, cpu_peak,
	registered_us, in_service_us, up_us, available_us
FROM agent_metrics
WHERE organization_id = @organization_id AND granularity = @granularity
AND period_start >= @period_from AND period_start < @period_to;

-- name: WriteAgentRow :batchexec
INSERT INTO agent_metrics AS m (organization_id, agent_instance_id, agent_type, granularity,
	period_start, period_end, tasks_completed, tasks_failed, tasks_cancelled, execution_us,
	execution_count, median_us, p95_us, p99_us, execution_values, execution_bins, execution_counts,
	quality_sum, quality_count, confidence_sum, confidence_count, rating_sum, rating_count,
	memory_sum, memory_count, memory_peak, cpu_sum, cpu_count, cpu_peak,
	registered_us, in_service_us, up_us, available_us)
VALUES (@organization_id, @agent_instance_id, @agent_type, @granularity,
	@period_start, @period_end, @tasks_completed, @tasks_failed, @tasks_cancelled, @execution_us,
	@execution_count, @median_us, @p95_us, @p99_us, @execution_values, @execution_bins,
	@execution_counts, @quality_sum, @quality_count, @confidence_sum, @confidence_count,
	@rating_sum, @rating_count, @memory_sum, @memory_count, @memory_peak, @cpu_sum, @cpu_count,
	@cpu_peak, @registered_us, @in_service_us, @up_us, @available_us)
ON CONFLICT (organization_id, granularity, period_start, agent_instance_id, agent_type) DO UPDATE
	SET
	period_end = excluded.period_end, tasks_completed = excluded.tasks_completed,
	tasks_failed = excluded.tasks_failed, tasks_cancelled = excluded.tasks_cancelled,
	execution_us = excluded.execution_us, execution_count = excluded.execution_count,
	median_us = excluded.median_us, p95_us = excluded.p95_us, p99_us = excluded.p99_us,
	execution_values = excluded.execution_values, execution_bins = excluded.execution_bins,
	execution_counts = excluded.execution_counts, quality_sum = excluded.quality_sum,
	quality_count = excluded.quality_count, confidence_sum = excluded.confidence_sum,
	confidence_count = excluded.confidence_count, rating_sum = excluded.rating_sum,
	rating_count = excluded.rating_count, memory_sum = excluded.memory_sum,
	memory_count = excluded.memory_count, memory_peak = excluded.memory_peak,
	cpu_sum = excluded.cpu_sum, cpu_count = excluded.cpu_count, cpu_peak = excluded.cpu_peak,
	registered_us = excluded.registered_us, in_service_us = excluded.in_service_us,
	up_us = excluded.up_us, available_us = excluded.available_us
WHERE (m.period_end, m.tasks_completed, m.tasks_failed, m.tasks_cancelled, m.execution_us,
		m.execution_count, m.execution_values, m.execution_bins, m.execution_counts,
		m.quality_sum, m.quality_count, m.confidence_sum, m.confidence_count, m.rating_sum,
		m.rating_count, m.memory_sum, m.memory_count, m.memory_peak, m.cpu_sum, m.cpu_count,
		m.cpu_peak, m.registered_us, m.in_service_us, m.up_us, m.available_us)
	IS DISTINCT FROM
	(excluded.period_end, excluded.tasks_completed, excluded.tasks_failed,
		excluded.tasks_cancelled, excluded.execution_us, excluded.execution_count,
		excluded.execution_values, excluded.execution_bins, excluded.execution_counts,
		excluded.quality_sum, excluded.quality_count, excluded.confidence_sum,
		excluded.confidence_count, excluded.rating_sum, excluded.rating_count,
		excluded.memory_sum, excluded.memory_count, excluded.memory_peak, excluded.cpu_sum,
		excluded.cpu_count, excluded.cpu_peak, excluded.registered_us, excluded.in_service_us,
		excluded.up_us, excluded.available_us);

-- name: DropStaleAgentRows :exec
DELETE FROM agent_metrics
WHERE organization_id = @organization_id AND granularity = @granularity
AND period_start = @period_start
AND agent_instance_id::text || ' ' || agent_type <> ALL (@keys::text[]);

-- name: HealthRows :many
SELECT period_start, tasks_completed, tasks_failed, tasks_cancelled, execution_us, execution_count,
	execution_values, execution_bins, execution_counts, p95_us, registered_us, in_service_us, up_us,
	available_us, queue_length
FROM system_health
WHERE organization_id = @organization_id AND granularity = @granularity
AND period_start >= @period_from AND period_start < @period_to
ORDER BY period_start;

-- name: WriteHealthRow :batchexec
INSERT INTO system_health AS h (organization_id, granularity, period_start, period_end,
	tasks_completed, tasks_failed, tasks_cancelled, execution_us, execution_count, execution_values,
	execution_bins, execution_counts, p95_us, registered_us, in_service_us, up_us, available_us,
	queue_length)
VALUES (@organization_id, @granularity, @period_start, @period_end,
	@tasks_completed, @tasks_failed, @tasks_cancelled, @execution_us, @execution_count,
	@execution_values, @execution_bins, @execution_counts, @p95_us, @registered_us, @in_service_us,
	@up_us, @available_us, @queue_length)
ON CONFLICT (organization_id, granularity, period_start) DO UPDATE SET
	period_end = excluded.period_end, tasks_completed = excluded.tasks_completed,
	tasks_failed = excluded.tasks_failed, tasks_cancelled = excluded.tasks_cancelled,
	execution_us = excluded.execution_us, execution_count = excluded.execution_count,
	execution_values = excluded.execution_values, execution_bins = excluded.execution_bins,
	execution_counts = excluded.execution_counts, p95_us = excluded.p95_us,
	registered_us = excluded.registered_us, in_service_us = excluded.in_service_us,
	up_us = excluded.up_us, available_us = excluded.available_us,
	queue_length = CASE h.granularity WHEN '5m' THEN h.queue_length ELSE excluded.queue_length END
WHERE (h.period_end, h.tasks_completed, h.tasks_failed, h.tasks_cancelled, h.execution_us,
		h.execution_count, h.execution_values, h.execution_bins, h.execution_counts,
		h.registered_us, h.in_service_us, h.up_us, h.available_us)
	IS DISTINCT FROM
	(excluded.period_end, excluded.tasks_completed, excluded.tasks_failed,
		excluded.tasks_cancelled, excluded.execution_us, excluded.execution_count,
		excluded.execution_values, excluded.execution_bins, excluded.execution_counts,
		excluded.registered_us, excluded.in_service_us, excluded.up_us, excluded.available_us)
	OR h.granularity <> '5m' AND h.queue_length <> excluded.queue_length;

-- name: DropEmptyHealthRows :exec
DELETE FROM system_health
WHERE organization_id = @organization_id AND granularity = @granularity
AND period_start = ANY (@periods::timestamptz[]) AND queue_length = 0 AND registered_us = 0
AND tasks_completed = 0 AND tasks_failed = 0 AND tasks_cancelled = 0;

-- name: SetHealth :batchexec
UPDATE system_health SET health_score = @health_score, status = @status, reasons = @reasons
WHERE organization_id = @organization_id AND granularity = '5m' AND period_start = @period_start
AND (health_score, status, reasons)
	IS DISTINCT FROM (@health_score::float8, @status::text, @reasons::text[]);

-- name: ComputeUsage :many
-- Five-minute rows of usage, from facts that are only ever added.
WITH buckets AS (
	SELECT unnest(@buckets::timestamptz[]) AS begins
), moved AS (
	SELECT b.begins,
		count(*) FILTER (WHERE t.direction = 'in') AS files_in,
		coalesce(sum(t.bytes) FILTER (WHERE t.direction = 'in'), 0) AS bytes_in,
		count(*) FILTER (WHERE t.direction = 'out') AS files_out,
		coalesce(sum(t.bytes) FILTER (WHERE t.direction = 'out'), 0) AS bytes_out,
		count(*) FILTER (WHERE t.direction = 'removed') AS files_removed,
		coalesce(sum(t.bytes) FILTER (WHERE t.direction = 'removed'), 0) AS bytes_removed,
		(array_agg(t.stored_files ORDER BY t.at DESC, t.id)
			FILTER (WHERE t.stored_files IS NOT NULL))[1]::bigint AS stored_files,
		(array_agg(t.stored_bytes ORDER BY t.at DESC, t.id)
			FILTER (WHERE t.stored_bytes IS NOT NULL))[1]::bigint AS stored_bytes,
		count(*) FILTER (WHERE t.scanned) AS scans,
		count(*) FILTER (WHERE t.quarantined) AS quarantined
	FROM buckets b JOIN file_transfers t ON t.organization_id = @organization_id
		AND t.at >= b.begins AND t.at < b.begins + interval '5 minutes'
	GROUP BY b.begins
), sent AS (
	SELECT b.begins,
		count(*) FILTER (WHERE a.outcome = 'delivered') AS delivered,
		count(*) FILTER (WHERE a.outcome IN ('folded', 'failed')) AS deferred,
		count(*) FILTER (WHERE a.outcome = 'dead') AS dead
	FROM buckets b JOIN notification_attempts a ON a.organization_id = @organization_id
		AND a.attempted_at >= b.begins AND a.attempted_at < b.begins + interval '5 minutes'
	GROUP BY b.begins
), ended AS (
	SELECT h.period_start AS begins, h.tasks_completed + h.tasks_failed + h.tasks_cancelled AS n
	FROM system_health h WHERE h.organization_id = @organization_id AND h.granularity = '5m'
	AND h.period_start = ANY (@buckets::timestamptz[])
)
INSERT INTO usage_metrics AS u (organization_id, granularity, period_start, period_end, files_in,
	bytes_in, files_out, bytes_out, files_removed, bytes_removed, stored_files, stored_bytes, scans,
	quarantined, notifications_delivered, notifications_deferred, notifications_dead, executions)
SELECT @organization_id, '5m', b.begins, b.begins + interval '5 minutes', coalesce(m.files_in, 0),
	coalesce(m.bytes_in, 0), coalesce(m.files_out, 0), coalesce(m.bytes_out, 0),
	coalesce(m.files_removed, 0), coalesce(m.bytes_removed, 0), m.stored_files, m.stored_bytes,
	coalesce(m.scans, 0), coalesce(m.quarantined, 0), coalesce(s.delivered, 0),
	coalesce(s.deferred, 0), coalesce(s.dead, 0), coalesce(e.n, 0)
FROM buckets b LEFT JOIN moved m USING (begins) LEFT JOIN sent s USING (begins)
LEFT JOIN ended e USING (begins)
WHERE m.begins IS NOT NULL OR s.begins IS NOT NULL OR e.n > 0 OR EXISTS (
	SELECT FROM usage_metrics x WHERE x.organization_id = @organization_id
	AND x.granularity = '5m' AND x.period_start = b.begins)
ON CONFLICT (organization_id, granularity, period_start) DO UPDATE SET
	files_in = excluded.files_in, bytes_in = excluded.bytes_in, files_out = excluded.files_out,
	bytes_out = excluded.bytes_out, files_removed = excluded.files_removed,
	bytes_removed = excluded.bytes_removed, stored_files = excluded.stored_files,
	stored_bytes = excluded.stored_bytes, scans = excluded.scans,
		quarantined = excluded.quarantined,
	notifications_delivered = excluded.notifications_delivered,
	notifications_deferred = excluded.notifications_deferred,
	notifications_dead = excluded.notifications_dead, executions = excluded.executions
WHERE (u.files_in, u.bytes_in, u.files_out, u.bytes_out, u.files_removed, u.bytes_removed,
		u.stored_files, u.stored_bytes, u.scans, u.quarantined, u.notifications_delivered,
		u.notifications_deferred, u.notifications_dead, u.executions)
	IS DISTINCT FROM
	(excluded.files_in, excluded.bytes_in, excluded.files_out, excluded.bytes_out,
		excluded.files_removed, excluded.bytes_removed, excluded.stored_files,
		excluded.stored_bytes, excluded.scans, excluded.quarantined,
		excluded.notifications_delivered, excluded.notifications_deferred,
		excluded.notifications_dead, excluded.executions)
RETURNING u.period_start;

-- name: MergeUsage :batchexec
INSERT INTO usage_metrics AS u (organization_id, granularity, period_start, period_end, files_in,
	bytes_in, files_out, bytes_out, files_removed, bytes_removed, stored_files, stored_bytes, scans,
	quarantined, notifications_delivered, notifications_deferred, notifications_dead, executions)
SELECT @organization_id, @granularity, @period_start, @period_end, sum(f.files_in), sum(f.bytes_in),
	sum(f.files_out), sum(f.bytes_out), sum(f.files_removed), sum(f.bytes_removed),
	(array_agg(f.stored_files ORDER BY f.period_start DESC)
		FILTER (WHERE f.stored_files IS NOT NULL))[1],
	(array_agg(f.stored_bytes ORDER BY f.period_start DESC)
		FILTER (WHERE f.stored_bytes IS NOT NULL))[1],
	sum(f.scans), sum(f.quarantined), sum(f.notifications_delivered),
	sum(f.notifications_deferred), sum(f.notifications_dead), sum(f.executions)
FROM usage_metrics f
WHERE f.organization_id = @organization_id AND f.granularity = @part
AND f.period_start >= @period_start AND f.period_start < @period_end
HAVING count(*) > 0
ON CONFLICT (organization_id, granularity, period_start) DO UPDATE SET
	period_end = excluded.period_end, files_in = excluded.files_in, bytes_in = excluded.bytes_in,
	files_out = excluded.files_out, bytes_out = excluded.bytes_out,
	files_removed = excluded.files_removed, bytes_removed = excluded.bytes_removed,
	stored_files = excluded.stored_files, stored_bytes = excluded.stored_bytes,
	scans = excluded.scans, quarantined = excluded.quarantined,
	notifications_delivered = excluded.notifications_delivered,
	notifications_deferred = excluded.notifications_deferred,
	notifications_dead = excluded.notifications_dead, executions = excluded.executions
WHERE (u.period_end, u.files_in, u.bytes_in, u.files_out, u.bytes_out, u.files_removed,
		u.bytes_removed, u.stored_files, u.stored_bytes, u.scans, u.quarantined,
		u.notifications_delivered, u.notifications_deferred, u.notifications_dead, u.executions)
	IS DISTINCT FROM
	(excluded.period_end, excluded.files_in, excluded.bytes_in, excluded.files_out,
		excluded.bytes_out, excluded.files_removed, excluded.bytes_removed,
		excluded.stored_files, excluded.stored_bytes, excluded.scans, excluded.quarantined,
		excluded.notifications_delivered, excluded.notifications_deferred,
		excluded.notifications_dead, excluded.executions);

-- name: UsageRows :many
SELECT period_start, period_end, files_in, bytes_in, files_out, bytes_out, files_removed,
	bytes_removed, stored_files, stored_bytes, scans, quarantined, notifications_delivered,
	notifications_deferred, notifications_dead, executions
FROM usage_metrics
WHERE organization_id = @organization_id AND granularity = @granularity
AND period_start >= @period_from AND period_start < @period_to
ORDER BY period_start;

-- name: Quota :one
SELECT total_bytes, used_bytes, reserved_bytes FROM storage_quotas
WHERE organization_id = @organization_id;

-- name: LastAlert :one
SELECT kind FROM analytics_alerts
WHERE organization_id = @organization_id AND kind = ANY (@kinds::text[])
ORDER BY created_at DESC, started_at DESC LIMIT 1;

-- name: RecordAlert :execrows
INSERT INTO analytics_alerts (organization_id, kind, started_at, created_at)
VALUES (@organization_id, @kind, @started_at, clock_timestamp())
ON CONFLICT DO NOTHING;

-- name: MakePartitions :one
SELECT make_partitions(@table_name::text, 4);

-- name: DropFinalPartitions :one
SELECT f.dropped::int AS dropped, f.kept::int AS kept, f.abandoned::bigint AS abandoned
FROM drop_final_partitions(@table_name::text, @before::timestamptz) f;

-- name: DeleteFinalExecutions :one
SELECT f.deleted::bigint AS deleted, f.abandoned::bigint AS abandoned
FROM delete_final_executions(@organization_id::uuid, @most::int) f;

-- name: ExpireAgentMetrics :execrows
DELETE FROM agent_metrics WHERE ctid = ANY (ARRAY(
	SELECT m.ctid FROM agent_metrics m
	WHERE m.organization_id = @organization_id AND m.granularity = @granularity
	AND m.period_start < @before LIMIT @page));

-- name: ExpireHealth :exec
DELETE FROM system_health
WHERE organization_id = @organization_id AND granularity = @granularity AND period_start < @before;

-- name: ExpireUsage :exec
DELETE FROM usage_metrics
WHERE organization_id = @organization_id AND granularity = @granularity AND period_start < @before;

-- name: ExpirePresence :exec
DELETE FROM agent_presence p USING aggregation_tenants t
WHERE t.organization_id = @organization_id AND p.organization_id = t.organization_id
AND p.at < t.sealed_before;

-- name: ExpireQueue :exec
DELETE FROM agent_task_queue q USING aggregation_tenants t
WHERE t.organization_id = @organization_id AND q.organization_id = t.organization_id
AND q.queued_at < t.sealed_before AND (q.left_at IS NULL OR q.left_at < t.sealed_before);

-- name: ExpireTransfers :exec
DELETE FROM file_transfers f USING aggregation_tenants t
WHERE t.organization_id = @organization_id AND f.organization_id = t.organization_id
AND f.at < t.sealed_before;

-- name: ExpireAlerts :exec
DELETE FROM analytics_alerts WHERE organization_id = @organization_id AND started_at < @before;

-- name: OrganizationZone :one
SELECT o.timezone, t.timezone AS merged_in, t.complete_through
FROM organizations o LEFT JOIN aggregation_tenants t ON t.organization_id = o.id
WHERE o.id = @organization_id;

-- name: AgentPage :many
-- The agents that have anything in a period, by id.
SELECT DISTINCT agent_instance_id FROM agent_metrics
WHERE organization_id = @organization_id AND granularity = @granularity
AND period_start >= @period_from AND period_start < @period_to
AND (@agent_type::text = '' OR agent_type = @agent_type)
AND agent_instance_id > @after
ORDER BY agent_instance_id LIMIT @page;

-- name: RowsOfAgents :many
SELECT agent_instance_id, agent_type, period_start, tasks_completed, tasks_failed, tasks_cancelled,
	execution_us, execution_count, execution_values, execution_bins, execution_counts,
	quality_sum, quality_count, confidence_sum, confidence_count, rating_sum, rating_count,
	memory_sum, memory_count, memory_peak, cpu_sum, cpu_count, cpu_peak,
	registered_us, in_service_us, up_us, available_us
FROM agent_metrics
WHERE organization_id = @organization_id AND granularity = @granularity
AND period_start >= @period_from AND period_start < @period_to
AND (@agent_type::text = '' OR agent_type = @agent_type)
AND agent_instance_id = ANY (@agents::uuid[]);
