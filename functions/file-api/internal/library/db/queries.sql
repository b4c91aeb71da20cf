-- Every query names the organization although row-level security does too: the planner gets an
-- index condition, and a reader sees the scope.
-- Locks are taken in one order by every transaction, here and in file-processing: file_uploads,
-- files, storage_quotas.

-- name: ReleaseQuota :exec
UPDATE storage_quotas
SET reserved_bytes = reserved_bytes - @reserved::bigint, file_count = file_count - 1,
	updated_at = @now
WHERE organization_id = @organization_id;

-- name: RemoveStored :exec
-- The room of a file that was accepted comes back, and the usage metrics learn what is left.
WITH released AS (
	UPDATE storage_quotas q
	SET used_bytes = q.used_bytes - @used::bigint, file_count = q.file_count - 1, updated_at = @now
	WHERE q.organization_id = @organization_id
	RETURNING q.organization_id, q.used_bytes, q.file_count
)
INSERT INTO file_transfers (organization_id, file_id, direction, bytes, stored_bytes, stored_files)
SELECT r.organization_id, @file_id, 'removed', @used::bigint, r.used_bytes, r.file_count
FROM released r;

-- name: Quota :one
SELECT * FROM storage_quotas WHERE organization_id = @organization_id;

-- name: InsertFile :exec
INSERT INTO files (organization_id, id, filename, original_filename, file_extension, file_size,
	mime_type, bucket_name, storage_path, checksum,
	category, contains_pii, requires_consent, retention_days, deletion_date, title, description,
		tags, metadata,
	uploaded_by, created_by, created_at, updated_at)
VALUES (@organization_id, @id, @filename, @original_filename, @file_extension, @file_size,
	@mime_type, @bucket_name, @storage_path, @checksum,
	@category, @contains_pii, @requires_consent, @retention_days, @deletion_date, @title,
		@description, @tags, @metadata,
	@uploaded_by, @uploaded_by, @created_at, @created_at);

-- name: InsertUpload :exec
INSERT INTO file_uploads (organization_id, file_id, version, uploaded_by, reserved_bytes,
	expires_at, created_at, check_at)
VALUES (@organization_id, @file_id, @version, @uploaded_by, @reserved_bytes, @expires_at,
	@created_at, @check_at);

-- name: ExtendUpload :execrows
UPDATE file_uploads SET expires_at = @expires_at
	WHERE organization_id = @organization_id AND file_id = @file_id;

-- name: File :one
SELECT sqlc.embed(f), c.given_by, c.basis, c.recorded_by, c.recorded_at,
	coalesce(d.download_count, 0) AS download_count, d.last_accessed_at
FROM files f
LEFT JOIN file_downloads d ON d.organization_id = f.organization_id AND d.file_id = f.id
LEFT JOIN file_consents c ON c.organization_id = f.organization_id AND c.file_id = f.id
	AND c.withdrawn_at IS NULL
WHERE f.organization_id = @organization_id AND f.id = @id;

-- name: LockUpload :one
SELECT * FROM file_uploads WHERE organization_id = @organization_id AND file_id = @file_id
	FOR UPDATE;

-- name: LockFile :one
SELECT * FROM files WHERE organization_id = @organization_id AND id = @id FOR UPDATE;

-- name: LockDueFile :one
-- What time demands of a file is decided without what it says about anybody: maintenance's role may
-- read these columns and no others.
SELECT id, status, quota_bytes, deletion_date, deleted_at, uploaded_by FROM files
WHERE organization_id = @organization_id AND id = @id FOR UPDATE;

-- name: LockGivenUp :one
-- A file that ended without a verdict, with what it takes to process it again.
SELECT f.status_reason, f.bucket_name, f.storage_path, f.current_fence, f.uploaded_by, f.category,
	f.retention_days, f.created_at, o.status AS organization_status, o.data_retention_days
FROM files f JOIN organizations o ON o.id = f.organization_id
WHERE f.organization_id = @organization_id AND f.id = @id AND f.status = 'error'
FOR UPDATE OF f;

-- name: InsertRedrive :exec
-- The fence goes on from the one before, so that no attempt meets the keys of an earlier one.
INSERT INTO file_uploads (organization_id, file_id, version, uploaded_by, reserved_bytes,
	expires_at, object_version, fence, created_at, check_at)
VALUES (@organization_id, @file_id, @version, @uploaded_by, @reserved_bytes, @now,
	@object_version, @fence, @now, @check_at);

-- name: RedriveFile :exec
UPDATE files SET status = 'processing', status_reason = NULL, deletion_date = @deletion_date,
	updated_at = @now
WHERE organization_id = @organization_id AND id = @id;

-- name: LockFileForChange :one
-- With all that a change needs to know, and without the upload, which it leaves alone.
SELECT sqlc.embed(f), c.given_by, c.basis, c.recorded_by, c.recorded_at, o.data_retention_days,
	coalesce(d.download_count, 0) AS download_count, d.last_accessed_at
FROM files f
LEFT JOIN file_downloads d ON d.organization_id = f.organization_id AND d.file_id = f.id
JOIN organizations o ON o.id = f.organization_id
LEFT JOIN file_consents c ON c.organization_id = f.organization_id AND c.file_id = f.id
	AND c.withdrawn_at IS NULL
WHERE f.organization_id = @organization_id AND f.id = @id
FOR UPDATE OF f;

-- name: ListFiles :many
SELECT sqlc.embed(f), c.given_by, c.basis, c.recorded_by, c.recorded_at,
	coalesce(d.download_count, 0) AS download_count, d.last_accessed_at
