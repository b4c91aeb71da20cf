-- Those marked "across" look (not write) in every organization, as the policies of maintenance's
-- role allow.

-- name: UploadsToCheck :many
-- across: reservations that nothing has happened to for a while, and work whose lease has ended;
-- those looked at longest ago come first.
SELECT u.organization_id, u.file_id, u.checked_at
FROM file_uploads u
JOIN files f ON f.organization_id = u.organization_id AND f.id = u.file_id
WHERE coalesce(u.checked_at, u.created_at) < @checked_before
AND (f.status = 'pending' OR (f.status = 'processing' AND coalesce(u.lease_until, u.created_at) < @lease_before))
ORDER BY coalesce(u.checked_at, u.created_at)
LIMIT @page;

-- name: TakeUploadToCheck :one
-- Of two runs that found the same upload, one gets it.
UPDATE file_uploads SET checked_at = @now
WHERE organization_id = @organization_id AND file_id = @file_id AND checked_at IS NOT DISTINCT FROM sqlc.narg(seen)::timestamptz
RETURNING *;

-- name: FilesToPurge :many
-- across: what is past its deletion date, and what has been in the trash for long enough. A file in
-- processing waits for its verdict. The order is total, so that a run can step over those which it
-- could not purge: they stay first.
SELECT organization_id, id FROM files
WHERE (deletion_date < @now OR deleted_at < @deleted_before) AND status <> 'processing'
ORDER BY least(deletion_date, deleted_at), organization_id, id
LIMIT @page OFFSET @stuck;

-- name: DeletionsDue :many
-- across
SELECT organization_id, id, bucket_name, prefix, attempts FROM object_deletions WHERE due_at <= @now ORDER BY due_at LIMIT @page;

-- name: FinishDeletion :exec
DELETE FROM object_deletions WHERE organization_id = @organization_id AND id = @id;

-- name: PostponeDeletion :exec
UPDATE object_deletions SET attempts = attempts + 1, due_at = @due_at, last_error = @last_error WHERE organization_id = @organization_id AND id = @id;

-- name: DeleteExpiredKeys :execrows
-- across: bounded, oldest first. The policy of maintenance's role lets it see nothing but expired
-- keys.
DELETE FROM idempotency_keys WHERE idempotency_keys.expires_at <= (
	SELECT max(oldest.expires_at) FROM (
		SELECT k.expires_at FROM idempotency_keys k WHERE k.expires_at < @now::timestamptz ORDER BY k.expires_at LIMIT @page
	) oldest
);
