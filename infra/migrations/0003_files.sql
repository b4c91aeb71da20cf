-- +goose Up

CREATE TABLE files (
	organization_id        uuid NOT NULL REFERENCES organizations,
	id                     uuid NOT NULL DEFAULT gen_random_uuid(),
	-- safe to offer for download
	filename               text NOT NULL CHECK (filename <> '' AND octet_length(filename) <= 255),
	-- as the client named it
	original_filename      text NOT NULL,
	-- lower case, without the dot
	file_extension         text NOT NULL DEFAULT '',
	file_size              bigint NOT NULL CHECK (file_size > 0),
	mime_type              text NOT NULL,
	-- where the current original is: incoming, then files or quarantine
	bucket_name            text NOT NULL,
	storage_path           text NOT NULL,
	current_version        integer NOT NULL DEFAULT 1 CHECK (current_version > 0),
	-- of the attempt whose outputs these are: part of their keys
	current_fence          bigint NOT NULL DEFAULT 0,
	-- SHA-256: of the content once processed, until then what the client declared
	checksum               bytea CHECK (length(checksum) = 32),
	status                 text NOT NULL DEFAULT 'pending'
	                       CHECK (status IN ('pending', 'processing', 'available', 'quarantined',
	                       	'deleted', 'archived', 'error')),
	status_reason          text
	                       CHECK (status_reason IN ('checksum_mismatch', 'corrupt_image',
	                       	'empty_file', 'encrypted',
	                                                'infected', 'object_missing',
	                                                	'processing_unavailable',
	                                                	'scan_limits_exceeded',
	                                                'scanner_unavailable', 'size_mismatch',
	                                                	'too_large',
	                                                'too_many_attempts', 'too_many_pixels',
	                                                	'type_mismatch',
	                                                'type_not_allowed', 'unsupported_image',
	                                                	'organization_suspended',
	                                                	'upload_expired')),
	status_before_deletion text
		CHECK (status_before_deletion IN ('pending', 'processing', 'available', 'quarantined',
		'archived', 'error')),
	category               text NOT NULL DEFAULT 'educational_content'
	                       CHECK (category IN ('educational_content', 'student_submission',
	                       	'assessment', 'administrative', 'media_resource',
	                                           'temporary', 'avatar', 'report')),
	virus_scanned          boolean NOT NULL DEFAULT false,
	virus_scan_result      text, -- clean, or the signature's name; NULL: not scanned
	virus_scan_engine      text, -- engine and version of its database
	last_scanned_at        timestamptz,
	contains_pii           boolean NOT NULL DEFAULT false,
	requires_consent       boolean NOT NULL DEFAULT false,
	retention_days         integer CHECK (retention_days > 0),
	deletion_date          timestamptz, -- purged after this
	-- no foreign key here or in any *_by: what a person did outlives the membership
	uploaded_by            uuid NOT NULL,
	title                  text,
	description            text,
	tags                   text[] NOT NULL DEFAULT '{}',
	metadata               jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(metadata) = 'object'),
	width                  integer CHECK (width > 0),  -- pixels, after orientation
	height                 integer CHECK (height > 0),
	variants               jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(variants) = 'array'),
	-- what this row holds of storage_quotas.used_bytes
	quota_bytes            bigint NOT NULL DEFAULT 0 CHECK (quota_bytes >= 0),
	created_at             timestamptz NOT NULL DEFAULT now(),
	created_by             uuid NOT NULL,
	updated_at             timestamptz NOT NULL DEFAULT now(),
	updated_by             uuid,
	deleted_at             timestamptz,
	deleted_by             uuid,
	PRIMARY KEY (organization_id, id),
	CHECK ((status = 'deleted') = (deleted_at IS NOT NULL)),
	CHECK ((status = 'deleted') = (status_before_deletion IS NOT NULL)),
	CHECK (status <> 'available' OR virus_scan_result IS NULL OR virus_scan_result = 'clean'),
	CHECK (NOT virus_scanned OR virus_scan_result IS NOT NULL)
);
-- One index for each way that GET /v1/files narrows; text rather than enums keeps them usable under
-- row-level security.
CREATE INDEX files_newest ON files (organization_id, created_at DESC, id DESC);
CREATE INDEX files_by_status ON files (organization_id, status, created_at DESC, id DESC);
CREATE INDEX files_by_category ON files (organization_id, category, created_at DESC, id DESC);
CREATE INDEX files_by_uploader ON files (organization_id, uploaded_by, created_at DESC, id DESC);
CREATE INDEX files_by_name ON files (organization_id, filename COLLATE "C");
-- For maintenance, which looks across organizations.
CREATE INDEX files_due ON files (deletion_date, organization_id, id)
	WHERE deletion_date IS NOT NULL;