FROM files f
LEFT JOIN file_downloads d ON d.organization_id = f.organization_id AND d.file_id = f.id
LEFT JOIN file_consents c ON c.organization_id = f.organization_id AND c.file_id = f.id
	AND c.withdrawn_at IS NULL
WHERE f.organization_id = @organization_id
AND (sqlc.narg(status)::text IS NULL OR f.status = sqlc.narg(status)::text)
AND (sqlc.narg(status)::text IS NOT NULL OR f.status <> 'deleted')
AND (sqlc.narg(category)::text IS NULL OR f.category = sqlc.narg(category)::text)
AND (sqlc.narg(uploaded_by)::uuid IS NULL OR f.uploaded_by = sqlc.narg(uploaded_by)::uuid)
AND (sqlc.narg(content_type)::text IS NULL
	OR f.mime_type COLLATE "C" ^@ sqlc.narg(content_type)::text)
AND (sqlc.narg(name)::text IS NULL OR f.filename COLLATE "C" ^@ sqlc.narg(name)::text)
AND (@sees_all::boolean OR f.category <> 'student_submission' AND f.status <> 'deleted'
	OR f.uploaded_by = @caller::uuid)
AND (sqlc.narg(before)::timestamptz IS NULL
	OR (f.created_at, f.id) < (sqlc.narg(before)::timestamptz, sqlc.narg(before_id)::uuid))
ORDER BY f.created_at DESC, f.id DESC
LIMIT @page;

-- name: ChangeFile :exec
UPDATE files SET filename = @filename, file_extension = @file_extension, category = @category,
	title = @title, description = @description, tags = @tags, metadata = @metadata,
		contains_pii = @contains_pii, requires_consent = @requires_consent,
	retention_days = @retention_days, deletion_date = @deletion_date, updated_at = @now,
		updated_by = @updated_by
WHERE organization_id = @organization_id AND id = @id;

-- name: SoftDeleteFile :exec
UPDATE files SET status_before_deletion = status, status = 'deleted', deleted_at = @now,
	deleted_by = @deleted_by, updated_at = @now
WHERE organization_id = @organization_id AND id = @id;

-- name: RestoreFile :exec
UPDATE files SET status = status_before_deletion, status_before_deletion = NULL, deleted_at = NULL,
	deleted_by = NULL, updated_at = @now, updated_by = @updated_by
WHERE organization_id = @organization_id AND id = @id;

-- name: DeleteFile :exec
DELETE FROM files WHERE organization_id = @organization_id AND id = @id;

-- name: DeleteUpload :one
DELETE FROM file_uploads WHERE organization_id = @organization_id AND file_id = @file_id
	RETURNING reserved_bytes;

-- name: EnqueueDeletion :exec
INSERT INTO object_deletions (organization_id, id, bucket_name, prefix, due_at, created_at)
VALUES (@organization_id, @id, @bucket_name, @prefix, @due_at, @created_at);

-- name: CountDownload :exec
WITH counted AS (
	INSERT INTO file_downloads AS d (organization_id, file_id, last_accessed_at)
	VALUES (@organization_id, @file_id, @now)
	ON CONFLICT (organization_id, file_id) DO UPDATE SET download_count = d.download_count + 1,
		last_accessed_at = greatest(d.last_accessed_at, excluded.last_accessed_at)
)
INSERT INTO file_transfers (organization_id, file_id, direction, bytes)
VALUES (@organization_id, @file_id, 'out', @bytes);

-- name: AppendAccess :exec
-- Where it came from, if from anywhere, ends long before the record does.
WITH record AS (
	INSERT INTO file_access_logs (organization_id, id, file_id, user_id, action, details,
		request_id, occurred_at)
	VALUES (@organization_id, @id, @file_id, @user_id, @action, @details, @request_id, @occurred_at)
)
INSERT INTO file_access_origins (organization_id, id, ip_address, user_agent, occurred_at)
SELECT @organization_id, @id, sqlc.narg(ip_address)::inet, sqlc.narg(user_agent)::text, @occurred_at
WHERE sqlc.narg(ip_address)::inet IS NOT NULL OR sqlc.narg(user_agent)::text IS NOT NULL;

-- name: ListAccess :many
-- With where it came from for who may know, as long as that is kept.
SELECT sqlc.embed(l), o.ip_address, o.user_agent
FROM file_access_logs l
LEFT JOIN file_access_origins o ON @with_origin::boolean AND o.organization_id = @organization_id
	AND o.id = l.id AND o.occurred_at = l.occurred_at
WHERE l.organization_id = @organization_id AND l.file_id = @file_id
AND (sqlc.narg(before)::timestamptz IS NULL
	OR (l.occurred_at, l.id) < (sqlc.narg(before)::timestamptz, sqlc.narg(before_id)::uuid))
ORDER BY l.occurred_at DESC, l.id DESC
LIMIT @page;

-- name: InsertConsent :exec
INSERT INTO file_consents (organization_id, id, file_id, given_by, basis, recorded_by, recorded_at)
VALUES (@organization_id, @id, @file_id, @given_by, @basis, @recorded_by, @recorded_at);

-- name: WithdrawConsent :execrows
UPDATE file_consents SET withdrawn_at = @now, withdrawn_by = @withdrawn_by
WHERE organization_id = @organization_id AND file_id = @file_id AND withdrawn_at IS NULL;

-- name: RejectFile :exec
UPDATE files SET status = @status, status_reason = @reason::text,
	deletion_date = least(deletion_date, @deletion_date), updated_at = @now
WHERE organization_id = @organization_id AND id = @id;
