-- Those marked "across" look (not write) in every organization, as the policies of maintenance's
-- role allow.

-- name: UploadsDue :many
-- across: of each organization the few that have been due for longest, so that one with a backlog
-- takes no other's turn. The index gives organization after organization, and in each the first in
-- order: what a page costs grows with neither.
WITH RECURSIVE organization AS (
	(SELECT u.organization_id AS id FROM file_uploads u ORDER BY u.organization_id LIMIT 1)
	UNION ALL
	SELECT (SELECT u.organization_id FROM file_uploads u WHERE u.organization_id > o.id
		ORDER BY u.organization_id LIMIT 1)
	FROM organization o WHERE o.id IS NOT NULL
)
SELECT due.organization_id, due.file_id, due.check_at
FROM organization o CROSS JOIN LATERAL (
	SELECT u.organization_id, u.file_id, u.check_at FROM file_uploads u
	WHERE u.organization_id = o.id AND u.check_at <= @now ORDER BY u.check_at LIMIT @share
) due
ORDER BY due.check_at
LIMIT @page;

-- name: OldestUpload :one
-- across: when the oldest upload began that has no verdict; now where there is none.
SELECT coalesce(min(created_at), @now::timestamptz)::timestamptz AS began FROM file_uploads;

-- name: TakeUpload :one
-- Of two runs that found the same upload, one gets it.
UPDATE file_uploads SET check_at = @next
WHERE organization_id = @organization_id AND file_id = @file_id AND check_at = @seen
RETURNING *;

-- name: WaitLonger :exec
-- Each event that is sent is followed by a longer wait, unless a worker took the file up meanwhile.
UPDATE file_uploads SET check_at = @next, retries = retries + 1
WHERE organization_id = @organization_id AND file_id = @file_id AND fence = @fence
	AND check_at = @seen;

-- name: UploadPlace :one
-- Where an upload lies: among the incoming, unless it is redriven.
SELECT bucket_name, storage_path FROM files
WHERE organization_id = @organization_id AND id = @file_id;

-- name: FilesGivenUp :many
-- across: what ended without a verdict, in the order of an index of such files alone, which the
-- reasons have to be spelled out for.
SELECT organization_id, id, bucket_name, storage_path FROM files
WHERE status = 'error'
AND status_reason IN ('processing_unavailable', 'scanner_unavailable', 'too_many_attempts')
AND (organization_id, id) > (@after_organization::uuid, @after_id::uuid)
AND (sqlc.narg(organization_id)::uuid IS NULL OR organization_id = sqlc.narg(organization_id)::uuid)
AND (sqlc.narg(file_id)::uuid IS NULL OR id = sqlc.narg(file_id)::uuid)
AND (sqlc.narg(ended_from)::timestamptz IS NULL OR updated_at >= sqlc.narg(ended_from)::timestamptz)
AND (sqlc.narg(ended_before)::timestamptz IS NULL
	OR updated_at < sqlc.narg(ended_before)::timestamptz)
ORDER BY organization_id, id
LIMIT @page;

-- name: FilesPastDeletion :many
-- across: what is past its deletion date, the oldest first and from where the run has got to: what
-- it could not purge it does not meet again. A file in processing waits for its verdict.
SELECT organization_id, id, deletion_date AS due FROM files
WHERE deletion_date < @now AND status <> 'processing'
AND (deletion_date, organization_id, id) > (@after::timestamptz, @after_organization::uuid,
	@after_id::uuid)
ORDER BY deletion_date, organization_id, id
LIMIT @page;

-- name: FilesInTrash :many
-- across: what has been in the trash for long enough, likewise.
SELECT organization_id, id, deleted_at AS due FROM files
WHERE deleted_at < @deleted_before AND status <> 'processing'
AND (deleted_at, organization_id, id) > (@after::timestamptz, @after_organization::uuid,
	@after_id::uuid)
ORDER BY deleted_at, organization_id, id
LIMIT @page;

-- name: DeletionsDue :many
-- across
SELECT organization_id, id, bucket_name, prefix, attempts FROM object_deletions WHERE due_at <= @now
	ORDER BY due_at LIMIT @page;

-- name: FinishDeletions :exec
DELETE FROM object_deletions WHERE organization_id = @organization_id AND id = ANY (@ids::uuid[]);

-- name: PostponeDeletion :exec
UPDATE object_deletions SET attempts = attempts + 1, due_at = @due_at, last_error = @last_error
	WHERE organization_id = @organization_id AND id = @id;

-- name: DeleteExpiredKeys :execrows
-- across: bounded, oldest first. The policy of maintenance's role lets it see nothing but expired
-- keys.
DELETE FROM idempotency_keys WHERE idempotency_keys.expires_at <= (
	SELECT max(oldest.expires_at) FROM (
		SELECT k.expires_at FROM idempotency_keys k WHERE k.expires_at < @now::timestamptz
			ORDER BY k.expires_at LIMIT @page
	) oldest
);

-- name: DeleteIdleLimits :execrows
-- across: a limit that nobody has touched for an hour. It is always whole again by then.
DELETE FROM rate_limits WHERE tat < @idle_since;

-- name: MakeRecordPartitions :one
SELECT make_partitions('file_access_logs', @months::integer) AS months,
	make_partitions('file_access_origins', @days::integer) AS days;

-- name: DropRecordPartitions :one
-- By the database's clock, as the function wants it.
SELECT drop_partitions('file_access_logs', now() - make_interval(days => @record_days)) AS months,
	drop_partitions('file_access_origins', now() - make_interval(days => @origin_days)) AS days;

-- name: ShorterRetention :many
-- across: organizations that keep their data for a shorter time than the deployment keeps a record.
SELECT id, data_retention_days::integer AS days FROM organizations
WHERE data_retention_days < @days::integer;

-- name: DeleteRecords :execrows
-- Bounded, because a month of an organization may be large.
WITH origins AS (
	DELETE FROM file_access_origins
	WHERE organization_id = @organization_id AND occurred_at < @before
)
DELETE FROM file_access_logs l
WHERE l.organization_id = @organization_id AND l.occurred_at < @before
AND (l.id, l.occurred_at) IN (
	SELECT o.id, o.occurred_at FROM file_access_logs o
	WHERE o.organization_id = @organization_id AND o.occurred_at < @before LIMIT @page
);