CREATE INDEX files_given_up ON files (organization_id, id) WHERE status = 'error'
	AND status_reason IN ('processing_unavailable', 'scanner_unavailable', 'too_many_attempts');
CREATE INDEX files_deleted ON files (deleted_at, organization_id, id) WHERE deleted_at IS NOT NULL;
SELECT protect_tenant_table('files');

-- What each download changes is not in the wide row of the file, which has seven indexes. Room in
-- each page keeps the new version of a row beside the old one, out of the index.
CREATE TABLE file_downloads (
	organization_id  uuid NOT NULL,
	file_id          uuid NOT NULL,
	download_count   bigint NOT NULL DEFAULT 1 CHECK (download_count > 0),
	last_accessed_at timestamptz NOT NULL,
	PRIMARY KEY (organization_id, file_id),
	FOREIGN KEY (organization_id, file_id) REFERENCES files ON DELETE CASCADE
) WITH (fillfactor = 50);
SELECT protect_tenant_table('file_downloads');

-- A reservation and the work on it: a row from POST /v1/files until the verdict. lease_until and
-- fence keep two workers from both ending it.
CREATE TABLE file_uploads (
	organization_id uuid NOT NULL,
	file_id         uuid NOT NULL,
	version         integer NOT NULL DEFAULT 1 CHECK (version > 0),
	uploaded_by     uuid NOT NULL,
	reserved_bytes  bigint NOT NULL CHECK (reserved_bytes > 0),
	expires_at      timestamptz NOT NULL, -- of the presigned form
	-- the first version of the key that was claimed: the only one that can win
	object_version  text,
	lease_until     timestamptz,
	-- given back until then, because something around the file failed
	next_attempt_at timestamptz,
	-- how often it was given back or sent again: the wait doubles
	retries         integer NOT NULL DEFAULT 0,
	-- grows with each claim; a verdict with an older one is refused
	fence           bigint NOT NULL DEFAULT 0,
	-- of claims that may have stored something; the verdict removes all but its own
	unclean_fences  bigint[] NOT NULL DEFAULT '{}',
	-- of which only those count that the file itself ended
	attempts        integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
	last_error      text,
	-- when maintenance looks after it, unless its event did
	check_at        timestamptz NOT NULL DEFAULT now() + interval '5 minutes',
	created_at      timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (organization_id, file_id),
	FOREIGN KEY (organization_id, file_id) REFERENCES files ON DELETE CASCADE
);
CREATE INDEX file_uploads_by_uploader ON file_uploads (organization_id, uploaded_by);
-- What workers have in hand, which is little whatever waits.
CREATE INDEX file_uploads_leased ON file_uploads (organization_id, lease_until)
	WHERE lease_until IS NOT NULL;
CREATE INDEX file_uploads_due ON file_uploads (organization_id, check_at);
-- For the age of the oldest, at a cost that a backlog does not change.
CREATE INDEX file_uploads_oldest ON file_uploads (created_at);
SELECT protect_tenant_table('file_uploads');

