-- +goose Up

-- The outbox: what is promised to be told, written in the transaction of the fact that it tells. Payloads carry ids, states and numbers only.
CREATE TABLE notifications (
	organization_id uuid NOT NULL REFERENCES organizations,
	id              uuid NOT NULL DEFAULT gen_random_uuid(),
	topic           text NOT NULL CHECK (topic ~ '^[a-z]+(\.[a-z_]+)+$'), -- for example file.available
	subject_id      uuid NOT NULL,                                        -- what it is about
	payload         jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(payload) = 'object'),
	created_at      timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (organization_id, id)
);
CREATE INDEX notifications_newest ON notifications (organization_id, created_at DESC, id DESC);
SELECT protect_tenant_table('notifications');

GRANT INSERT ON notifications TO satchel_file_api_http, satchel_file_api_maintenance, satchel_file_processing_events;

-- +goose Down
DROP TABLE notifications;
