-- Locks are taken in one order by every transaction, here and in file-api: file_uploads, files,
-- storage_quotas.

-- name: UploadStanding :one
-- Without a lock: neither that there is no upload nor which version won ever changes. kept: the file
-- ended while its bytes could be stored nowhere else. working counts the organization's leases, up to
-- a number.
SELECT u.object_version, (u.file_id IS NOT NULL)::boolean AS open,
	EXISTS (SELECT FROM files f WHERE f.organization_id = @organization_id AND f.id = @file_id
		AND f.status = 'error' AND f.bucket_name = @incoming) AS kept,
	(SELECT count(*) FROM (SELECT FROM file_uploads w WHERE w.organization_id = @organization_id
		AND w.lease_until > now() LIMIT sqlc.arg(most)::integer) leased)::integer AS working
FROM (VALUES (1)) one LEFT JOIN file_uploads u
	ON u.organization_id = @organization_id AND u.file_id = @file_id AND u.version = @version;

-- name: LockUpload :one
-- clock_timestamp and not now(): the transaction may have waited for the lock since it began.
SELECT object_version, attempts, last_error, coalesce(lease_until > clock_timestamp(),
	false)::boolean AS leased,
	coalesce(next_attempt_at > clock_timestamp(), false)::boolean AS waiting,
	(created_at <= clock_timestamp() - make_interval(secs => @max_age_seconds::float8))::boolean AS too_old
FROM file_uploads
WHERE organization_id = @organization_id AND file_id = @file_id AND version = @version
FOR UPDATE;

-- name: ClaimUpload :one
UPDATE file_uploads SET
	object_version = @object_version::text,
	lease_until = clock_timestamp() + make_interval(secs => @lease_seconds::float8),
	fence = fence + 1,
	attempts = attempts + 1,
	next_attempt_at = NULL,
	check_at = clock_timestamp() + make_interval(secs => @check_seconds::float8),
	unclean_fences = array_append(unclean_fences, fence + 1),
	last_error = sqlc.narg(last_error)
WHERE organization_id = @organization_id AND file_id = @file_id
RETURNING reserved_bytes, fence, attempts, retries;

-- name: StartProcessing :one
UPDATE files SET status = 'processing', updated_at = now()
WHERE files.organization_id = @organization_id AND files.id = @id
	AND status IN ('pending', 'processing')
RETURNING original_filename, mime_type, checksum,
	(SELECT o.status FROM organizations o WHERE o.id = @organization_id) AS organization_status;

-- name: ReleaseUpload :exec
-- given_back is 1 where the attempt does not count. A claim that stored nothing has nothing to be
-- cleaned up.
UPDATE file_uploads SET
	lease_until = NULL,
	last_error = @last_error::text,
	attempts = attempts - sqlc.arg(given_back)::integer,
	retries = retries + 1,
	next_attempt_at = clock_timestamp() + make_interval(secs => @wait_seconds::float8),
	check_at = clock_timestamp() + make_interval(secs => @wait_seconds::float8),
	unclean_fences = CASE WHEN sqlc.arg(clean)::boolean THEN array_remove(unclean_fences, fence)
		ELSE unclean_fences END
WHERE organization_id = @organization_id AND file_id = @file_id AND fence = @fence;

-- name: EndUpload :one
DELETE FROM file_uploads
WHERE organization_id = @organization_id AND file_id = @file_id AND fence = @fence
RETURNING reserved_bytes, expires_at, uploaded_by, unclean_fences;

-- name: FileExists :one
SELECT EXISTS (SELECT FROM files WHERE organization_id = @organization_id AND id = @id);

-- name: SettleFile :exec
-- What was not found out (the object was never read, or not to its end) keeps what the client
-- declared.
UPDATE files SET
	status = @status,
	status_reason = sqlc.narg(status_reason),
	bucket_name = @bucket_name,
	storage_path = @storage_path,
	current_version = @current_version,
	current_fence = @current_fence,
	file_size = coalesce(sqlc.narg(file_size), file_size),
	checksum = coalesce(sqlc.narg(checksum), checksum),
	mime_type = coalesce(sqlc.narg(mime_type), mime_type),
	width = sqlc.narg(width),
	height = sqlc.narg(height),
	variants = @variants,
	quota_bytes = @quota_bytes,
	deletion_date = least(deletion_date,
		now() + make_interval(secs => sqlc.narg(kept_seconds)::float8)),
	virus_scanned = sqlc.narg(virus_scan_result)::text IS NOT NULL,
	virus_scan_result = sqlc.narg(virus_scan_result),
	virus_scan_engine = sqlc.narg(virus_scan_engine),
	last_scanned_at = CASE WHEN sqlc.narg(virus_scan_result)::text IS NOT NULL THEN now() END,
	updated_at = now()
WHERE organization_id = @organization_id AND id = @id;

-- name: SettleQuota :exec
UPDATE storage_quotas SET
	reserved_bytes = reserved_bytes - @reserved_bytes,
	used_bytes = used_bytes + @used_bytes,
	file_count = file_count - sqlc.arg(released_files)::integer,
	updated_at = now()
WHERE organization_id = @organization_id;

-- name: LogProcessing :exec
INSERT INTO file_access_logs (organization_id, file_id, action, details, request_id)
VALUES (@organization_id, @file_id, 'process', @details, sqlc.narg(request_id));

-- name: EnqueueDeletion :exec
INSERT INTO object_deletions (organization_id, bucket_name, prefix, due_at)
VALUES (@organization_id, @bucket_name, @prefix, coalesce(sqlc.narg(due_at)::timestamptz, now()));

-- name: RecordTransfer :exec
-- What came in, for the usage metrics, with what is stored after it.
INSERT INTO file_transfers (organization_id, file_id, direction, bytes, scanned, quarantined,
	stored_bytes, stored_files)
SELECT q.organization_id, @file_id, 'in', @bytes, @scanned, @quarantined, q.used_bytes, q.file_count
FROM storage_quotas q WHERE q.organization_id = @organization_id;