CREATE TABLE file_versions (
	organization_id    uuid NOT NULL,
	id                 uuid NOT NULL DEFAULT gen_random_uuid(),
	file_id            uuid NOT NULL,
	version_number     integer NOT NULL CHECK (version_number > 0),
	bucket_name        text NOT NULL,
	storage_path       text NOT NULL,
	file_size          bigint NOT NULL CHECK (file_size > 0),
	mime_type          text NOT NULL,
	checksum           bytea NOT NULL CHECK (length(checksum) = 32),
	variants           jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(variants) = 'array'),
	change_description text,
	created_at         timestamptz NOT NULL DEFAULT now(),
	created_by         uuid NOT NULL,
	PRIMARY KEY (organization_id, id),
	UNIQUE (organization_id, file_id, version_number),
	FOREIGN KEY (organization_id, file_id) REFERENCES files ON DELETE CASCADE
);
SELECT protect_tenant_table('file_versions');

-- A share's token is <organization>.<secret>, so that the organization is known before the row is
-- looked for; only the secret's hash is kept.
CREATE TABLE file_shares (
	organization_id   uuid NOT NULL,
	id                uuid NOT NULL DEFAULT gen_random_uuid(),
	file_id           uuid NOT NULL,
	share_type        text NOT NULL
		CHECK (share_type IN ('public_link', 'organization', 'specific_users', 'class',
		'temporary')),
	secret_hash       bytea NOT NULL CHECK (length(secret_hash) = 32), -- SHA-256 of 32 random bytes
	password_hash     text,
	can_download      boolean NOT NULL DEFAULT true,
	view_only         boolean NOT NULL DEFAULT false,
	expires_at        timestamptz,
	max_downloads     integer CHECK (max_downloads > 0),
	download_count    integer NOT NULL DEFAULT 0 CHECK (download_count >= 0),
	shared_with_users uuid[] NOT NULL DEFAULT '{}',
	class_id          uuid,
	revoked_at        timestamptz,
	last_accessed_at  timestamptz,
	created_at        timestamptz NOT NULL DEFAULT now(),
	created_by        uuid NOT NULL,
	PRIMARY KEY (organization_id, id),
	UNIQUE (organization_id, secret_hash),
	FOREIGN KEY (organization_id, file_id) REFERENCES files ON DELETE CASCADE,
	CHECK (NOT (view_only AND can_download)),
	CHECK (max_downloads IS NULL OR download_count <= max_downloads),
	CHECK (share_type <> 'temporary' OR expires_at IS NOT NULL),
	CHECK ((share_type = 'specific_users') = (shared_with_users <> '{}')),
	CHECK ((share_type = 'class') = (class_id IS NOT NULL))
);
CREATE INDEX file_shares_by_file ON file_shares (organization_id, file_id);
SELECT protect_tenant_table('file_shares');

-- used counts originals that were accepted, reserved those that may still come: used + reserved
-- never passes total. Variants are free.
CREATE TABLE storage_quotas (
	organization_id   uuid PRIMARY KEY REFERENCES organizations,
	total_bytes       bigint NOT NULL DEFAULT 1073741824 CHECK (total_bytes >= 0), -- 1 GiB
	used_bytes        bigint NOT NULL DEFAULT 0 CHECK (used_bytes >= 0),
	reserved_bytes    bigint NOT NULL DEFAULT 0 CHECK (reserved_bytes >= 0),
	max_files         integer NOT NULL DEFAULT 100000 CHECK (max_files >= 0),
	file_count        integer NOT NULL DEFAULT 0 CHECK (file_count >= 0),
	max_image_bytes   bigint CHECK (max_image_bytes > 0), -- NULL: MAX_FILE_SIZE alone decides
	max_video_bytes   bigint CHECK (max_video_bytes > 0),
	max_audio_bytes   bigint CHECK (max_audio_bytes > 0),
	max_document_bytes bigint CHECK (max_document_bytes > 0),
	warning_percent   integer NOT NULL DEFAULT 80 CHECK (warning_percent BETWEEN 1 AND 100),
	critical_percent  integer NOT NULL DEFAULT 95 CHECK (critical_percent BETWEEN 1 AND 100),
	updated_at        timestamptz NOT NULL DEFAULT now(),
	CHECK (warning_percent <= critical_percent)
);
SELECT protect_tenant_table('storage_quotas');

