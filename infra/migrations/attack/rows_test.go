// Package attack breaks into a migrated database: as one organization, through the same door as the
// functions, it tries to read, change, move, count and guess the rows of another. The tables come
// from pg_catalog, so that a new one is attacked by being there.
package attack

import (
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/infra/pgtest"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// rowsOf makes what an organization ($1) has in each table, in the order that references want. A
// tenant's table that is missing here fails the suite.
var rowsOf = []rowOf{
	{"public.organizations", ""}, // pgtest makes these two
	{"public.memberships", ""},
	{"public.idempotency_keys", `INSERT INTO idempotency_keys (organization_id, user_id, route, key,
		request_hash, resource_id)
		VALUES ($1::uuid, gen_random_uuid(), 'create-file', gen_random_uuid(), sha256(''),
			gen_random_uuid())`},
	{"public.rate_limits",
		`INSERT INTO rate_limits (organization_id, bucket, tat)
			VALUES ($1::uuid, gen_random_uuid(), now() + interval '1 hour')`},
	{"public.files", `INSERT INTO files (organization_id, filename, original_filename, file_size,
		mime_type, bucket_name, storage_path, uploaded_by, created_by)
		VALUES ($1::uuid, 'secret of ' || $1::uuid, 'secret', 1, 'text/plain', 'files', 'original',
			gen_random_uuid(), gen_random_uuid())`},
	{"public.file_downloads", `INSERT INTO file_downloads (organization_id, file_id,
		last_accessed_at)
		SELECT organization_id, id, now() FROM files WHERE organization_id = $1::uuid`},
	{"public.file_uploads", `INSERT INTO file_uploads (organization_id, file_id, uploaded_by,
		reserved_bytes, expires_at)
		SELECT organization_id, id, uploaded_by, 1, now() FROM files
			WHERE organization_id = $1::uuid`},
	{"public.file_versions", `INSERT INTO file_versions (organization_id, file_id, version_number,
		bucket_name, storage_path, file_size, mime_type, checksum, created_by)
		SELECT organization_id, id, 1, 'files', 'original', 1, 'text/plain', sha256(''), created_by
			FROM files WHERE organization_id = $1::uuid`},
	{"public.file_shares", `INSERT INTO file_shares (organization_id, file_id, share_type,
		secret_hash, created_by)
		SELECT organization_id, id, 'organization', sha256(id::text::bytea), created_by FROM files
			WHERE organization_id = $1::uuid`},
	{"public.storage_quotas", `INSERT INTO storage_quotas (organization_id) VALUES ($1::uuid)`},
	{"public.file_access_logs",
		`INSERT INTO file_access_logs (organization_id, file_id, action)
			VALUES ($1::uuid, gen_random_uuid(), 'view')`},
	{"public.file_access_origins",
		`INSERT INTO file_access_origins (organization_id, id, occurred_at, ip_address)
			SELECT organization_id, id, occurred_at, '192.0.2.1' FROM file_access_logs
				WHERE organization_id = $1::uuid`},
	{"public.file_consents", `INSERT INTO file_consents (organization_id, file_id, given_by, basis,
		recorded_by)
		SELECT organization_id, id, 'a parent', 'a form', created_by FROM files
			WHERE organization_id = $1::uuid`},
	{"public.object_deletions",
		`INSERT INTO object_deletions (organization_id, bucket_name, prefix)
			VALUES ($1::uuid, 'files', 'original/' || $1::uuid || '/' || gen_random_uuid()
			|| '/')`},
	{"public.notification_inbox",
		`INSERT INTO notification_inbox (organization_id, topic, subject_id)
			VALUES ($1::uuid, 'file.available', gen_random_uuid())`},
	{"public.notification_schedule", `INSERT INTO notification_schedule (organization_id,
		not_before, topic, channel, payload, priority)
		VALUES ($1::uuid, now(), 'message.posted', 'private-org', '{}', 1)`},
	{"public.notification_tenants",
		`INSERT INTO notification_tenants (organization_id) VALUES ($1::uuid)`},
	{"public.notification_channels",
		`INSERT INTO notification_channels (organization_id, channel, last_sequence)
			VALUES ($1::uuid, 'private-' || gen_random_uuid(), 1)`},
	{"public.notifications", `INSERT INTO notifications (organization_id, channel, sequence, id,
		topic, payload, priority, occurred_at)
		SELECT organization_id, channel, 1, gen_random_uuid(), 'file.available', '{}', 1, now()
			FROM notification_channels WHERE organization_id = $1::uuid`},
	{"public.notification_deliveries", `INSERT INTO notification_deliveries (organization_id,
		channel, sequence, recorded_at, priority)
		SELECT organization_id, channel, 1, now(), 1 FROM notification_channels
			WHERE organization_id = $1::uuid`},
	{"public.notification_dead", `INSERT INTO notification_dead (organization_id, channel, sequence,
		recorded_at, reason, attempts)
		SELECT organization_id, channel, 1, now(), 'refused', 1 FROM notification_channels
			WHERE organization_id = $1::uuid`},
	{"public.notification_attempts", `INSERT INTO notification_attempts (organization_id, channel,
		sequence, outcome)
		SELECT organization_id, channel, 1, 'delivered' FROM notification_channels
			WHERE organization_id = $1::uuid`},
	{"public.notification_acks",
		`INSERT INTO notification_acks (organization_id, user_id, channel, sequence)
			VALUES ($1::uuid, gen_random_uuid(), 'private-org', 1)`},
	{"public.notification_mutes",
		`INSERT INTO notification_mutes (organization_id, user_id, topic)
			VALUES ($1::uuid, gen_random_uuid(), 'file.available')`},
	{"public.notification_keys",
		`INSERT INTO notification_keys (organization_id, key, id, expires_at)
			VALUES ($1::uuid, gen_random_uuid(), gen_random_uuid(), now())`},
	{"public.notification_sockets", `INSERT INTO notification_sockets (organization_id, socket_id,
		user_id)
		VALUES ($1::uuid, gen_random_uuid(), gen_random_uuid())`},
	{"public.notification_pace",
		`INSERT INTO notification_pace (organization_id, bucket)
			VALUES ($1::uuid, gen_random_uuid())`},
	{"public.agent_instances", `INSERT INTO agent_instances (organization_id, agent_id, agent_type)
		VALUES ($1::uuid, gen_random_uuid(), 'tutor')`},
	// The trigger of agent_instances makes a row, and another when an agent is deleted.
	{"public.agent_presence", `DELETE FROM agent_presence
		WHERE organization_id = $1::uuid AND status = 'deleted'`},
	{"public.agent_executions", `INSERT INTO agent_executions
		(organization_id, task_id, agent_instance_id, agent_type, task_type)
		VALUES ($1::uuid, 'secret', gen_random_uuid(), 'tutor', 'quiz')`},
	{"public.agent_execution_changes", `INSERT INTO agent_execution_changes (organization_id,
		bucket_start)
		VALUES ($1::uuid, bucket_of(now()))`},
	{"public.agent_task_queue", `INSERT INTO agent_task_queue (organization_id, task_id, agent_type,
		task_type)
		VALUES ($1::uuid, 'secret', 'tutor', 'quiz')`},
	{"public.file_transfers", `INSERT INTO file_transfers (organization_id, file_id, direction,
		bytes)
		VALUES ($1::uuid, gen_random_uuid(), 'in', 1)`},
	{"public.agent_metrics", `INSERT INTO agent_metrics
		(organization_id, agent_instance_id, agent_type, granularity, period_start, period_end)
		VALUES ($1::uuid, gen_random_uuid(), 'tutor', '5m', bucket_of(now()),
			bucket_of(now()) + interval '5 minutes')`},
	{"public.system_health", `INSERT INTO system_health (organization_id, granularity, period_start,
		period_end)
		SELECT $1::uuid, '5m', t, t + interval '5 minutes'
		FROM (SELECT bucket_of(now() - random() * interval '9000 days') AS t) r`},
	{"public.usage_metrics", `INSERT INTO usage_metrics (organization_id, granularity, period_start,
		period_end)
		SELECT $1::uuid, '5m', t, t + interval '5 minutes'
		FROM (SELECT bucket_of(now() - random() * interval '9000 days') AS t) r`},
	{"public.metrics_changes", `INSERT INTO metrics_changes (organization_id, period_start)
		VALUES ($1::uuid, bucket_of(now()))`},
	{"public.aggregation_tenants", `INSERT INTO aggregation_tenants (organization_id, timezone,
		complete_through)
		VALUES ($1::uuid, 'UTC', bucket_of(now()))`},
	{"public.analytics_alerts", `INSERT INTO analytics_alerts (organization_id, kind, started_at)
		VALUES ($1::uuid, 'quota.warning', now())`},
}

type rowOf struct{ table, insert string }

// notTenants are the tables that the suite leaves to tests of their own.
var notTenants = map[string]string{
	"public.users": "global: users_test.go",
	"public.notification_senders": "what all dispatchers share about Pusher: no " +
		"organization's",
	"public.partitioned_tables": "the owner's alone: infra/migrations/partitions_test.go",
	"public.aggregation_runs":   "holds no organization's data",
	"public.platform_health": "of all organizations together, for the operator: " +
		"infra/migrations/analytics_test.go",
	"satchel_migrations.goose_db_version": "goose's own, in a schema that no entry may use",
}

// fixture is a database with two organizations that have a row in each table.
type fixture struct {
	*pgtest.Database
	attacker, victim uuid.UUID
	tables           []table
	rows             []rowOf
}

// newFixture may get tables of a test's own.
func newFixture(t *testing.T, migration string, more ...rowOf) fixture {
	t.Helper()
	w := fixture{Database: pgtest.New(t), rows: slices.Concat(rowsOf, more)}
	if _, err := w.Superuser.Exec(t.Context(), migration); err != nil {
		t.Fatal(err)
	}
	w.attacker, w.victim = w.Organization(t, "attacker"), w.Organization(t, "victim")
	var err error
	if w.tables, err = tablesOf(t, w.Database, w.rows); err != nil {
		t.Fatal(err)
	}
	for _, organization := range []uuid.UUID{w.attacker, w.victim} {
		w.Member(t, organization, tenant.Member)
		w.fill(t, organization)
	}
	return w
}

// fill gives the organization its rows anew.
func (w fixture) fill(t *testing.T, organization uuid.UUID) {
	t.Helper()
	batch := &pgx.Batch{}
	for _, r := range slices.Backward(w.rows) {
		if r.insert != "" {
			batch.Queue(`DELETE FROM `+r.table+` WHERE organization_id = $1`, organization)
		}
	}
	for _, r := range w.rows {
		if r.insert != "" {
			batch.Queue(r.insert, organization)
		}
	}
	if err := w.Superuser.SendBatch(t.Context(), batch).Close(); err != nil {
		t.Fatalf("fill an organization: %v", err)
	}
}

// traces is what any effect on an organization's rows would change: their content, that they were
// written again, that they were locked.
func (w fixture) traces(t *testing.T, organization uuid.UUID) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, table := range w.tables {
		var trace string
		err := w.Superuser.QueryRow(t.Context(), `SELECT count(*) || ' rows, '
			|| md5(string_agg(concat_ws('|', ctid, xmin, xmax, t::text), ' ' ORDER BY ctid))
			FROM `+table.name+` t WHERE `+table.tenant+` = $1`, organization).Scan(&trace)
		if err != nil {
			t.Fatalf("%s has no row of the organization: %v", table.name, err)
		}
		found[table.name] = trace
	}
	return found
}