-- Append-only: no entry may change a record, and maintenance alone removes those of an organization
-- that keeps its data for a shorter time. All others end with their month. No foreign key to files:
-- the log outlives the file.
CREATE TABLE file_access_logs (
	organization_id uuid NOT NULL REFERENCES organizations,
	id              uuid NOT NULL DEFAULT gen_random_uuid(),
	file_id         uuid NOT NULL,
	user_id         uuid, -- NULL: the system itself
	action          text NOT NULL
		CHECK (action IN ('create', 'view', 'download', 'update', 'delete', 'restore', 'purge',
		'process', 'consent', 'share')),
	details         jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(details) = 'object'),
	request_id      text,
	occurred_at     timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (organization_id, id, occurred_at)
) PARTITION BY RANGE (occurred_at);
CREATE INDEX file_access_logs_by_file ON file_access_logs (organization_id, file_id,
	occurred_at DESC, id DESC);
SELECT protect_tenant_table('file_access_logs');
CREATE TABLE file_access_logs_default PARTITION OF file_access_logs DEFAULT;
ALTER TABLE file_access_logs_default ENABLE ROW LEVEL SECURITY;

-- Where a record of the access log came from. It finds who misused an account, which nobody asks
-- after a month, and says where a person was: so it has a table of its own, whose rows end with
-- their day.
CREATE TABLE file_access_origins (
	organization_id uuid NOT NULL REFERENCES organizations,
	id              uuid NOT NULL, -- of the record, like occurred_at
	ip_address      inet,
	user_agent      text,
	occurred_at     timestamptz NOT NULL,
	PRIMARY KEY (organization_id, id, occurred_at)
) PARTITION BY RANGE (occurred_at);
SELECT protect_tenant_table('file_access_origins');
CREATE TABLE file_access_origins_default PARTITION OF file_access_origins DEFAULT;
ALTER TABLE file_access_origins_default ENABLE ROW LEVEL SECURITY;

INSERT INTO partitioned_tables (name, maintainer, period) VALUES
	('file_access_logs', 'satchel_file_api_maintenance', 'month'),
	('file_access_origins', 'satchel_file_api_maintenance', 'day');
SELECT make_partitions('file_access_logs', 2), make_partitions('file_access_origins', 7);

-- Who agreed that a file which requires consent is handed out. A withdrawn consent stays as the
-- record that it was once given.
CREATE TABLE file_consents (
	organization_id uuid NOT NULL,
	id              uuid NOT NULL DEFAULT gen_random_uuid(),
	file_id         uuid NOT NULL,
	given_by        text NOT NULL CHECK (given_by <> ''), -- the person, as the school knows them
	basis           text NOT NULL CHECK (basis <> ''),    -- for example: signed form of 2026-09-01
	recorded_by     uuid NOT NULL,
	recorded_at     timestamptz NOT NULL DEFAULT now(),
	withdrawn_by    uuid,
	withdrawn_at    timestamptz,
	PRIMARY KEY (organization_id, id),
	FOREIGN KEY (organization_id, file_id) REFERENCES files ON DELETE CASCADE,
	CHECK ((withdrawn_at IS NULL) = (withdrawn_by IS NULL))
);
CREATE UNIQUE INDEX file_consents_in_force ON file_consents (organization_id, file_id)
	WHERE withdrawn_at IS NULL;
SELECT protect_tenant_table('file_consents');

-- Objects that must go: every version below a prefix that ends in /, or of the one key that does
-- not. Written in the transaction that lets go of them, so that a crash forgets nothing.
CREATE TABLE object_deletions (
	organization_id uuid NOT NULL REFERENCES organizations,
	id              uuid NOT NULL DEFAULT gen_random_uuid(),
	bucket_name     text NOT NULL CHECK (bucket_name <> ''),
	prefix          text NOT NULL,
	due_at          timestamptz NOT NULL DEFAULT now(),
	attempts        integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
	last_error      text,
	created_at      timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (organization_id, id),
	-- a prefix that is too short would empty a bucket: it must name one file of its own
	-- organization
	CHECK (prefix ~ ('^(incoming|original|variant|quarantine)/' || organization_id
		|| '/[0-9a-f-]{36}/'))
);
CREATE INDEX object_deletions_due ON object_deletions (due_at);
SELECT protect_tenant_table('object_deletions');

GRANT SELECT, INSERT, UPDATE, DELETE ON files TO satchel_file_api_http;
GRANT SELECT, INSERT, UPDATE (download_count, last_accessed_at) ON file_downloads
	TO satchel_file_api_http;
GRANT SELECT, INSERT, DELETE, UPDATE (expires_at) ON file_uploads TO satchel_file_api_http;
GRANT SELECT, INSERT, UPDATE ON storage_quotas, file_consents TO satchel_file_api_http;
GRANT SELECT, INSERT ON file_access_logs, file_access_origins TO satchel_file_api_http;
GRANT INSERT ON object_deletions TO satchel_file_api_http;

GRANT SELECT (id, status) ON organizations TO satchel_file_processing_events;
GRANT SELECT, UPDATE ON files TO satchel_file_processing_events;
GRANT SELECT, UPDATE, DELETE ON file_uploads TO satchel_file_processing_events;
GRANT SELECT, UPDATE ON storage_quotas TO satchel_file_processing_events;
GRANT INSERT ON file_access_logs, object_deletions TO satchel_file_processing_events;

-- Maintenance finds what is due in every organization, then acts inside one organization at a time.
-- It sees ids, dates and states of files, and no names, titles or metadata.
GRANT SELECT (organization_id, id, status, status_reason, quota_bytes, deletion_date, deleted_at,
	uploaded_by, bucket_name, storage_path, current_fence, category, retention_days, created_at,
	updated_at),
	UPDATE (status, status_reason, deletion_date, updated_at), DELETE
	ON files TO satchel_file_api_maintenance;
GRANT SELECT, UPDATE, DELETE ON object_deletions TO satchel_file_api_maintenance;
GRANT SELECT, INSERT, DELETE, UPDATE (check_at, retries) ON file_uploads
	TO satchel_file_api_maintenance;
GRANT SELECT, UPDATE ON storage_quotas TO satchel_file_api_maintenance;
GRANT INSERT ON file_access_logs, file_access_origins, object_deletions
	TO satchel_file_api_maintenance;
GRANT SELECT (organization_id, id, occurred_at), DELETE ON file_access_logs
	TO satchel_file_api_maintenance;
GRANT SELECT (organization_id, occurred_at), DELETE ON file_access_origins
	TO satchel_file_api_maintenance;
GRANT SELECT (id, status, data_retention_days) ON organizations TO satchel_file_api_maintenance;
GRANT EXECUTE ON FUNCTION make_partitions(text, integer), drop_partitions(text, timestamptz)
	TO satchel_file_api_maintenance;
CREATE POLICY maintenance_across ON organizations FOR SELECT TO satchel_file_api_maintenance
	USING (true);
CREATE POLICY maintenance_across ON files FOR SELECT TO satchel_file_api_maintenance USING (true);
CREATE POLICY maintenance_across ON file_uploads FOR SELECT TO satchel_file_api_maintenance
	USING (true);
CREATE POLICY maintenance_across ON object_deletions FOR SELECT TO satchel_file_api_maintenance
	USING (true);

-- +goose Down
REVOKE SELECT (id, status) ON organizations FROM satchel_file_processing_events;
REVOKE SELECT (id, status, data_retention_days) ON organizations FROM satchel_file_api_maintenance;
DROP POLICY maintenance_across ON organizations;
REVOKE EXECUTE ON FUNCTION make_partitions(text, integer), drop_partitions(text, timestamptz)
	FROM satchel_file_api_maintenance;
DELETE FROM partitioned_tables WHERE name IN ('file_access_logs', 'file_access_origins');
DROP TABLE object_deletions, file_consents, file_access_origins, file_access_logs, storage_quotas,
	file_shares, file_versions, file_downloads, file_uploads, files;
